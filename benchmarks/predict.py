"""Time to predict all parameters of a network, from the module to the end, on one thread.

    python benchmarks/predict.py --reference path/to/ppuda
    python benchmarks/predict.py --reference path/to/ppuda --models densenet121 vgg16

The first table splits the time for one network; the second lists torchvision's classification
models (without those of more than 300 million parameters unless --all). CPU seconds, medians of
--repeats calls, ours and theirs in turns in one process, random weights.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from common import (
    GHN2,
    load_reference,
    parser,
    quiet,
    ratio,
    report,
    side_by_side,
    start,
    table,
)
from tqdm import tqdm

from ghn import GHN
from graph2nn.archgraph import trace

LARGE = 300e6


def build(name: str) -> torch.nn.Module:
    """A torchvision model for 10 classes without auxiliary surprises."""
    with quiet():
        return torchvision.models.get_model(name, num_classes=10)


def count(name: str) -> int:
    """Number of parameters, without allocating them where possible."""
    with contextlib.suppress(RuntimeError, NotImplementedError), torch.device("meta"):
        return sum(p.numel() for p in build(name).parameters())
    return 0  # RegNets need real tensors; the large ones go by their name


def is_large(name: str) -> bool:
    return name == "regnet_y_128gf" or count(name) > LARGE


def their_ghn() -> Any:
    """The original GHN-2 with random weights."""
    from ppuda.ghn.nn import GHN as Original

    return Original(**GHN2).eval()


def their_call(ghn: Any, model: torch.nn.Module) -> Callable[[], Any]:
    def call() -> None:
        with quiet():
            ghn(model)

    return call


def stages(ghn: GHN, theirs: Any, name: str, repeats: int) -> list[list[Any]]:
    """Rows (stage, theirs, ours, ratio) of one network."""
    model = build(name)
    graph = trace(model, view=ghn.view)
    actions: dict[str, Callable[[], Any]] = {
        "ours total": lambda: ghn(model),
        "ours graph": lambda: trace(model, view=ghn.view),
        "ours prediction": lambda: ghn(model, graph=graph),
        "ours encoding": lambda: _encode(ghn, model),
    }
    if theirs is not None:
        from ppuda.deepnets1m.graph import Graph, GraphBatch

        def their_graph() -> Any:
            return GraphBatch([Graph(model, ve_cutoff=50)])

        actions["theirs total"] = their_call(theirs, model)
        actions["theirs graph"] = their_graph
    taken = side_by_side(actions, repeats, warmup=2)
    total = taken.get("theirs total")
    rows = {
        "graph": (taken.get("theirs graph"), taken["ours graph"]),
        "prediction": (total and total - taken["theirs graph"], taken["ours prediction"]),
        "of which states of the nodes": (None, taken["ours encoding"] - taken["ours graph"]),
        "**total**": (total, taken["ours total"]),
    }
    return [[key, old, new, ratio(old, new)] for key, (old, new) in rows.items()]


def _encode(ghn: GHN, model: torch.nn.Module) -> None:
    """A new graph each time, as its path lengths are kept with it."""
    with torch.no_grad():
        ghn.encode([trace(model, view=ghn.view)])


def one_model(ghn: GHN, theirs: Any, name: str, repeats: int) -> dict[str, Any]:
    """Times of both; None for theirs where it fails, with the reason."""
    row: dict[str, Any] = {"model": name, "theirs": None, "note": ""}
    model = build(name)
    row["parameters"] = sum(p.numel() for p in model.parameters()) / 1e6
    actions = {"ours": lambda: ghn(model)}
    if theirs is not None:
        other = build(name)  # theirs removes the parameters that it does not find
        row["note"] = problem(theirs, other)
        if not row["note"]:
            actions["theirs"] = their_call(theirs, other)
    return row | side_by_side(actions, repeats)


def problem(theirs: Any, model: torch.nn.Module) -> str:
    """Why the original cannot predict all parameters of `model`; empty if it can."""
    before = len(list(model.parameters()))
    try:
        their_call(theirs, model)()
    except Exception as error:
        return f"theirs: {type(error).__name__}"
    missing = before - len(list(model.parameters()))
    return f"theirs: {missing} parameters removed" if missing else ""


def compare(args: argparse.Namespace, ghn: GHN, theirs: Any) -> list[dict[str, Any]]:
    names = args.models or torchvision.models.list_models(torchvision.models)
    rows = []
    for name in tqdm(names, desc="models", disable=None):
        if args.models or args.all or not is_large(name):
            rows.append(one_model(ghn, theirs, name, min(args.repeats, args.model_repeats)))
        gc.collect()
    return rows


def verdict(rows: list[dict[str, Any]]) -> str:
    """How many models are slower than with theirs."""
    both = [row for row in rows if row["theirs"] is not None]
    if not both:
        return f"{len(rows)} models predicted."
    slower = [row["model"] for row in both if row["ours"] > row["theirs"]]
    ratios = sorted(row["theirs"] / row["ours"] for row in both)
    found = f"slower than theirs: {', '.join(slower)}" if slower else "no model slower than theirs"
    return (
        f"{len(rows)} models predicted, {len(both)} by both; {found}; ratios "
        f"{ratios[0]:.1f} to {ratios[-1]:.1f}, median {ratios[len(ratios) // 2]:.1f}."
    )


def arguments(argv: list[str] | None) -> argparse.Namespace:
    found = parser(__doc__)
    found.add_argument("--network", default="resnet50", help="network of the first table")
    found.add_argument("--models", nargs="*", help="models of the second table; default: all")
    found.add_argument("--all", action="store_true", help="also the largest models")
    found.add_argument("--model-repeats", type=int, default=3, help="default: %(default)s")
    args = found.parse_args(argv)
    if args.quick:
        args.network, args.models, args.repeats = "squeezenet1_1", ["alexnet"], 1
    return args


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    start(args)
    theirs = their_ghn() if load_reference(args.reference) else None
    ghn = GHN(**GHN2).eval()
    split = stages(ghn, theirs, args.network, args.repeats)
    rows = compare(args, ghn, theirs)
    header = [f"{args.network}, CPU s", "theirs", "ours", "ratio"]
    listed = [
        [r["model"], r["parameters"], r["theirs"], r["ours"], ratio(r["theirs"], r["ours"])]
        for r in rows
    ]
    wide = table(["model", "M parameters", "theirs, s", "ours, s", "ratio"], listed)
    figures = {"network": args.network, "stages": split, "models": rows}
    report(args, [table(header, split), wide, verdict(rows)], figures)


if __name__ == "__main__":
    main()
