"""Discovered wirings: training steps, the choice of edges, and inference with edges alone.

    python benchmarks/wirings.py --reference path/to/dnw

`--reference` is an unpacked allenai/dnw, whose licence forbids reuse: it is run, nothing is taken
from it. Both sides get the same weights and must give the same outputs, gradients and edges before
anything is timed; ours with `legacy_budget`, which lets slots compete that the network cannot use.
Without it the original's place is taken by our twin by the letter of the specification, which sorts
all weights in each forward pass.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from common import fresh_process, parser, ratio, report, side_by_side, start, table
from torch import Tensor, nn

from graph2nn.training.top_k import top_k_reference
from graph2nn.wirings import (
    ContinuousTimeWiring,
    DiscreteTimeWiring,
    Solver,
    StaticWiring,
    WiredMobileNetV1,
)
from graph2nn.wirings.compaction import execution
from graph2nn.wirings.compaction.compact import compact
from graph2nn.wirings.compaction.compacted import WiredLayers
from graph2nn.wirings.compaction.execution import EdgeProduct, set_execution
from graph2nn.wirings.edges.layers import WiredConv, wired_layers

TINY, MOBILE = "small_scale/static_dnw", "medium_scale/mobilenetv1_dnw_x225"
LARGEST = 3  # block of MobileNetV1
PRODUCTS = ((512, 2304, 1568), (192, 416, 8192), (64, 64, 16384))
DENSITIES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def main(arguments: Sequence[str] | None = None) -> None:
    line = parser(__doc__, reference=False)
    line.add_argument("--reference", type=Path, metavar="PATH", help="an unpacked allenai/dnw")
    line.add_argument("--batch", type=int, default=128, help="default: %(default)s")
    args = line.parse_args(arguments)
    if args.quick:
        args.batch, args.repeats = 4, 1
    start(args)
    if args.reference and not (args.reference / "models/graphs/neuralgraph.py").is_file():
        sys.exit(f"--reference: {args.reference} is no unpacked dnw: it lacks models/graphs")
    if args.measure:
        print(json.dumps(MEASURES[args.measure](args)))
        return
    found = {what: _measured(what, args) for what in MEASURES}
    tables = [_compared(found["step"], "tiny static, training step"), _settings(found["settings"])]
    tables.append(_selection(found))
    tables += [_inference(found["inference"]), _crossing(found["products"])]
    report(args, tables, found)


def _measured(what: str, args: argparse.Namespace) -> Any:
    if args.quick:  # one process is enough to see that it runs
        return MEASURES[what](args)
    return fresh_process(__file__, what, args, "--batch", str(args.batch))


def step(args: argparse.Namespace) -> dict[str, float]:
    """A step of the tiny static network: forward, backward, SGD with momentum and decay."""
    batch = args.batch
    ours, legal = StaticWiring("dnw", legacy_budget=True), StaticWiring("dnw")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    models: dict[str, tuple[nn.Module, Callable[[Tensor], Tensor]]] = {}
    if args.reference:
        original = _original(args.reference, TINY, "neuralgraph", "StaticNeuralGraph")
        original.load_state_dict(_their_names(ours), strict=False)
        models["theirs"] = original, original
    twin = _SortingTwin(ours)
    models |= {"twin": (twin, twin), "ours, legacy budget": (ours, ours), "ours": (legal, legal)}
    _same_step(list(models.values())[:-1], images, labels)
    actions = {}
    for name, (model, forward) in models.items():
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        actions[name] = partial(_step, forward, optimizer, images, labels)
    return side_by_side(actions, args.repeats)


class _SortingTwin(nn.Module):
    """The specification by the letter: a sort of all slots in each forward pass, slices."""

    def __init__(self, model: StaticWiring) -> None:
        super().__init__()
        self.model = StaticWiring("dnw", legacy_budget=True)
        self.model.load_state_dict(model.state_dict())
        self.model.wires.wiring.choose = partial(_sorted, self.model.wires.keep)

    def forward(self, images: Tensor) -> Tensor:
        self.model.wires.wiring.refresh()
        return self.model.forward_reference(images)


def _sorted(keep: int, weight: Tensor) -> Tensor:
    return top_k_reference(weight.abs().flatten(), keep).view(weight.shape)


def _step(forward: Any, optimizer: Any, images: Tensor, labels: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(forward(images), labels).backward()
    optimizer.step()


def _same_step(models: Sequence[tuple[nn.Module, Any]], images: Tensor, labels: Tensor) -> None:
    """Ends the program unless all give the same logits and gradients of all slots."""
    values = []
    for model, forward in models:
        logits = forward(images)
        F.cross_entropy(logits, labels).backward()
        wide = next(p.grad for p in model.parameters() if p.shape == (800, 800, 1, 1))
        values.append((logits.detach(), wide))
        model.zero_grad()
    for logits, gradient in values[1:]:
        _check("logits", logits, values[0][0])
        _check("gradients", gradient, values[0][1])


def _check(what: str, found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    worst = float((found - expected).abs().max())
    if not worst <= tolerance * max(1e-3, float(expected.abs().max())):
        sys.exit(f"{what} differ by {worst:.3g}, so there is nothing to time")


def _their_names(model: StaticWiring) -> dict[str, Tensor]:
    """Our values under the names that the original's state dict shows."""
    stem, sizes = model.stem, model.blocks
    parts = {"0": stem.conv, "1": stem.norm, "3": stem.depthwise, "4": stem.pointwise}
    parts["5"] = stem.pointwise_norm
    found = {
        f"downsample.{number}.{name}": value
        for number, part in parts.items()
        for name, value in part.state_dict().items()
    }
    scales, shifts = model.norm_weight.split(sizes), model.norm_bias.split(sizes)
    for k, (scale, shift) in enumerate(zip(scales, shifts)):
        found |= {f"norm.{k}.weight": scale, f"norm.{k}.bias": shift}
    found |= {"conv.weight": model.depthwise.weight, "graph.weight": model.wires.weight}
    found |= {"fc.weight": model.fc.weight, "fc.bias": model.fc.bias}
    return {name: value.detach().clone() for name, value in found.items()}


def _original(path: Path, config: str, module: str, name: str) -> Any:
    """A network of the original, which reads its configuration from the command line."""
    where, before = str(path.resolve()), sys.argv
    sys.path.insert(0, where)
    sys.argv = ["runner.py", f"app:{where}/apps/{config}.yml"]
    warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return getattr(importlib.import_module(f"models.graphs.{module}"), name)()
    except ImportError as error:
        sys.exit(f"--reference: the original needs {error.name}: pip install {error.name}")
    finally:
        sys.argv = before


def settings(args: argparse.Namespace) -> list[list[Any]]:
    """Rows: setting, a training step in float32, in bfloat16."""
    batch, rows = args.batch, []
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    solver = Solver(method="rk4", steps=2)
    for name, model in {
        "static": StaticWiring("dnw"),
        "discrete time": DiscreteTimeWiring("dnw"),
        "continuous time, 8 evaluations": ContinuousTimeWiring("dnw", solver=solver),
    }.items():
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        actions = {
            str(half): partial(_autocast_step, half, model, optimizer, images, labels)
            for half in (False, True)
        }
        rows.append([name, *side_by_side(actions, args.repeats).values()])
    return rows


def _autocast_step(half: bool, *how: Any) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        _step(*how)


def selection(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The effective weights of all blocks of MobileNetV1 after a step, and of the largest."""
    ours, legal = WiredMobileNetV1("dnw", legacy_budget=True), WiredMobileNetV1("dnw")
    mine, legally = ([layer for _, layer in wired_layers(model)] for model in (ours, legal))
    graphs = None
    if args.reference:
        original = _original(args.reference, MOBILE, "mobilenetv1like", "MobileNetV1Like")
        graphs = [block.graph for block in original.layers]
        for graph, layer in zip(graphs, mine):
            graph.weight.data.copy_(layer.weight.data)
            _same_edges(layer.effective_weight(), graph.get_weight())
    numbers = [0, 1, 2] if args.quick else list(range(len(mine)))
    found = {}
    for name, chosen in {
        "all blocks": numbers,
        "largest block": [min(LARGEST, numbers[-1])],
    }.items():
        actions: dict[str, Callable[[], Any]] = {}
        if graphs is not None:
            actions["theirs"] = lambda chosen=chosen: [graphs[k].get_weight() for k in chosen]
        actions["twin"] = lambda chosen=chosen: [_sorted_weight(mine[k]) for k in chosen]
        actions["ours, legacy budget"] = lambda chosen=chosen: [_selected(mine[k]) for k in chosen]
        actions["ours"] = lambda chosen=chosen: [_selected(legally[k]) for k in chosen]
        found[name] = side_by_side(actions, args.repeats)
    return found


def _same_edges(found: Tensor, expected: Tensor) -> None:
    """Ends the program unless both keep the same weights, up to which of equally weak ones."""
    kept, differ = expected[expected != 0].abs(), found != expected
    weakest = torch.maximum(found[differ].abs(), expected[differ].abs()) == kept.min()
    if int((found != 0).sum()) != len(kept) or not bool(weakest.all()):
        sys.exit(f"{int(differ.sum())} weights are chosen differently; there is nothing to time")


def _selected(layer: WiredConv) -> tuple[Tensor, ...]:
    layer.wiring.refresh()
    return layer.pieces()


def _sorted_weight(layer: WiredConv) -> Tensor:
    return layer.weight * _sorted(layer.keep, layer.weight.detach())


@torch.no_grad()
def inference(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """MobileNetV1 x.225 with all nodes: the largest block and the whole network."""
    generator, found = torch.Generator().manual_seed(0), {}
    for batch, side, image in [(1, 8, 32)] if args.quick else [(8, 28, 224), (128, 8, 32)]:
        classes = 1000 if image > 64 else 10
        model = WiredMobileNetV1("dnw", image_size=image, num_classes=classes).eval()
        fixed = {how: compact(model, prune=False, execution=how) for how in ("dense", "csr")}
        maps = torch.randn(batch, 256, side, side, generator=generator)
        block = model.wired_blocks[LARGEST]
        actions: dict[str, Callable[[], Any]] = {"dense, as trained": partial(block, maps)}
        norm, after = block.norms[0], model.wired_blocks[LARGEST + 1].norms[0]
        sums = norm(maps).transpose(0, 1).contiguous()  # batch norm is folded into edges
        for how, network in fixed.items():
            layers = network.blocks[LARGEST]
            assert isinstance(layers, WiredLayers)
            expected = after(block(maps)).transpose(0, 1)
            _check("sums of the block", layers(sums), expected, 1e-5)
            actions[how] = partial(layers, sums)
        name = f"largest block, {batch} x {side} x {side}"
        found[name] = side_by_side(actions, args.repeats)
        images = torch.randn(batch, 3, image, image, generator=generator)
        actions = {"dense, as trained": partial(model, images)}
        for how, network in fixed.items():
            _check("logits", network(images), model(images), 1e-5)
            actions[how] = partial(network, images)
        found[f"network, {batch} x {image} x {image}"] = side_by_side(actions, args.repeats)
    return found


@torch.no_grad()
def products(args: argparse.Namespace) -> list[list[float]]:
    """Rows: receivers, senders, columns, density, dense, csr, csr without numba."""
    generator, rows = torch.Generator().manual_seed(0), []
    for receivers, senders, columns in PRODUCTS[2:] if args.quick else PRODUCTS:
        columns = 64 if args.quick else columns
        sent = torch.randn(senders, columns, generator=generator)
        for density in DENSITIES[:2] if args.quick else DENSITIES:
            weight = torch.randn(receivers, senders, generator=generator)
            weight *= torch.rand(weight.shape, generator=generator) < density
            product = EdgeProduct(weight, execution="dense")
            twin = set_execution(nn.Sequential(EdgeProduct(weight)), "csr")
            _check("products", twin(sent), product(sent), 1e-5)
            actions = {"dense": partial(product, sent), "csr": partial(twin, sent)}
            actions["plain"] = partial(_without_numba, twin, sent)
            _check("products without numba", actions["plain"](), product(sent), 1e-5)
            taken = side_by_side(actions, args.repeats)
            rows.append([receivers, senders, columns, density, *taken.values()])
    return rows


def _without_numba(product: nn.Module, sent: Tensor) -> Tensor:
    with patch.object(execution, "_compiled", lambda: None):
        return product(sent)


MEASURES: dict[str, Callable[[argparse.Namespace], Any]] = {
    "step": step,
    "settings": settings,
    "selection": selection,
    "inference": inference,
    "products": products,
}


def _compared(taken: dict[str, float], what: str) -> str:
    against = "theirs" if "theirs" in taken else "twin"
    rows = [[name, s * 1e3, ratio(taken[against], s)] for name, s in taken.items()]
    return table([what, "CPU ms", "ratio"], rows)


def _settings(rows: list[list[Any]]) -> str:
    lines = [[name, full * 1e3, half * 1e3, ratio(full, half)] for name, full, half in rows]
    return table(["training step, CPU ms", "float32", "bfloat16", "ratio"], lines)


def _selection(found: dict[str, Any]) -> str:
    return "\n\n".join(
        _compared(taken, f"edges of MobileNetV1 x.225, {name}")
        for name, taken in found["selection"].items()
    )


def _inference(found: dict[str, dict[str, float]]) -> str:
    rows = []
    for name, taken in found.items():
        dense, how = taken["dense, as trained"], (taken["dense"], taken["csr"])
        rows.append([name, dense * 1e3, *[s * 1e3 for s in how], ratio(dense, how[1])])
    return table(["inference, CPU ms", "as trained", "dense", "csr", "csr ratio"], rows)


def _crossing(rows: list[list[float]]) -> str:
    lines = [
        [
            f"{r:.0f} x {s:.0f} @ {n:.0f}, {d:.0%}",
            *[dense * 1e3, csr * 1e3, ratio(dense, csr)],
            *[plain * 1e3, ratio(dense, plain)],
        ]
        for r, s, n, d, dense, csr, plain in rows
    ]
    return table(["product, edges", "dense ms", "csr", "ratio", "without numba", "ratio"], lines)


if __name__ == "__main__":
    main()
