"""One training iteration: 8 networks, 64 images of 3x32x32, on one thread.

    python benchmarks/train_step.py --reference path/to/ppuda

Both sides read the same networks from one file in the published format. Time is split into running
the networks (their forward and backward passes, the same work for everybody) and all the rest.
Memory is the highest during an iteration over that before it, each side in its own process.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from common import (
    GHN2,
    fresh_process,
    load_reference,
    memory,
    parser,
    ratio,
    report,
    reset_peak,
    start,
    table,
)
from torch import nn

from graph2nn.deepnets import EndlessNets, PublishedNets, write_published

NETWORKS = ("networks forward", "networks backward")
STAGES = (
    "load graphs",
    "build networks",
    "GHN forward",
    *NETWORKS,
    "GHN backward",
    "clip and step",
)


class Stopwatch:
    """CPU seconds by stage; stages do not nest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - begin

    def around(self, stage: str, action: Callable) -> Callable:
        """`action`, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self(stage):
                return action(*args, **kwargs)

        return timed


class Theirs:
    """The original's loader, networks, hypernetwork and trainer."""

    def __init__(self, args: argparse.Namespace) -> None:
        from ppuda.deepnets1m.loader import DeepNets1M
        from ppuda.ghn.nn import GHN
        from ppuda.utils import Trainer

        nets_dir = str(args.folder)
        self.nets = DeepNets1M(split="val", nets_dir=nets_dir, virtual_edges=50)
        self.ghn = GHN(**GHN2).train()
        self.optimizer = torch.optim.Adam(self.ghn.parameters(), 1e-3)
        self.trainer = Trainer(self.optimizer, 10, False, n_batches=1, device="cpu")

    def load(self) -> tuple[Any, list[nn.Module]]:
        from ppuda.deepnets1m.graph import GraphBatch
        from ppuda.deepnets1m.net import Network

        graphs = GraphBatch([self.nets[k] for k in range(len(self.nets))])
        args = {"is_imagenet_input": False, "num_classes": 10, "light": True}
        return graphs, [Network(**args, **own) for own in graphs.net_args]

    def whole(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """An iteration exactly as their script does it."""
        graphs, nets = self.load()
        self.trainer.update(nets, images, labels, ghn=self.ghn, graphs=graphs)

    def staged(self, watch: Stopwatch, images: torch.Tensor, labels: torch.Tensor) -> None:
        """The same, with the backward pass cut at the predicted parameters to time its halves."""
        from ppuda.deepnets1m.graph import GraphBatch
        from ppuda.deepnets1m.net import Network

        with watch("load graphs"):
            graphs = GraphBatch([self.nets[k] for k in range(len(self.nets))])
        with watch("build networks"):
            own = {"is_imagenet_input": False, "num_classes": 10, "light": True}
            nets = [Network(**own, **a) for a in graphs.net_args]
        self.optimizer.zero_grad()
        with watch("GHN forward"):
            nets = self.ghn(nets, graphs.to_device("cpu"))
        predicted = [p for net in nets for p in _predicted(net)]
        with watch("networks forward"):
            losses = [nn.functional.cross_entropy(net(images)[0], labels) for net in nets]
            loss = torch.stack(losses).mean()
        with watch("networks backward"):
            found = torch.autograd.grad(loss, predicted, allow_unused=True)
        with watch("GHN backward"):
            pairs = [(p, g) for p, g in zip(predicted, found) if g is not None]
            torch.autograd.backward([p for p, _ in pairs], [g for _, g in pairs])
        with watch("clip and step"):
            nn.utils.clip_grad_norm_(self.ghn.parameters(), 5)
            self.optimizer.step()


def _predicted(net: nn.Module) -> list[torch.Tensor]:
    """Tensors with gradient that the original put in the place of parameters."""
    values = (p for module in net.modules() for p in module._parameters.values())
    return [p for p in values if isinstance(p, torch.Tensor) and p.requires_grad]


class Ours:
    """Our reader, hypernetwork and training step."""

    def __init__(self, args: argparse.Namespace) -> None:
        from ghn import GHN

        self.nets = PublishedNets(args.folder, "val", cutoff=50)
        self.ghn = GHN(**GHN2).train()
        self.optimizer = torch.optim.Adam(self.ghn.parameters(), 1e-3)

    def whole(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """An iteration as the training loop does it."""
        self.staged(Stopwatch(), images, labels)

    def staged(self, watch: Stopwatch, images: torch.Tensor, labels: torch.Tensor) -> None:
        """The same, timed from outside by wrapping what the step calls."""
        from ghn.training import step

        with watch("load graphs"):
            nets = [self.nets.item(k) for k in range(len(self.nets))]
        self.optimizer.zero_grad()
        names = {
            (step, "run_blueprint"): "networks forward",
            (torch.autograd, "grad"): "networks backward",
            (torch.autograd, "backward"): "GHN backward",
            (self.ghn, "predict_graphs"): "GHN forward",
        }
        with _wrapped(watch, names):
            step.meta_step(self.ghn, nets, images, labels)
        with watch("clip and step"):
            nn.utils.clip_grad_norm_(self.ghn.parameters(), 5)
            self.optimizer.step()


@contextmanager
def _wrapped(watch: Stopwatch, names: dict[tuple[Any, str], str]) -> Iterator[None]:
    kept = {(owner, name): getattr(owner, name) for owner, name in names}
    try:
        for (owner, name), stage in names.items():
            setattr(owner, name, watch.around(stage, kept[owner, name]))
        yield
    finally:
        for (owner, name), action in kept.items():
            if isinstance(owner, nn.Module):
                del owner.__dict__[name]
            else:
                setattr(owner, name, action)


def write_networks(folder: Path, n: int) -> list[int]:
    """The first networks of a training stream, in the published format; their numbers of nodes."""
    stream = EndlessNets("train", seed=0)
    nets = [stream[k] for k in range(n)]
    write_published(folder / "deepnets1m_eval.hdf5", {"val": nets}, overwrite=True)
    return [stream.num_nodes(k) for k in range(n)]


def batch(args: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(args.batch, 3, 32, 32, generator=generator)
    return images, torch.randint(10, (args.batch,), generator=generator)


def side(name: str, args: argparse.Namespace) -> Theirs | Ours:
    return Theirs(args) if name == "theirs" else Ours(args)


def peak(args: argparse.Namespace, name: str) -> dict[str, float]:
    """MB over the base of two iterations, in this fresh process."""
    learner, (images, labels) = side(name, args), batch(args)
    base = reset_peak()
    for _ in range(2):
        learner.whole(images, labels)
    return {"base": base, "peak": memory("VmHWM") - base}


def times(args: argparse.Namespace, names: list[str]) -> dict[str, dict[str, float]]:
    """Median CPU seconds by stage, sides in turns."""
    images, labels = batch(args)
    learners = {name: side(name, args) for name in names}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(args.repeats + 1):
        for name, learner in learners.items():
            watch = Stopwatch()
            gc.collect()
            begin = time.process_time()
            learner.staged(watch, images, labels)
            total = time.process_time() - begin
            inside = sum(watch.seconds[stage] for stage in NETWORKS)
            taken[name].append({**watch.seconds, "total": total, "outside": total - inside})
    return {
        name: {key: statistics.median(run[key] for run in runs[1:]) for key in runs[0]}
        for name, runs in taken.items()
    }


def rows_of(found: dict[str, dict[str, float]]) -> list[list[Any]]:
    labels = {stage: stage for stage in STAGES}
    labels |= {"total": "**iteration**", "outside": "**outside the networks**"}
    rows = []
    for key, label in [*labels.items(), ("peak", "**peak memory over the base, MB**")]:
        old = found["theirs"].get(key) if "theirs" in found else None
        new = found["ours"].get(key, 0.0)
        rows.append([label, old, new, ratio(old, new)])
    return rows


def run(args: argparse.Namespace) -> None:
    nodes = write_networks(args.folder, args.nets)
    names = ["theirs", "ours"] if args.reference else ["ours"]
    extra = ["--folder", str(args.folder), "--batch", str(args.batch)]
    found = times(args, names)
    for name in names:
        found[name] |= fresh_process(__file__, name, args, *extra)
    header = [f"{args.nets} networks, {sum(nodes)} nodes; CPU s", "theirs", "ours", "ratio"]
    report(args, [table(header, rows_of(found))], {"nodes": nodes, **found})


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__)
    found.add_argument("--nets", type=int, default=8, help="default: %(default)s")
    found.add_argument("--batch", type=int, default=64, help="default: %(default)s")
    found.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    found.set_defaults(repeats=5)
    args = found.parse_args(argv)
    if args.quick:
        args.nets, args.batch, args.repeats = 2, 4, 1
    start(args)
    load_reference(args.reference)
    if args.measure:
        print(json.dumps(peak(args, args.measure)))
        return
    if args.folder is not None:
        sys.exit("--folder: only for measuring in a fresh process")
    with tempfile.TemporaryDirectory() as name:
        args.folder = Path(name)
        run(args)


if __name__ == "__main__":
    main()
