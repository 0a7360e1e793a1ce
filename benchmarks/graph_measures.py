"""C and L of relational graphs beside networkx, the sweep, and moves of edges, on one thread.

    python benchmarks/graph_measures.py

The graphs are a random sample of the grid behind the published sets. Every side measures the same
graphs, and the figures are compared before they are timed. `numba` needs the extra `fast`.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np
from common import parser, ratio, report, side_by_side, start, table

from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.graphs.many_graphs import measure_graphs, ws_flex_measures
from graph2nn.relational.graphs.measures import clustering_reference, path_length_reference
from graph2nn.relational.graphs.rewiring import RewiredGraph
from graph2nn.relational.graphs.sweep import SweepGrid
from graph2nn.runs.engines import has_numba

ENGINES = ("plain", "numba") if has_numba() else ("plain",)
MOVES = ((64, 8), (64, 32), (256, 16), (1024, 32))  # nodes, degree


def sample(nodes: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees, probabilities and seeds of random graphs of the published grid."""
    grid, rng = SweepGrid.for_nodes(nodes), np.random.default_rng(0)
    return (
        rng.choice(grid.k, count),
        rng.choice(grid.p, count),
        rng.integers(grid.seeds, size=count),
    )


def measures(nodes: int, count: int, repeats: int) -> dict[str, float]:
    """CPU seconds a graph for C and L, the graphs being there already."""
    arguments = zip(*(axis.tolist() for axis in sample(nodes, count)))
    graphs = [ws_flex(nodes, *one) for one in arguments]
    tables = np.array([graph.adjacency for graph in graphs])

    def networkx() -> np.ndarray:
        return np.array([(clustering_reference(g), path_length_reference(g)) for g in graphs])

    actions: dict[str, Any] = {"networkx": networkx}
    for engine in ENGINES:
        actions[engine] = lambda engine=engine: np.stack(measure_graphs(tables, engine=engine), 1)
        assert np.abs(actions[engine]() - networkx()).max() < 1e-12
    return {name: taken / count for name, taken in side_by_side(actions, repeats).items()}


def sweep(nodes: int, count: int, repeats: int) -> dict[str, float]:
    """CPU seconds a graph to make it and to measure it; networkx measures what we make.

    The kernels get 30 times as many graphs: they make the random outputs of a seed once for all
    graphs of that seed, and a sweep has ten thousands of these.
    """
    k, p, seed = sample(nodes, count)
    many = sample(nodes, 30 * count)

    def networkx() -> None:
        for one in zip(k.tolist(), p.tolist(), seed.tolist()):
            graph = ws_flex(nodes, *one)
            clustering_reference(graph), path_length_reference(graph)

    actions: dict[str, Any] = {"networkx": networkx}
    actions["plain"] = lambda: ws_flex_measures(nodes, k, p, seed, engine="plain")
    if "numba" in ENGINES:
        actions["numba"] = lambda: ws_flex_measures(nodes, *many, engine="numba")
    taken = side_by_side(actions, repeats)
    return {name: taken[name] / count / (30 if name == "numba" else 1) for name in taken}


def moves(nodes: int, degree: int, count: int, repeats: int) -> dict[str, float]:
    """CPU seconds for C and L after one edge has moved: kept up to date, and from scratch."""
    graph = ws_flex(nodes, degree, 0.1, 1)
    walk, todo = RewiredGraph(graph), _moves(graph, count)
    walk.rewire(*todo[0]), walk.rewire(todo[0][0], todo[0][2], todo[0][1])

    def incremental() -> None:
        for u, v, w in todo:
            walk.rewire(u, v, w)
            walk.rewire(u, w, v)

    def scratch() -> None:
        for _ in todo:
            measure_graphs(graph.adjacency[None])

    taken = side_by_side({"scratch": scratch, "incremental": incremental}, repeats)
    return {"scratch": taken["scratch"] / count, "incremental": taken["incremental"] / count / 2}


def _moves(graph: RelationalGraph, count: int) -> list[tuple[int, int, int]]:
    """Edges of the graph and where they could go."""
    rng, found = random.Random(0), []
    edges = np.argwhere(graph.adjacency).tolist()
    while len(found) < count:
        u, v = rng.choice(edges)
        w = rng.randrange(graph.num_nodes)
        if w != u and not graph.adjacency[u, w]:
            found.append((u, v, w))
    return found


def compare(figures: dict[str, dict[str, float]], header: str) -> str:
    """A table of microseconds a graph, and how many times faster than networkx each engine is."""
    rows = []
    for name, f in figures.items():
        each = [1e6 * f["networkx"]]
        for engine in ("plain", "numba"):
            ours = f.get(engine)
            each += [None, "-"] if ours is None else [1e6 * ours, ratio(f["networkx"], ours)]
        rows.append([name, *each])
    return table([header, "networkx", "plain", "ratio", "numba", "ratio"], rows)


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__, reference=False)
    found.add_argument("--graphs", type=int, default=300, help="default: %(default)s")
    args = found.parse_args(argv)
    sizes: tuple[int, ...] = (16, 64, 256)
    pairs: tuple[tuple[int, int], ...] = MOVES
    if args.quick:
        args.graphs, args.repeats, sizes, pairs = 5, 1, (16,), ((16, 4),)
    start(args)
    report(args, *measured(args, sizes, pairs))


def measured(
    args: argparse.Namespace, sizes: tuple[int, ...], pairs: tuple[tuple[int, int], ...]
) -> tuple[list[str], dict[str, Any]]:
    count = args.graphs
    each = {f"{n} nodes": measures(n, max(count * 16 // n, 2), args.repeats) for n in sizes}
    whole = {f"{n} nodes": sweep(n, max(count * 16 // n, 2), args.repeats) for n in sizes[:2]}
    moved = {pair: moves(*pair, max(count * 16 // pair[0], 2), args.repeats) for pair in pairs}
    rows = [
        [f"{n} nodes, degree {k}", 1e6 * f["scratch"], 1e6 * f["incremental"]]
        + [ratio(f["scratch"], f["incremental"])]
        for (n, k), f in moved.items()
    ]
    tables = [
        compare(each, "C and L, us a graph"),
        compare(whole, "sweep (make and measure), us a graph"),
        table(["C and L after one move, us", "from scratch", "incremental", "ratio"], rows),
    ]
    engine = ENGINES[-1]
    for n, f in zip(sizes, whole.values()):
        seconds = f[engine] * SweepGrid.for_nodes(n).size
        rate = f"{n} nodes: {1 / f[engine]:.0f} graphs/s"
        tables.append(f"{rate}, the whole sweep in {seconds:.0f} s on one core")
    by_name = {f"{n}_{k}": f for (n, k), f in moved.items()}
    figures = {"measures": each, "sweep": whole, "moves": by_name}
    return tables, figures


if __name__ == "__main__":
    main()
