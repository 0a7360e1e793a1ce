"""`topometrics(graph)`: the sixteen metrics of a multipartite graph, by either engine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from tqdm import tqdm

from graph2nn.names import choose
from graph2nn.runs import one_thread
from graph2nn.sparsity.graphs.metrics.counting import count_edges
from graph2nn.sparsity.graphs.metrics.explicit import EXPLICIT_METRICS, predicted_bytes
from graph2nn.sparsity.graphs.metrics.measures import Measures
from graph2nn.sparsity.graphs.metrics.memory import check_memory
from graph2nn.sparsity.graphs.metrics.motifs import MOTIFS
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph, check_multipartite

__all__ = ["ENGINES", "TOPOMETRICS", "Topometric", "topometrics"]

ENGINES = ("auto", "explicit", "edge-free")
"""`auto` lists the edges for the metrics that need them, and convolves for the others."""


@dataclass(frozen=True, kw_only=True)
class Topometric:
    """One metric.

    Args:
        group: Group that the paper puts it in, or `size`.
        divisor: Number that published figures are divided by: `nodes`, `edges`, or empty.
        edge_free: Whether it can be had without listing edges.
        meaning: Meaning of the raw figure.
    """

    group: str
    divisor: str
    edge_free: bool
    meaning: str


_TABLE = (
    ("nodes", "size", "", True, "nodes"),
    ("edges", "size", "", True, "edges"),
    ("sink_nodes", "local", "nodes", True, "nodes with edges in and none out, outputs aside"),
    ("source_nodes", "local", "nodes", True, "nodes with edges out and none in, inputs aside"),
    ("disc_nodes", "local", "nodes", True, "nodes without edges"),
    ("r-out", "local", "edges", True, "edges into sinks"),
    ("r-in", "local", "edges", True, "edges out of sources"),
    ("1-hop_nei", "neighbourhood", "edges", True, "mean number of nodes within a step"),
    ("2-hop_nei", "neighbourhood", "edges", False, "mean number of nodes within two steps"),
    ("motif", "neighbourhood", "edges", False, "connected sets of four nodes"),
    ("avg_node_strength", "strength", "edges", True, "mean sum of |w| over a node's edges"),
    ("k-core", "strength", "edges", False, "mean largest k whose k-core holds a node"),
    ("cut-edges", "global", "edges", False, "bridges"),
    ("cut-nodes", "global", "edges", False, "articulation points"),
    ("no_connected_components", "global", "", False, "connected components"),
    ("mean_connected_components", "global", "nodes", False, "mean nodes of a component"),
    ("spectral_gap", "expansion", "", True, "first less third absolute eigenvalue of A, of |w|"),
    ("spectral_radius", "expansion", "", True, "largest eigenvalue of the Laplacian, of |w|"),
)
TOPOMETRICS: dict[str, Topometric] = {
    name: Topometric(group=group, divisor=divisor, edge_free=edge_free, meaning=meaning)
    for name, group, divisor, edge_free, meaning in _TABLE
}
"""All metrics in the order of the published table, by their names in it. A step follows an edge's
direction, and the node where it starts is counted."""


def topometrics(
    graph: MultipartiteGraph,
    *,
    engine: str = "auto",
    metrics: Collection[str] | None = None,
    motif: str = "exact",
    normalise: bool = False,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = False,
    max_memory: int | None = None,
) -> dict[str, float]:
    """Compute topological metrics of a sparse network (arXiv:2305.16886, section 3.2).

    Two engines with equal results. `explicit` lists all edges; `edge-free` convolves the masks, so
    that its memory does not grow with the number of edges, and leaves out what needs them
    (neighbours within two steps, motifs, cores, bridges, articulation points, components). `auto`
    takes for each metric the engine that suits it. A graph of `compat` is counted with the
    published code's deviations (`counting.local_metrics`). Unlike the published figures, these are
    the same on every run, and motifs are counted exactly unless `motif` says otherwise.

    Args:
        graph: Graph of any encoding; a rolled one is measured layer by layer.
        engine: One of `ENGINES`.
        metrics: Names among `TOPOMETRICS`; all that the engine can do when not given.
        motif: How motifs are counted: `exact`, `sampled` or `degrees`, see `motifs.motifs`. The
            last, some 0.4 % too large for pruned networks, needs no edges.
        normalise: Whether to divide by the number of nodes or edges as the published table does.
        seed: Seed of the start vectors of Lanczos and of the motif sample.
        device: Device on which masks are convolved for the spectra. Sums on a GPU may come in
            another order on every run, which moves spectra by rounding errors.
        progress: Whether a bar is shown.
        max_memory: Bytes that listed edges may take; what is available when not given.

    Returns:
        Counts as int, the others as float, in the order of `TOPOMETRICS`.

    Raises:
        ValueError: An unknown engine, metric or motif count; a metric that the engine cannot do;
            weights that are not finite; a graph whose edges would not fit into memory; a division
            by no edges.

    Examples:
        >>> model = build("Resnet-20", image_size=8)
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> graph = encode(model, masks, "unrolled", (3, 8, 8))
        >>> topometrics(graph, engine="edge-free", metrics=["edges", "spectral_gap"])
        {'edges': 181605, 'spectral_gap': 0.35051...}
    """
    _check(graph, engine, motif, max_memory)
    need_edges = {name for name, metric in TOPOMETRICS.items() if not metric.edge_free}
    if motif == "degrees":
        need_edges.remove("motif")
    wanted = _wanted(engine, metrics, need_edges)
    if normalise and not count_edges(graph):
        raise ValueError("the graph has no edges to divide by: measure it with normalise=False")
    listed = set(wanted) if engine == "explicit" else need_edges & set(wanted)
    if listed:
        check_memory(_bytes(graph, listed), count_edges(graph), max_memory)
    measures = Measures(graph, listed=engine == "explicit", motif=motif, seed=seed, device=device)
    bar = tqdm(wanted, desc="topometrics", unit="metric", disable=not progress)
    # Convolutions here are small: threads wait for each other, on a busy machine for minutes.
    with one_thread():
        values = {name: measures[name] for name in bar}
    if normalise:
        sizes = {"nodes": graph.num_nodes, "edges": count_edges(graph), "": 1}
        for name in values:
            values[name] = values[name] / sizes[TOPOMETRICS[name].divisor]
    return values


def _check(graph: MultipartiteGraph, engine: str, motif: str, max_memory: int | None) -> None:
    check_multipartite(graph, "topometrics")
    choose("engine", engine, ENGINES)
    choose("motif count", motif, MOTIFS)
    is_size = max_memory is None or (isinstance(max_memory, int | float) and max_memory > 0)
    if not is_size:
        raise ValueError(f"max_memory: expected bytes above 0, got {max_memory!r}")
    for block in graph.blocks:
        if not torch.isfinite(block.weight).all():
            raise ValueError(
                f"{block.name}: expected finite weights, got "
                f"{int((~torch.isfinite(block.weight)).sum())} that are not; did training diverge?"
            )


def _wanted(engine: str, metrics: Collection[str] | None, need_edges: set[str]) -> list[str]:
    """Names in the order of `TOPOMETRICS`."""
    impossible = need_edges if engine == "edge-free" else set()
    if metrics is None:
        return [name for name in TOPOMETRICS if name not in impossible]
    asked = {metrics} if isinstance(metrics, str) else set(metrics)
    for name in asked:
        choose("metric", name, TOPOMETRICS)
    if asked & impossible:
        raise ValueError(
            f'engine="edge-free" cannot measure {", ".join(sorted(asked & impossible))}, which '
            'need the edges; use engine="auto"'
        )
    return [name for name in TOPOMETRICS if name in asked]


def _bytes(graph: MultipartiteGraph, listed: set[str]) -> int:
    """Memory that listing the edges takes, and measuring these metrics on them."""
    num_edges, structure = count_edges(graph), listed & set(EXPLICIT_METRICS)
    if "mean_connected_components" in listed:
        structure.add("no_connected_components")
    most = predicted_bytes(graph.num_nodes, num_edges, structure)
    if any(name.startswith("spectral") for name in listed):
        # A sparse matrix of 8 bytes an edge, and as much in passing, beside 12 bytes an edge.
        most = max(most, 28 * num_edges)
    return most
