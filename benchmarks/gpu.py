"""What a GPU gives, and whether it computes what the CPU does: tests/gpu first, then times.

    python benchmarks/gpu.py --out gpu.json

One command of less than eight minutes on one GPU. Wall time, medians, the device waited for at both
ends of a clock; the CPU beside it takes one thread. The figures so far are in `--out` after every
section. A section that `--limit` leaves no time for is named and left out. `--device cpu --quick`
runs all of it in a small form without a GPU.

Two experiments are here and not in the library, because nothing of them pays before it is measured:
networks of one step of a hypernetwork on several CUDA streams, and a network's passes as a CUDA
graph.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import GHN2, parser, random_images, ratio, report, save, start, table
from torch import Tensor, nn
from torch.func import functional_call

from ghn import GHN
from ghn.evaluation import evaluate_nets, evaluation_batches
from ghn.training import meta_step
from ghn.training.networks import evaluation_nets
from graph2nn.families import Net, build_blueprint, run_blueprint
from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.networks.padding import padded_template
from graph2nn.relational.networks.registry import build_model
from graph2nn.runs import seeded
from graph2nn.training import Recipe, Stacked, evaluate
from graph2nn.training.loop.learner import Learner, Single
from graph2nn.vision import Batches

ROOT = Path(__file__).resolve().parents[1]
Rows = list[list[Any]]
Section = Callable[["Bench"], tuple[list[str], Rows]]


class Bench:
    """The devices that are compared, and their clock."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device, self.cpu = args, torch.device(args.device), torch.device("cpu")

    def seconds(
        self, action: Callable[[], Any], device: torch.device, repeats: int | None = None
    ) -> float:
        """Median wall time of an action on a device, after one that does not count."""
        taken = []
        for _ in range((repeats or self.args.repeats) + 1):
            gc.collect()
            self.wait(device)
            begin = time.perf_counter()
            action()
            self.wait(device)
            taken.append(time.perf_counter() - begin)
        return statistics.median(taken[1:])

    def wait(self, device: torch.device) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def both(self, make: Callable[[torch.device], Callable[[], Any]]) -> tuple[float, float]:
        """Seconds on the CPU, once, and on the device."""
        on_cpu = self.seconds(make(self.cpu), self.cpu, repeats=1)
        return on_cpu, self.seconds(make(self.device), self.device)


def batch(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, side, side, generator=generator)
    return images.to(device), torch.randint(10, (count,), generator=generator).to(device)


def perceptrons(count: int, args: argparse.Namespace) -> dict[str, nn.Module]:
    """Relational networks of the shape of those of CIFAR-10."""
    side, width = (8, 64) if args.quick else (32, 512)
    return {
        f"net{k}": build_model(
            "mlp", ws_flex(64, 8 + k % 40, 0.2, k), num_classes=10, image_size=side,
            dims=(width,), dim_first=width, execution="masked", seed=k,
        )
        for k in range(count)
    }  # fmt: skip


def relational(bench: Bench) -> tuple[list[str], Rows]:
    """A step of many masked networks, one by one and stacked."""
    args, count = bench.args, 4 if bench.args.quick else 32
    side, size = (8, 16) if args.quick else (32, 128)
    rows: Rows = []
    for amp in ("none", "bf16"):
        recipe = Recipe(epochs=1, batch_size=size, amp=amp)

        def steps(device: torch.device, stacked: bool, recipe: Recipe = recipe) -> Any:
            nets = perceptrons(count, args)
            images, labels = batch(size, side, device)
            learners: list[Learner] = [
                Single(name, net, recipe, device) for name, net in nets.items() if not stacked
            ]
            if stacked:
                template = padded_template(list(nets.values()))
                learners = [Stacked(nets, template, recipe, device)]
            half = images.bfloat16() if recipe.amp == "bf16" else images
            for learner in learners:
                learner.train()
            return lambda: [learner.train_step(half, labels, 0.1) for learner in learners]

        for name, stacked in (("one by one", False), ("stacked", True)):
            on_cpu, here = bench.both(lambda place, stacked=stacked: steps(place, stacked))
            rows.append([f"{name}, {amp}", 1000 * on_cpu, 1000 * here, ratio(on_cpu, here)])
    return [f"{count} relational MLPs, one step of each; ms", "CPU", args.device, "ratio"], rows


def some_nets(args: argparse.Namespace) -> tuple[list[Any], int, int]:
    """DeepNets with their graphs, their image size, and the number of images."""
    side, count, images = (8, 2, 8) if args.quick else (32, 8, 64)
    how = {"image_size": side, "num_classes": 10, "in_channels": 3}
    return list(evaluation_nets("test", count, small=args.quick, **how)), side, images


def hypernetwork(device: torch.device) -> GHN:
    with seeded(0):
        return GHN(**GHN2).to(device).train()


@contextmanager
def coarse(on: bool) -> Iterator[None]:
    """Products of float32 on a GPU in TF32, or not."""
    owners = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [owner.allow_tf32 for owner in owners]
    try:
        for owner in owners:
            owner.allow_tf32 = on
        yield
    finally:
        for owner, value in zip(owners, before):
            owner.allow_tf32 = value


def step(bench: Bench) -> tuple[list[str], Rows]:
    """A step of a hypernetwork, by precision."""
    nets, side, size = some_nets(bench.args)
    rows: Rows = []
    for name, amp, tf32 in (
        ("float32", None, False),
        ("TF32", None, True),
        ("bf16", torch.bfloat16, True),
        ("fp16", torch.float16, True),
    ):
        if bench.device.type != "cuda" and (tf32 and amp is None or amp is torch.float16):
            continue

        def steps(device: torch.device, amp: torch.dtype | None = amp) -> Callable[[], Any]:
            ghn, (images, labels) = hypernetwork(device), batch(size, side, device)
            return lambda: meta_step(ghn, nets, images, labels, amp=amp)

        on_cpu = None
        if amp is not torch.float16 and not (tf32 and amp is None):
            on_cpu = bench.seconds(steps(bench.cpu), bench.cpu, repeats=1)
        with coarse(tf32):
            here = bench.seconds(steps(bench.device), bench.device)
        rows.append([name, on_cpu, here, ratio(on_cpu, here)])
    head = f"GHN-2, {len(nets)} networks x {size} images; s"
    return [head, "CPU", bench.args.device, "ratio"], rows


def step_on_streams(
    ghn: GHN, nets: list[Any], images: Tensor, labels: Tensor, count: int
) -> Tensor:
    """`meta_step` with the networks on `count` CUDA streams in turns, and no loss read between.

    Returns the mean loss, a scalar tensor. 0 streams: everything on the present one.
    """
    predicted = ghn.predict_graphs([graph for _, graph in nets])
    device, outputs, gradients, losses = images.device, [], [], []
    streams = [torch.cuda.Stream(device) for _ in range(count)]
    main = torch.cuda.current_stream(device) if count else None
    for stream in streams:
        stream.wait_stream(main)
    for k, ((config, _), parameters) in enumerate(zip(nets, predicted, strict=True)):
        stream = streams[k % count] if count else None
        with torch.cuda.stream(stream) if stream is not None else nullcontext():
            leaves = {n: p.detach().requires_grad_() for n, p in parameters.items()}
            with seeded(k, device):
                logits = run_blueprint(config, leaves, images)
            loss = F.cross_entropy(logits, labels)
            found = torch.autograd.grad(loss / len(nets), list(leaves.values()), allow_unused=True)
        for parameter, gradient in zip(parameters.values(), found, strict=True):
            if gradient is not None and parameter.requires_grad:
                if main is not None:
                    gradient.record_stream(main)
                outputs.append(parameter)
                gradients.append(gradient)
        if main is not None:
            loss.record_stream(main)
        losses.append(loss.detach())
    for stream in streams:
        assert main is not None
        main.wait_stream(stream)
    torch.autograd.backward(outputs, gradients)
    return torch.stack(losses).mean()


def skeleton(net: Net, device: torch.device) -> nn.Module:
    return build_blueprint(net, device).train()


def streams(bench: Bench) -> tuple[list[str], Rows]:
    """The step with networks on several streams, its gradient compared with `meta_step`."""
    nets, side, size = some_nets(bench.args)
    images, labels = batch(size, side, bench.device)
    ghn = hypernetwork(bench.device)

    def gradient(action: Callable[[], Any]) -> Tensor:
        ghn.zero_grad(set_to_none=True)
        action()
        return torch.cat([p.grad.flatten() for p in ghn.parameters() if p.grad is not None])

    def plain() -> Any:
        return meta_step(ghn, nets, images, labels)

    expected = gradient(plain)
    base = bench.seconds(plain, bench.device)
    rows: Rows = [["as it is", base, "1.0x", 0.0]]
    for count in (0, 2, 4) if bench.device.type == "cuda" else (0,):

        def several(count: int = count) -> Any:
            return step_on_streams(ghn, nets, images, labels, count)

        error = (gradient(several) - expected).norm() / expected.norm()
        taken = bench.seconds(several, bench.device)
        name = f"{count} streams" if count else "no loss read between networks"
        rows.append([name, taken, ratio(base, taken), float(error)])
    return ["networks of a step", "s", "gain", "difference of the gradient"], rows


def cuda_graph(bench: Bench) -> tuple[list[str], Rows]:
    """One network's passes as a CUDA graph: what starting kernels costs."""
    head = ["passes of one network", "ms", "gain", "difference of the gradient"]
    if bench.device.type != "cuda":
        return head, [["CUDA graph: needs a GPU", None, None, None]]
    nets, side, size = some_nets(bench.args)
    images, labels = batch(size, side, bench.device)
    predicted = hypernetwork(bench.device).predict_graphs([graph for _, graph in nets])
    rows: Rows = []
    for k, ((config, _), parameters) in enumerate(zip(nets[:4], predicted)):
        net = skeleton(config, bench.device)
        leaves = {n: p.detach().requires_grad_() for n, p in parameters.items()}

        def passes(net: Any = net, leaves: dict[str, Tensor] = leaves) -> list[Tensor]:
            loss = F.cross_entropy(functional_call(net, leaves, (images,)), labels)
            found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
            return [g for g in found if g is not None]

        side_stream = torch.cuda.Stream(bench.device)
        side_stream.wait_stream(torch.cuda.current_stream(bench.device))
        with torch.cuda.stream(side_stream):  # as capturing asks for
            for _ in range(3):
                expected = passes()
        torch.cuda.current_stream(bench.device).wait_stream(side_stream)
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            captured = passes()
        recorded.replay()
        torch.cuda.synchronize(bench.device)
        difference = torch.stack([(a - b).norm() for a, b in zip(captured, expected)]).norm()
        size_of = torch.stack([b.norm() for b in expected]).norm()
        eager = bench.seconds(passes, bench.device)
        replay = bench.seconds(recorded.replay, bench.device)
        rows.append([f"network {k}, one by one", 1000 * eager, "1.0x", 0.0])
        share = float(difference / size_of)
        rows.append([f"network {k}, replayed", 1000 * replay, ratio(eager, replay), share])
    return head, rows


def prediction(bench: Bench) -> tuple[list[str], Rows]:
    """Parameters of whole classifiers."""
    from ghn.torchzoo import build_classifier

    args = bench.args
    names = ["resnet18"] if args.quick else ["resnet50", "vit_b_16", "convnext_base"]
    rows: Rows = []
    for name in names:
        model = build_classifier(name, num_classes=10, image_size=32, seed=0).eval()
        images = torch.zeros(2, 3, 32, 32)

        def predict(
            device: torch.device, model: nn.Module = model, images: Tensor = images
        ) -> Callable[[], Any]:
            ghn = hypernetwork(device).eval()
            model.to(device)
            return lambda: ghn(model, images)

        on_cpu, here = bench.both(predict)
        rows.append([name, 1000 * on_cpu, 1000 * here, ratio(on_cpu, here)])
    return ["GHN-2, from the module to its parameters; ms", "CPU", args.device, "ratio"], rows


def evaluation(bench: Bench) -> tuple[list[str], Rows]:
    """Accuracy of networks with predicted parameters, and images on their way."""
    args = bench.args
    nets, side, _ = some_nets(args)
    data = random_images(100 if args.quick else 4096, side)

    def networks(device: torch.device) -> Callable[[], Any]:
        ghn, there = hypernetwork(device).eval(), data.to(device)
        few = there if device.type == "cuda" else there.subset(torch.arange(len(data) // 8))
        batches = evaluation_batches(few, 64, device=device)
        return lambda: evaluate_nets(ghn, nets[:2], batches, progress=False)

    on_cpu, here = bench.both(networks)
    seen = 2 * len(data)
    share = 1 if bench.device.type == "cuda" else 8
    slow, fast = seen / 8 / on_cpu, seen / share / here
    rows: Rows = [["predicted networks, batches of 64", slow, fast, ratio(fast, slow)]]
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 10)).to(bench.device)
    for name, there in (("in the device's memory", data.to(bench.device)), ("uploaded", data)):
        batches = Batches(there, 256, train=True, device=bench.device)
        taken = bench.seconds(lambda batches=batches: evaluate(net, batches), bench.device)
        rows.append([f"augmented images, {name}", None, len(data) / taken, None])
    rows += uploads(bench)
    return ["images a second", "CPU", args.device, "ratio"], rows


def uploads(bench: Bench) -> Rows:
    """Copies of a batch to the device from pageable and from pinned memory."""
    if bench.device.type != "cuda":
        return []
    images = torch.randn(256, 3, 224, 224)
    pinned = images.pin_memory()
    rows: Rows = []
    for name, source in (("pageable", images), ("pinned", pinned)):
        taken = bench.seconds(
            lambda source=source: source.to(bench.device, non_blocking=True), bench.device
        )
        rows.append([f"copies of 224 pixels, {name} memory", None, len(images) / taken, None])
    return rows


def predictor(bench: Bench) -> tuple[list[str], Rows]:
    """A fit of neural predictors."""
    import numpy as np

    from graph2nn.cells import nb201_cell
    from predictors.neural import GCNPredictor
    from predictors.tart import TART

    count, epochs = (24, 1) if bench.args.quick else (512, 3)
    rng = np.random.default_rng(0)
    graphs = [nb201_cell(code) for code in rng.integers(0, 5, (count, 6))]
    y, rows = rng.normal(size=count), []
    for name, kind in (("GCN", GCNPredictor), ("TART", TART)):
        how: dict[str, Any] = {"epochs": epochs, "batch_size": 128}
        how |= {"encoder": "none"} if kind is TART else {}

        def fit(device: torch.device, kind: Any = kind, how: Any = how) -> Callable[[], Any]:
            return lambda: kind(device=str(device), **how).fit(graphs, y)

        on_cpu, here = bench.both(fit)
        rows.append([name, on_cpu, here, ratio(on_cpu, here)])
    head = f"predictors, {count} networks, {epochs} epochs; s"
    return [head, "CPU", bench.args.device, "ratio"], rows


SECTIONS: dict[str, Section] = {
    "step": step,
    "streams": streams,
    "cuda_graph": cuda_graph,
    "relational": relational,
    "prediction": prediction,
    "evaluation": evaluation,
    "predictor": predictor,
}


def tests(args: argparse.Namespace) -> str:
    """Run tests/gpu; returns pytest's last line."""
    device = "cuda" if args.device.startswith("cuda") else "cpu"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", str(ROOT / "tests" / "gpu")]
    # other versions of libraries may warn of what the settings of the tests do not know
    command += ["--gpu-device", device, "--durations=5", "-W", "default", *args.pytest]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=args.test_limit
        )
    except subprocess.TimeoutExpired as late:
        seen = late.stdout or b""
        print((seen if isinstance(seen, str) else seen.decode())[-6000:], flush=True)
        return f"tests stopped after {args.test_limit} s"
    print(done.stdout[-12000:], done.stderr[-2000:], flush=True)
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else f"pytest ended with {done.returncode} and said nothing"


def run(args: argparse.Namespace) -> None:
    bench, begin, tables = Bench(args), time.monotonic(), []
    figures: dict[str, Any] = {"device": args.device}
    if bench.device.type == "cuda":
        figures["device"] = torch.cuda.get_device_name(bench.device)
    if args.tests:
        figures["tests"] = tests(args)
        save(args, figures)
    for name, section in SECTIONS.items():
        spent = time.monotonic() - begin
        if spent > args.limit:
            tables.append(f"{name}: left out after {spent:.0f} s (--limit {args.limit})")
            continue
        try:
            with coarse(False):
                head, rows = section(bench)
        except Exception as error:  # one failure must not cost the other figures
            if args.quick:
                raise
            figures[name] = f"{type(error).__name__}: {error}"
            tables.append(f"{name} failed: {figures[name]}")
        else:
            tables.append(table(head, rows))
            figures[name] = {"columns": head, "rows": rows}
        print(tables[-1], flush=True)
        save(args, figures)
    figures["seconds"] = time.monotonic() - begin
    print()
    report(args, tables, figures)
    print(f"{figures['device']}; {figures.get('tests', 'tests/gpu left out')}")


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--device", default="cuda", help="default: %(default)s")
    found.add_argument(
        "--limit",
        type=float,
        default=400,
        help="seconds after which no section begins; default: %(default)s",
    )  # noqa: E501
    found.add_argument(
        "--test-limit", type=float, default=240, help="seconds for tests/gpu; default: %(default)s"
    )  # noqa: E501
    found.add_argument("--no-tests", dest="tests", action="store_false", help="only the times")
    found.add_argument("pytest", nargs="*", help="further arguments of pytest, after --")
    args = found.parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("--device: torch finds no GPU; --device cpu --quick shows that the script runs")
    if args.quick:
        args.repeats = 1
    start(args)
    run(args)


if __name__ == "__main__":
    main()
