"""Sparse networks as multipartite graphs beside mge-snn: encoding, topometrics, memory.

    python benchmarks/sparse_topometrics.py --reference /tmp/mge-snn

Both sides get the same masked weights and make the same graph (`compat`), each in a fresh process.
The original runs as it is, from its `main`, which downloads nothing here: its data set and its
pruning are replaced by the masks. All metrics are compared before times are shown, but for motifs,
which the original estimates from a sample and we count.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import math
import os
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from common import cpu_seconds, fresh_process, memory, parser, ratio, report, start, table
from torch import nn

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.measures import Measures
from graph2nn.sparsity.graphs.metrics.topometrics import TOPOMETRICS, topometrics
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build
from graph2nn.sparsity.networks.pruning.prune import prune

CASES = (
    *(("Resnet-20", "uniform", 0.98), ("Resnet-20", "snip", 0.98)),
    *(("Resnet-20", "uniform", 0.9), ("CONV-6", "uniform", 0.98)),
)
DENSEST = ("Wide-Resnet-28-2", "uniform", 0.6)  # 78 million edges
PRINTED = {
    "sink_nodes": "Sink Nodes",
    "source_nodes": "Source Nodes",
    "disc_nodes": "Disconnected Nodes",
    "r-out": "No. removable ougraphoing connections",  # as spelt by the original
    "r-in": "No. removable incoming connections",
    "1-hop_nei": "One Hop",
    "2-hop_nei": "Two Hop",
    "avg_node_strength": "Strength",
    "k-core": "k-core",
    "cut-edges": "cut-edges",
    "cut-nodes": "cut-nodes",
    "no_connected_components": "Connected Components",
    "mean_connected_components": "Mean Strongly Connected Components",
    "spectral_gap": "Spectral Gap",
    "spectral_radius": "Spectral Radius",
}
"""What the original calls what it prints."""


def network(args: argparse.Namespace) -> tuple[nn.Module, Masks, tuple[int, int, int]]:
    """The network of a case with its weights masked, the masks, and the shape of its input."""
    name, pruner, sparsity = json.loads(args.case)
    size = 8 if args.quick else 32
    model = build(name, image_size=size)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(128, 3, size, size, generator=generator)
    data = (images, torch.randint(10, (128,), generator=generator))
    masks = prune(model, pruner, sparsity=sparsity, data=data if pruner == "snip" else None)
    masks.apply_(model)
    return model, masks, (3, size, size)


def ours(args: argparse.Namespace) -> dict[str, Any]:
    """Encoding and metrics in this process: the first time, and then."""
    model, masks, shape = network(args)
    found: dict[str, Any] = {"before": memory(), "encode": [], "whole": []}

    def listed() -> None:
        edge_list(encode(model, masks, "unrolled", shape, compat=True))

    def whole() -> None:
        graph = encode(model, masks, "unrolled", shape, compat=True)
        found["values"] = topometrics(graph)

    for _ in range(1 + args.repeats):
        found["encode"].append(cpu_seconds(listed))
        found["whole"].append(cpu_seconds(whole))
    found["peak"] = memory("VmHWM")
    graph = encode(model, masks, "unrolled", shape, compat=True)
    measures = Measures(graph, listed=False, motif="exact", seed=0)
    found["metrics"] = {name: cpu_seconds(lambda name=name: measures[name]) for name in TOPOMETRICS}
    return found


def edge_free(args: argparse.Namespace) -> dict[str, Any]:
    """What can be measured without listing edges."""
    model, masks, shape = network(args)
    graph = encode(model, masks, "unrolled", shape, compat=True)
    found: dict[str, Any] = {"before": memory()}
    found["whole"] = cpu_seconds(
        lambda: found.update(values=topometrics(graph, engine="edge-free"))
    )
    found["peak"] = memory("VmHWM")
    return found


def theirs(args: argparse.Namespace) -> dict[str, Any]:
    """The original's `main`, from the masked network on: the first time, and then."""
    model, masks, shape = network(args)
    main = original(args.reference)
    found: dict[str, Any] = {"before": memory(), "encode": [], "whole": []}
    hand_over(main, model, masks, shape[-1], found)
    name, pruner, sparsity = json.loads(args.case)
    options = {"model": name, "dataset": "CIFAR-10", "pruning": pruner, "sparsity": sparsity}
    options |= {"seed": 0, "encoding": "unrolled", "graph_metrics": "topometrics"}
    options |= {"device": "cpu", "training": False}
    for _ in range(1 + args.their_repeats):
        printed = io.StringIO()
        with own_folder(), contextlib.redirect_stdout(printed):
            main.main(argparse.Namespace(**options))
        found["whole"].append(time.process_time() - found.pop("began"))
        found.setdefault("peak", memory("VmHWM"))
    found["values"] = {}
    for name, label in PRINTED.items():
        line = re.search(rf"^{re.escape(label)} (-?\d\S*) *$", printed.getvalue(), re.MULTILINE)
        if line is None:
            sys.exit(f"--reference: the original prints no {label!r}; expected commit 02ba1eb")
        found["values"][name] = float(line.group(1))
    return found


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """A working folder for the table that the original writes."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def original(path: Path) -> ModuleType:
    """mge-snn's `main`, with an empty module for a progress bar that is not installed."""
    sys.path.insert(0, str(path.resolve()))
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")
    try:
        importlib.import_module("progressbar")
    except ImportError:
        sys.modules["progressbar"] = ModuleType("progressbar")
    try:
        return importlib.import_module("main")
    except ImportError as error:
        sys.exit(f"--reference: the original needs {error.name}: pip install {error.name}")


def hand_over(main: Any, model: nn.Module, masks: Masks, size: int, found: dict[str, Any]) -> None:
    """Have the original's `main` take our network and masks, and time its encoding."""
    get_model, get_encoding = main.get_model, main.get_encoding

    def masked_model(*names: Any) -> nn.Module:
        own = get_model(*names)
        own.load_state_dict(model.state_dict())
        return own

    def timed_encoding(*arguments: Any) -> Any:
        found["began"] = time.process_time()
        encoded = get_encoding(*arguments)
        found["encode"].append(time.process_time() - found["began"])
        return encoded

    main.get_dataset = lambda name: (None, None, size, 3, 10)
    main.get_model, main.get_encoding = masked_model, timed_encoding
    main.init_weights = lambda module: None  # the weights are there
    main.apply_pruning = lambda *arguments: [mask.float() for mask in masks.values()]


def compare(ours: dict[str, float], theirs: dict[str, float], case: str) -> None:
    """Ends the program where the two differ by more than what single precision loses."""
    for name, expected in theirs.items():
        error = 1e-5 * theirs["spectral_radius"] if name.startswith("spectral") else 0.0
        if not math.isclose(ours[name], expected, rel_tol=1e-6, abs_tol=error):
            sys.exit(f"{case}: {name} is {ours[name]} here and {expected} in the original")


def row(case: str, key: str, sides: dict[str, dict[str, Any]]) -> list[Any]:
    """First and later seconds of both sides and their ratios."""
    found: list[Any] = [case]
    for pick in (first, later):
        times = {side: pick(figures[key]) for side, figures in sides.items()}
        found += [times.get("theirs"), times["ours"]]
        found.append(ratio(times.get("theirs"), times["ours"]))
    return found


def first(times: list[float]) -> float:
    return times[0]


def later(times: list[float]) -> float:
    return statistics.median(times[1:])


SIDES = {"ours": ours, "theirs": theirs, "edge_free": edge_free}


def by_itself(side: str, args: argparse.Namespace, case: Sequence[Any]) -> dict[str, Any]:
    """Figures of one side, in a fresh process, or in this one to see that it runs."""
    if args.quick and side != "theirs":
        return SIDES[side](argparse.Namespace(**{**vars(args), "case": json.dumps(case)}))
    extra = ("--case", json.dumps(case), "--their-repeats", str(args.their_repeats))
    return fresh_process(__file__, side, args, *extra)


def measured(args: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    rows: dict[str, list[list[Any]]] = {"encode": [], "whole": [], "memory": []}
    figures: dict[str, Any] = {}
    for case in CASES[:1] if args.quick else CASES:
        label = f"{case[0]}, {case[2]:.0%} {case[1]}"
        which = ("ours", "theirs") if args.reference else ("ours",)
        sides = {side: by_itself(side, args, case) for side in which}
        if args.reference:
            compare(sides["ours"]["values"], sides["theirs"]["values"], label)
        figures[label] = sides
        label += f", {sides['ours']['values']['edges']:,} edges"
        for key in ("encode", "whole"):
            rows[key].append(row(label, key, sides))
        peaks = {side: found["peak"] for side, found in sides.items()}
        rows["memory"].append(
            [label, peaks.get("theirs"), peaks["ours"], ratio(peaks.get("theirs"), peaks["ours"])]
        )
    header = ["theirs, first", "ours, first", "ratio", "theirs, later", "ours, later", "ratio"]
    tables = [
        table(["masks to edges, CPU s", *header], rows["encode"]),
        table(["masks to 16 metrics, CPU s", *header], rows["whole"]),
        table(["highest memory of the process, MB", "theirs", "ours", "ratio"], rows["memory"]),
        by_metric({case: sides["ours"]["metrics"] for case, sides in figures.items()}),
    ]
    figures["edge-free"] = by_itself("edge_free", args, DENSEST)
    tables.append(without_edges(figures["edge-free"]))
    return tables, figures


def by_metric(times: dict[str, dict[str, float]]) -> str:
    """CPU seconds of each metric; what several need counts for the first of them."""
    names = [name for name in TOPOMETRICS if max(each[name] for each in times.values()) > 0.0005]
    return table(
        ["ours, CPU s", *times],
        [[name, *(each[name] for each in times.values())] for name in names],
    )


def without_edges(found: dict[str, Any]) -> str:
    name, pruner, sparsity = DENSEST
    edges, used = found["values"]["edges"], found["peak"] - found["before"]
    return (
        f"Edge-free, {name}, {sparsity:.0%} {pruner}, {edges:,} edges: {found['whole']:.3g} CPU s, "
        f"the process at its highest {found['peak']:.0f} MB, {used:.0f} more than before"
    )


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--reference", type=Path, metavar="PATH", help="an unpacked mge-snn")
    found.add_argument("--their-repeats", type=int, default=1, help="default: %(default)s")
    found.add_argument("--case", help=argparse.SUPPRESS)
    args = found.parse_args(argv)
    if args.quick:
        args.repeats = args.their_repeats = 1
    if args.reference and not (args.reference / "main.py").is_file():
        sys.exit(f"--reference: {args.reference} is no unpacked mge-snn: it lacks main.py")
    start(args)
    if args.measure:
        print(json.dumps(SIDES[args.measure](args)))
        return
    report(args, *measured(args))


if __name__ == "__main__":
    main()
