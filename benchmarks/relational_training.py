"""Training many relational perceptrons on one CPU thread: what each idea gives.

Accuracy stays, which is shown beside the times.

    python benchmarks/relational_training.py --data-dir data

The networks are those of the task mlp_cifar10 for the sparser half of the 52 published graphs:
3072-512-d-d-d-10 with the published widths d, batch 128, SGD with Nesterov momentum. The starting
point is the original's way: weight * mask in every step in float32, each network by itself with a
data pipeline of its own, SGD as PyTorch has it by default. Without CIFAR-10 in `--data-dir` the
second table, whole epochs with tests, is left out: time does not depend on the images, errors do.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from common import parser, random_images, ratio, report, side_by_side, start, table
from torch import Tensor, nn

from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.graphs.graph_sets import graph_set
from graph2nn.relational.networks.layers import (
    RelationalConv2d,
    RelationalLinear,
    choose_execution,
    set_execution,
)
from graph2nn.relational.networks.matching import match_width
from graph2nn.relational.networks.registry import build_model
from graph2nn.training.loop.trainer import train_networks
from graph2nn.training.recipe import Recipe
from graph2nn.vision.batches import Batches
from graph2nn.vision.datasets import load_images
from graph2nn.vision.image_data import ImageData

VARIANTS: dict[str, dict[str, Any]] = {
    "masked, fp32, SGD by default": {"execution": "masked"},
    "fused SGD": {"execution": "masked", "fused": True},
    "mask-once": {"execution": "mask-once", "fused": True},
    "blocks": {"execution": "blocks", "fused": True},
    "bf16 without blocks": {"execution": "mask-once", "fused": True, "bf16": True},
    "blocks and bf16": {"execution": "blocks", "fused": True, "bf16": True},
    "blocks, bf16, turns": {"execution": "blocks", "fused": True, "bf16": True, "turn": 8},
}
"""Ways to train one network on given images, each but the fifth building on the one before. A turn
is how many batches a network trains on before others have theirs, as in `train_networks`."""
DEGREES = (8, 13, 17, 20, 26, 40, 63)  # of 64 nodes, for the choice by density
SPLITS = ("trainval", "test")
SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}


def sparse_half(args: argparse.Namespace) -> list[RelationalGraph]:
    """The sparser 26 of the 52 graphs, thinned to `--graphs` of them, sparsest first."""
    entries = sorted(graph_set("n64_52"), key=lambda entry: entry.sparsity)[:26]
    count = min(args.graphs, len(entries))
    return [entries[(2 * i + 1) * len(entries) // (2 * count)].graph() for i in range(count)]


def network(graph: RelationalGraph, args: argparse.Namespace, execution: str) -> nn.Module:
    """Of the task; every execution starts from the same weights."""
    return build_model(
        "mlp", graph, num_classes=10, image_size=args.image_size, execution=execution
    )


def stepper(
    net: nn.Module, images: Tensor, labels: Tensor, *, fused: bool = False, bf16: bool = False
) -> Callable[[], None]:
    """One step of training."""
    optimizer = torch.optim.SGD(net.parameters(), fused=fused or None, **SGD)
    images = images.bfloat16() if bf16 else images

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()

    return step


def repeated(step: Callable[[], None], times: int) -> Callable[[], None]:
    """`step` so many times."""

    def steps() -> None:
        for _ in range(times):
            step()

    return steps


def breakdown(args: argparse.Namespace) -> dict[str, float]:
    """Mean CPU seconds of a step of each variant over the graphs, and of a batch of images."""
    data = random_images(8 * args.batch, args.image_size)
    images, labels = next(iter(Batches(data, args.batch, train=True)))
    loader = Batches(data, args.batch, train=True).endless()
    taken = {"images": side_by_side({"images": lambda: next(loader)}, 5 * args.repeats)["images"]}
    graphs = sparse_half(args)
    for graph in graphs:
        actions = {}
        for name, variant in VARIANTS.items():
            how = {"turn": 1} | variant
            net, turn = network(graph, args, how.pop("execution")), how.pop("turn")
            actions[name] = repeated(stepper(net, images, labels, **how), turn)
        for name, seconds in side_by_side(actions, args.repeats, warmup=2).items():
            steps = VARIANTS[name].get("turn", 1) * len(graphs)
            taken[name] = taken.get(name, 0.0) + seconds / steps
    return taken


def one_by_one(
    networks: Mapping[str, nn.Module], train: ImageData, test: ImageData, recipe: Recipe
) -> list[float]:
    """The original's way: each network by itself. Returns the last test errors in percent."""
    errors = []
    for net in networks.values():
        optimizer = torch.optim.SGD(net.parameters(), **SGD)
        batches = Batches(train, recipe.batch_size, train=True, seed=1, drop_last=True)
        schedule, step = recipe.lr_schedule(len(batches)), 0
        error = test_error(net, test, recipe)  # the original tests before training, too
        for _ in range(recipe.epochs):
            net.train()
            for images, labels in batches:
                optimizer.param_groups[0]["lr"] = recipe.lr * schedule(step)
                optimizer.zero_grad()
                F.cross_entropy(net(images), labels).backward()
                optimizer.step()
                step += 1
            error = test_error(net, test, recipe)
        errors.append(error)
    return errors


@torch.no_grad()
def test_error(net: nn.Module, test: ImageData, recipe: Recipe) -> float:
    """Percent of the test images."""
    net.eval()
    wrong = 0
    for images, labels in Batches(test, recipe.test_batch_size, train=False):
        wrong += int((net(images).argmax(1) != labels).sum())
    return 100 * wrong / len(test)


def epochs(args: argparse.Namespace, train: ImageData, test: ImageData) -> dict[str, Any]:
    """CPU seconds and errors of whole runs, tests after every epoch included."""
    recipe = {"epochs": args.epochs, "batch_size": args.batch, "precise_bn": 0}
    graphs = {f"{k}": graph for k, graph in enumerate(sparse_half(args))}
    plain = {name: network(graph, args, "masked") for name, graph in graphs.items()}
    fast = {name: network(graph, args, "auto") for name, graph in graphs.items()}
    begin = time.process_time()
    before = one_by_one(plain, train, test, Recipe(**recipe))
    middle = time.process_time()
    records = train_networks(
        fast, train, test, Recipe(**recipe, amp="bf16"), seed=1, progress=False
    )
    end = time.process_time()
    after = [r["top1_error"] for r in records if r["epoch"] == args.epochs]
    return {
        "networks": len(graphs),
        "epochs": args.epochs,
        "seconds": {"one by one": middle - begin, "together": end - middle},
        "top1_error": {"one by one": before, "together": after},
    }


def layer_stepper(layer: nn.Module, images: Tensor, execution: str, bf16: bool) -> Callable:
    """A step of one layer: forward, backward, SGD."""
    set_execution(layer, execution)
    optimizer = torch.optim.SGD(layer.parameters(), fused=True, **{**SGD, "lr": 0.0})
    images = (images.bfloat16() if bf16 else images.clone()).requires_grad_()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found = layer(images)
        found.backward(found.detach())
        optimizer.step()

    return step


def crossover(args: argparse.Namespace, kind: str) -> list[dict[str, Any]]:
    """CPU seconds of a step of one layer in each execution, over the density of the graph."""
    generator, found = torch.Generator().manual_seed(0), []
    for degree in DEGREES if not args.quick else DEGREES[:1]:
        graph = ws_flex(64, degree, 0.2, 0) if degree < 63 else ws_flex(64, 63, 0, 0)
        if kind == "linear":
            sizes = {"num_classes": 10, "image_size": args.image_size}
            width = match_width("mlp", graph, **sizes).dims[0]
            images = torch.randn(args.batch, width, generator=generator)
        else:
            width = 2 * match_width("cnn6", graph, num_classes=1000, image_size=224).dims[0]
            side = 4 if args.quick else 14
            images = torch.randn(8, width, side, side, generator=generator)
        actions, auto = {}, ""
        for execution in ("masked", "mask-once", "blocks"):
            for bf16 in (False, True):
                layer: nn.Module = (
                    RelationalLinear(graph, width, width)
                    if kind == "linear"
                    else RelationalConv2d(graph, width, width, 3, padding=1)
                )
                auto = choose_execution(layer)
                name = f"{execution} {'bf16' if bf16 else 'fp32'}"
                actions[name] = layer_stepper(layer, images, execution, bf16)
        taken = side_by_side(actions, args.repeats, warmup=2)
        found.append({"density": layer.density, "width": width, "auto": auto, **taken})
    return found


def tables(args: argparse.Namespace, figures: dict[str, Any]) -> list[str]:
    """What is printed."""
    taken, shown = figures["breakdown"], []
    data = taken["images"]
    first, *_, last = VARIANTS
    rows = [[f"{first}, own images", taken[first] + data], ["shared images", taken[first]]]
    rows += [[name, taken[name]] for name in VARIANTS if name != first]
    share = data / max(1, len(sparse_half(args)))
    rows.append([f"**{last}, with its share of the images**", taken[last] + share])
    base = rows[0][1]
    lines = [[name, 1e3 * s, 60 / (s * args.steps), ratio(base, s)] for name, s in rows]
    header = [f"{args.graphs} networks, batch {args.batch}", "ms a step"]
    shown.append(table([*header, "networks x epochs a minute", "ratio"], lines))
    if "epochs" in figures:
        shown.append(epochs_table(figures["epochs"]))
    for kind in ("linear", "conv"):
        names = [n for n in figures[kind][0] if n not in ("density", "width", "auto")]
        rows = [
            [f"{f['density']:.3f}", f["width"], *(1e3 * f[n] for n in names), f["auto"]]
            for f in figures[kind]
        ]
        shown.append(table([f"{kind} layer, density", "width", *names, "auto"], rows))
    return shown


def epochs_table(found: dict[str, Any]) -> str:
    """Of whole runs."""
    runs = found["networks"] * found["epochs"]
    seconds = found["seconds"]
    lines = [
        [name, s, 60 * runs / s, sum(e := found["top1_error"][name]) / len(e)]
        + [ratio(seconds["one by one"], s)]
        for name, s in seconds.items()
    ]
    label = f"CIFAR-10, {found['networks']} networks, {found['epochs']} epochs"
    header = [label, "CPU s", "networks x epochs a minute", "mean top-1 error, %", "ratio"]
    return table(header, lines)


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument(
        "--data-dir", help="folder with CIFAR-10; default: $NETWRIGHT_DATA or ./data"
    )
    found.add_argument(
        "--graphs", type=int, default=26, help="number of graphs, at most 26; default: %(default)s"
    )
    found.add_argument("--epochs", type=int, default=2, help="0: no table; default: %(default)s")
    args = found.parse_args(argv)
    args.batch, args.image_size, args.steps = 128, 32, 50000 // 128
    if args.quick:
        args.repeats, args.graphs, args.epochs, args.batch, args.image_size = 1, 1, 1, 8, 8
    start(args)
    gc.freeze()  # what is there now need not be searched before every measurement
    figures: dict[str, Any] = {"breakdown": breakdown(args)}
    if args.quick:
        images = random_images(32, args.image_size)
        figures["epochs"] = epochs(args, images, images)
    elif args.epochs:
        try:
            splits = (load_images("cifar10", data_dir=args.data_dir, split=s) for s in SPLITS)
            figures["epochs"] = epochs(args, *splits)
        except (FileNotFoundError, ValueError) as error:
            print(f"No table of whole epochs: {error}\n")
    for kind in ("linear", "conv"):
        figures[kind] = crossover(args, kind)
    gc.unfreeze()
    report(args, tables(args, figures), figures)


if __name__ == "__main__":
    main()
