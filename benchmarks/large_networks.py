"""Memory and time of predicting large networks: low-rank factors against tiled blocks.

    python benchmarks/large_networks.py
    python benchmarks/large_networks.py --sizes ghn3-s --networks vit_l_16

Random weights. The graph of each network is made beforehand. "write" fills a network that is there
(`ghn(model)`); "predict" returns tensors of a network without values; "learn" also runs it on two
inputs and differentiates down to the hypernetwork. With "low-rank, kept" the weights stay factors
(`predict(..., factored=True)`). CPU seconds are medians of --repeats calls, decoders in turns in
one process; memory is the highest over that before, with the hypernetwork in it, in a fresh
process each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from common import (
    fresh_process,
    memory,
    parser,
    ratio,
    report,
    reset_peak,
    side_by_side,
    start,
    table,
)
from torch import Tensor, nn
from torch.func import functional_call

from ghn import GHN
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.cells.networks.gpt import GPT, GPTSizes

SIZES: dict[str, dict[str, Any]] = {
    "ghn2": {"hid": 32, "max_shape": (64, 64, 11, 11), "hypernet": "gatedgnn"},
    "ghn3-t": {"hid": 64, "max_shape": (64, 64, 16, 16), "hypernet": "graphormer"},
    "ghn3-s": {
        **{"hid": 128, "max_shape": (128, 128, 16, 16), "hypernet": "graphormer"},
        **{"layers": 5, "heads": 16},
    },
    "ghn3-l": {
        **{"hid": 256, "max_shape": (256, 256, 16, 16), "hypernet": "graphormer"},
        **{"layers": 12, "heads": 16},
    },
}
"""Hypernetworks as published (arXiv:2110.13100; arXiv:2303.04143, table 1)."""

NETWORKS = ("vit_l_16", "gpt2")
DECODERS = {"tiled": "conv", "low-rank": "lowrank", "low-rank, kept": "lowrank"}
WORK = ("write", "predict", "learn")


def build(name: str, *, quick: bool) -> tuple[nn.Module, Tensor]:
    """`gpt2` or a model of torchvision, without values, and two inputs for it."""
    small = {"embed_dim": 64, "heads": (1,), "mlp_ratios": (4,), "vocab_size": 300}
    with torch.device("meta"):
        if name == "gpt2":
            sizes = GPTSizes(**small) if quick else GPTSizes(vocab_size=50257)
            return GPT(sizes), torch.arange(128, device="cpu").view(2, 64)
        import torchvision

        model = torchvision.models.get_model(name, num_classes=10)
        return model, torch.zeros(2, 3, 224, 224, device="cpu")


def hypernetwork(size: str, side: str, rank: int) -> GHN:
    return GHN(**SIZES[size], decoder=DECODERS[side], rank=rank, num_classes=10).train()


def job(
    what: str, side: str, ghn: GHN, model: nn.Module, graph: ArchGraph, example: Tensor
) -> Callable[[], Any]:
    """A call to measure; `model` has values only where it is written into."""
    if what == "write":
        return lambda: ghn(model, example, graph=graph)
    factored = side == "low-rank, kept"

    def predict() -> dict[str, Tensor]:
        with torch.set_grad_enabled(what == "learn"):
            return ghn.predict(model, example, graph=graph, factored=factored)

    def learn() -> None:
        ghn.zero_grad()
        functional_call(model, predict(), (example,)).square().mean().backward()

    return learn if what == "learn" else predict


def one(args: argparse.Namespace) -> dict[str, float]:
    """Memory of one job, in this fresh process."""
    what, side, size, name = args.measure.split(":")
    base = reset_peak()
    ghn = hypernetwork(size, side, args.rank)
    weights = memory() - base
    model, example = build(name, quick=args.quick)
    graph = trace(model, example, view="primitives")
    base = reset_peak() - weights
    if what == "write":
        model = model.to_empty(device="cpu")
        for p in model.parameters():
            p.data.zero_()  # pages are given when they are touched
        base = reset_peak() - weights
    job(what, side, ghn, model, graph, example)()
    return {"memory": memory("VmHWM") - base, "weights": weights}


def times(args: argparse.Namespace, size: str, name: str) -> dict[str, dict[str, float]]:
    """CPU seconds by work and decoder."""
    model, example = build(name, quick=args.quick)
    graph = trace(model, example, view="primitives")
    found = {}
    for what in args.work:
        into = build(name, quick=args.quick)[0].to_empty(device="cpu") if what == "write" else model
        actions = {
            side: job(what, side, hypernetwork(size, side, args.rank), into, graph, example)
            for side in DECODERS
            if what != "write" or side != "low-rank, kept"
        }
        found[what] = side_by_side(actions, args.repeats)
    return found


def rows_of(args: argparse.Namespace, size: str, name: str) -> list[dict[str, Any]]:
    """A row for each work and decoder, with what the tiled one takes of its."""
    rows: list[dict[str, Any]] = []
    for what, taken in times(args, size, name).items():
        tiled: tuple[float, float] | None = None
        for side, seconds in taken.items():
            job_name = f"{what}:{side}:{size}:{name}"
            found = fresh_process(__file__, job_name, args, "--rank", str(args.rank))
            tiled = tiled or (seconds, found["memory"])
            row = {"hypernetwork": size, "network": name, "work": what, "decoder": side}
            rows.append({**row, "seconds": seconds, **found, "tiled": tiled})
    return rows


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--sizes", nargs="*", default=list(SIZES)[:3], choices=list(SIZES))
    found.add_argument("--networks", nargs="*", default=list(NETWORKS), help="default: both")

    found.add_argument("--work", nargs="*", default=list(WORK), choices=WORK, help="default: all")
    found.add_argument("--rank", type=int, default=32, help="default: %(default)s")
    found.set_defaults(repeats=3)
    args = found.parse_args(argv)
    if args.quick:
        args.sizes, args.networks, args.work, args.repeats = ["ghn2"], ["gpt2"], ["learn"], 1
    start(args)
    if args.measure:
        print(json.dumps(one(args)))
        return
    rows = [r for size in args.sizes for name in args.networks for r in rows_of(args, size, name)]
    header = ["hypernetwork", "network", "work", "decoder", "CPU s", "better", "MB", "better"]
    listed = [
        [
            *(r[key] for key in ("hypernetwork", "network", "work", "decoder", "seconds")),
            ratio(r["tiled"][0], r["seconds"]),
            r["memory"],
            ratio(r["tiled"][1], r["memory"]),
        ]
        for r in rows
    ]
    report(args, [table(header, listed)], {"rows": rows})


if __name__ == "__main__":
    main()
