"""Matching the widths of relational networks by counting, and by building them, on one thread.

    python benchmarks/width_matching.py

Building is what the original does: the same search, with a network built and counted at every step.
The graph of each family is the published best one. The last row matches the perceptron to many
graphs, none seen before, by counting alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from common import cpu_seconds, parser, ratio, report, side_by_side, start, table

from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks import build_model
from graph2nn.relational.networks.architecture import FAMILIES, SMALL_IMAGE
from graph2nn.relational.networks.counting import count_flops
from graph2nn.relational.networks.matching import clear_matches, match_width, search_dims

BEST = {  # density k/n without self-edges, rewiring probability and seed
    "mlp": (0.128001, 0.128063, 4),
    "cnn6": (0.170251, 0.120983, 13),
    "resnet34": (0.138784, 0.245008, 3),
    "resnet34_sep": (0.168515, 0.342558, 23),
    "resnet50": (0.316271, 0.073388, 8),
    "efficientnet_b0": (0.350341, 0.025772, 2),
}


def graph_of(name: str) -> RelationalGraph:
    density, p, seed = BEST[name]
    n = FAMILIES[name].num_nodes
    return ws_flex(n, n * density, p, seed)


def sizes_of(name: str, args: argparse.Namespace) -> dict[str, Any]:
    if args.quick:
        return {"num_classes": 10, "image_size": 8}
    if name == "mlp":
        return {"num_classes": 10, "image_size": 32}
    return {"num_classes": 1000, "image_size": 224}


def by_building(name: str, graph: RelationalGraph, sizes: dict[str, Any]) -> tuple[Callable, list]:
    """The search on built networks; the list gets the widths of each."""
    built: list[tuple[int, ...]] = []

    def flops(dims: tuple[int, ...]) -> int:
        built.append(dims)
        return build_model(name, graph, dims=dims, **sizes).counts().flops

    def search() -> tuple[int, ...]:
        rounds = 15 if sizes["image_size"] <= SMALL_IMAGE else 9
        goal = count_flops(name, None, **sizes)
        return search_dims(flops, FAMILIES[name].dims, goal, rounds=rounds, upper=True)

    return search, built


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds by building and by counting, and the number of networks built."""
    graph, sizes = graph_of(name), sizes_of(name, args)
    search, built = by_building(name, graph, sizes)
    found: list[Any] = []
    building = cpu_seconds(lambda: found.append(search()))

    def counting() -> None:
        clear_matches()
        found.append(match_width(name, graph, **sizes).dims)

    taken = side_by_side({"counting": counting}, args.repeats)
    assert all(dims == found[0] for dims in found), found
    return {"building": building, "counting": taken["counting"], "built": len(built)}


def many(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds a graph to match the perceptron to graphs of all densities."""
    sizes, n = {"num_classes": 10, "image_size": 32}, args.graphs
    graphs = [ws_flex(64, 8 + 50 * k / n, k / n, k) for k in range(n)]

    def match_all() -> None:
        clear_matches()
        for graph in graphs:
            match_width("mlp", graph, **sizes)

    return {"counting": side_by_side({"all": match_all}, min(args.repeats, 3))["all"] / n}


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--graphs", type=int, default=500, help="last row; default: %(default)s")
    args = found.parse_args(argv)
    names = list(BEST)
    if args.quick:
        args.repeats, args.graphs, names = 1, 3, ["mlp"]
    start(args)
    figures = {name: measure(name, args) for name in names}
    rows: list[list[Any]] = [
        [name, f["built"], 1e3 * f["building"], 1e3 * f["counting"]]
        + [ratio(f["building"], f["counting"])]
        for name, f in figures.items()
    ]
    figures["many"] = many(args)
    label = f"mlp, {args.graphs} graphs, each"
    rows.append([label, None, None, 1e3 * figures["many"]["counting"], None])
    header = ["matching one graph", "networks built", "building, ms", "counting, ms", "ratio"]
    report(args, [table(header, rows)], figures)


if __name__ == "__main__":
    main()
