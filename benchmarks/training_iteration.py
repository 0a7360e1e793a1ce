"""A whole iteration of hypernetwork training, beside the plain way of running its networks.

    python benchmarks/training_iteration.py

Both sides draw the same networks and images, predict, run every network forward and backward,
differentiate the hypernetwork, clip and step. `plain` builds each network of modules on the meta
device and calls it with `functional_call`, as training did before `run_network`; `ours` is what
`experiments/train_ghn.py` does. Small networks on random images, by setting: pixels x images.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from common import parser, ratio, report, start, table
from torch import Tensor
from torch.func import functional_call

from ghn import GHN
from ghn.training import step
from graph2nn.deepnets import EndlessNets, MetaBatches, split_rules
from graph2nn.families import Net, build_blueprint
from graph2nn.training import clip_gradients

SETTINGS = ((8, 48), (16, 32), (32, 48))
Run = Callable[[Net, dict[str, Tensor], Tensor], Tensor]


def plain(net: Net, parameters: dict[str, Tensor], images: Tensor) -> Tensor:
    """Run the network as a module."""
    return functional_call(build_blueprint(net).train(), parameters, (images,))


class Training:
    """One way of training, with its own hypernetwork and stream of networks."""

    def __init__(self, pixels: int, batch: int, nets: int, run: Run) -> None:
        channels = 1 if pixels < 16 else 3
        rules = split_rules("train", image_size=pixels, small=True)
        kind = {"image_size": pixels, "in_channels": channels, "num_classes": 10}
        self.nets = iter(MetaBatches(EndlessNets("train", 0, rules=rules, **kind), nets, cutoff=50))
        torch.manual_seed(0)
        self.ghn = GHN(
            hid=32, ve=True, layernorm=True, weight_norm=True, max_shape=(32, 32, 11, 11)
        ).train()
        self.optimizer = torch.optim.Adam(self.ghn.parameters(), 1e-3)
        self.generator = torch.Generator().manual_seed(0)
        self.shape, self.run = (batch, channels, pixels, pixels), run

    def iterate(self) -> tuple[float, float]:
        """Return the CPU seconds of an iteration, and its loss."""
        images = torch.randn(self.shape, generator=self.generator)
        labels = torch.randint(10, self.shape[:1], generator=self.generator)
        kept = step.run_blueprint
        begin = time.process_time()
        batch = next(self.nets)
        self.optimizer.zero_grad()
        try:
            step.run_blueprint = self.run
            nets = list(zip(batch.configs, batch.graphs, strict=True))
            result = step.meta_step(self.ghn, nets, images, labels)
        finally:
            step.run_blueprint = kept
        clip_gradients(self.ghn.parameters(), 5.0)
        self.optimizer.step()
        return time.process_time() - begin, result.loss


def measure(pixels: int, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """CPU milliseconds for a network, both ways in turns, and how far their losses differ."""
    sides = {
        name: Training(pixels, batch, args.nets, run)
        for name, run in (("plain", plain), ("ours", step.run_blueprint))
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    difference = 0.0
    for repeat in range(args.repeats + 1):
        losses = []
        for name, side in sides.items():
            seconds, loss = side.iterate()
            losses.append(loss)
            if repeat:
                taken[name].append(1000 * seconds / args.nets)
        difference = max(difference, abs(losses[0] - losses[1]))
    return {
        **{name: statistics.mean(values) for name, values in taken.items()},
        "difference": difference,
    }


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--nets", type=int, default=4, help="networks a step; default: %(default)s")
    found.set_defaults(repeats=20)
    args = found.parse_args(argv)
    settings = SETTINGS
    if args.quick:
        args.nets, args.repeats, settings = 2, 1, ((8, 4),)
    start(args)
    results = {f"{pixels} x {batch}": measure(pixels, batch, args) for pixels, batch in settings}
    rows = [
        [name, r["plain"], r["ours"], ratio(r["plain"], r["ours"]), f"{r['difference']:.1e}"]
        for name, r in results.items()
    ]
    header = [
        f"{args.nets} networks a step; CPU ms a network",
        "plain", "ours", "ratio", "largest difference of losses",
    ]  # fmt: skip
    report(args, [table(header, rows)], results)


if __name__ == "__main__":
    main()
