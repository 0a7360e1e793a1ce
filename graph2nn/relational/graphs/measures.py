"""Measures of relational graphs: clustering C, path length L, and what else describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from graph2nn.relational.graphs.graph import RelationalGraph, as_graph

__all__ = [
    "GraphMeasures",
    "clustering",
    "clustering_reference",
    "distance_counts",
    "mean_local_clustering",
    "measure",
    "measure_reference",
    "pack_bits",
    "path_length",
    "path_length_reference",
    "small_world_index",
]


@dataclass(frozen=True, kw_only=True)
class GraphMeasures:
    """What `measure` finds. Self-edges never count.

    Args:
        num_nodes, num_edges, directed: Size and kind of the graph.
        connected: Whether every node reaches every other, along edge directions.
        C: Mean local clustering, in [0, 1].
        L: Mean distance over ordered pairs; infinite where `connected` is false.
        diameter: The longest distance; infinite likewise.
        degree_mean, degree_std, degree_min, degree_max: Mean, deviation, least and largest of the
            number of nodes that a node receives from; the deviation over all nodes (not n - 1).
        efficiency: Mean of 1 / distance over ordered pairs, 0 for unreachable ones.
        modularity: Modularity of the communities that the Louvain method finds (fixed seed).
        assortativity: Pearson correlation of the degrees at both ends of edges (directed: of the
            sender's out-degree and the receiver's in-degree); NaN where all degrees are equal.
        spectral_gap: Second smallest eigenvalue of the normalised Laplacian of the undirected
            closure; 0 where that is disconnected.
        small_world: `small_world_index`.
    """

    num_nodes: int
    num_edges: int
    directed: bool
    connected: bool
    C: float
    L: float
    diameter: float
    degree_mean: float
    degree_std: float
    degree_min: int
    degree_max: int
    efficiency: float
    modularity: float
    assortativity: float
    spectral_gap: float
    small_world: float


def clustering(graph: RelationalGraph | np.ndarray | Any) -> float:
    """Compute C: the mean over nodes of closed / possible triangles.

    A node of degree below 2 counts 0. arXiv:2007.06559, section 3.1. Directed graphs: Fagiolo,
    arXiv:physics/0612169, eq. 10, as in networkx. Counts are exact; the mean is taken in sorted
    order, so that the order of the nodes changes nothing and published values are met to the last
    bit.

    Args:
        graph: Anything that `as_graph` takes, such as an adjacency (n, n).

    Examples:
        >>> clustering([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
        1.0
    """
    return _clustering(as_graph(graph))


def _clustering(graph: RelationalGraph) -> float:
    table = graph.adjacency.astype(np.float32)  # exact: counts stay far below 2^24
    if graph.directed:
        both = table + table.T
        closed = np.einsum("ij,ji->i", both @ both, both, dtype=np.float64)
        degree = both.sum(1, dtype=np.float64)
        possible = 2 * (degree * (degree - 1) - 2 * (table * table.T).sum(1, dtype=np.float64))
    else:
        closed = ((table @ table) * table).sum(1, dtype=np.float64)
        degree = table.sum(1, dtype=np.float64)
        possible = degree * (degree - 1)
    return mean_local_clustering(closed, possible)


def mean_local_clustering(closed: np.ndarray, possible: np.ndarray) -> float:
    """Compute C from the ordered pairs of neighbours of each node and how many are linked.

    Shapes: closed (linked pairs), possible (all pairs) (n,).
    """
    local = np.divide(closed, possible, out=np.zeros(len(closed)), where=possible > 0)
    return sum(np.sort(local).tolist()) / len(local)


def path_length(graph: RelationalGraph | np.ndarray | Any) -> float:
    """Compute L: the mean distance over ordered pairs of nodes.

    It is infinite where one is out of reach; in directed graphs distances run along edges.
    arXiv:2007.06559, section 3.1.

    Args:
        graph: Anything that `as_graph` takes, such as an adjacency (n, n).

    Raises:
        ValueError: A single node has no pairs.

    Examples:
        >>> path_length([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
        1.3333333333333333
    """
    return _mean_distance(distance_counts(graph))


def distance_counts(graph: RelationalGraph | np.ndarray | Any) -> np.ndarray:
    """Count the ordered pairs of nodes that are 0, 1, 2, ... apart.

    Unreachable pairs are missing. All balls grow by one step at a time as bit sets: the ball of a
    node is the union of the smaller balls of its neighbours.

    Shapes:
        (diameter + 1,) int64; sums to n^2 for a connected graph.
    """
    table = as_graph(graph).with_self_edges()
    n = len(table)
    balls = pack_bits(np.eye(n, dtype=bool))
    columns = np.nonzero(table)[1]
    starts = np.concatenate([[0], np.cumsum(table.sum(1))[:-1]])
    within = [0, n]
    while True:
        balls = np.bitwise_or.reduceat(balls[columns], starts, axis=0)
        reached = _ones(balls)
        if reached == within[-1]:
            return np.diff(within)
        within.append(reached)


def measure(graph: RelationalGraph | np.ndarray | Any) -> GraphMeasures:
    """Measure a graph in every way.

    C, L and degrees are cheap, the communities take milliseconds.

    Args:
        graph: Anything that `as_graph` takes, such as an adjacency (n, n).

    Raises:
        ValueError: Fewer than two nodes.

    Examples:
        >>> from graph2nn.relational.graphs.generators import cycle
        >>> measure(cycle(6)).L
        1.8
    """
    graph = as_graph(graph)
    counts = distance_counts(graph)
    length = _mean_distance(counts)
    connected = bool(np.isfinite(length))
    degree = graph.adjacency.sum(1)
    n = graph.num_nodes
    c = _clustering(graph)
    return GraphMeasures(
        num_nodes=n,
        num_edges=graph.num_edges,
        directed=graph.directed,
        connected=connected,
        C=c,
        L=length,
        diameter=float(len(counts) - 1) if connected else float("inf"),
        degree_mean=float(degree.mean()),
        degree_std=float(degree.std()),
        degree_min=int(degree.min()),
        degree_max=int(degree.max()),
        efficiency=float((counts[1:] / np.arange(1, len(counts))).sum()) / (n * (n - 1)),
        modularity=_modularity(graph),
        assortativity=_assortativity(graph.adjacency),
        spectral_gap=_spectral_gap(graph.adjacency | graph.adjacency.T),
        small_world=_small_world(graph, c, length, samples=20, seed=0),
    )


def small_world_index(
    graph: RelationalGraph | np.ndarray | Any, *, samples: int = 20, seed: int = 0
) -> float:
    """Compute S = (C / C_rand) / (L / L_rand).

    Above 1, a graph is more clustered than random ones at similar distances. Humphries and Gurney,
    "Network small-world-ness", PLoS ONE 3(4), 2008, eq. 3. C_rand and L_rand are means over
    `samples` connected uniform random graphs with as many nodes and edges.

    Args:
        graph: Anything that `as_graph` takes, such as an adjacency (n, n).
        samples: Number of random graphs to compare with.
        seed: Seed of the random graphs.

    Returns:
        S; NaN where L is infinite, or random graphs of that size are not connected or have no
        triangles.
    """
    graph = as_graph(graph)
    return _small_world(graph, _clustering(graph), path_length(graph), samples=samples, seed=seed)


def _small_world(
    graph: RelationalGraph, c: float, length: float, *, samples: int, seed: int
) -> float:
    if not np.isfinite(length):
        return float("nan")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(samples * 5):
        other = _random_like(graph, rng)
        other_length = path_length(other)
        if np.isfinite(other_length):
            found.append((_clustering(other), other_length))
        if len(found) == samples:
            break
    c_rand, l_rand = np.mean(found, axis=0) if found else (0.0, 0.0)
    return float(c / c_rand * l_rand / length) if c_rand else float("nan")


def _random_like(graph: RelationalGraph, rng: np.random.Generator) -> RelationalGraph:
    n = graph.num_nodes
    pairs = ~np.eye(n, dtype=bool) if graph.directed else np.triu(np.ones((n, n), bool), 1)
    rows, columns = np.nonzero(pairs)
    chosen = rng.choice(len(rows), graph.num_edges, replace=False)
    table = np.zeros((n, n), dtype=bool)
    table[rows[chosen], columns[chosen]] = True
    return RelationalGraph(adjacency=table if graph.directed else table | table.T)


def _mean_distance(counts: np.ndarray) -> float:
    n = int(counts[0])
    if n < 2:
        raise ValueError("the path length of a graph with one node is undefined: no pairs")
    if counts.sum() < n * n:
        return float("inf")
    return int((counts * np.arange(len(counts))).sum()) / (n * (n - 1))


def pack_bits(table: np.ndarray) -> np.ndarray:
    """Pack the rows of a table into bit sets, (n, m) bool -> (n, ceil(m / 64)) uint64."""
    packed = np.packbits(table, axis=1, bitorder="little")
    padded = np.zeros((len(table), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


_BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)


def _ones(words: np.ndarray) -> int:
    if hasattr(np, "bitwise_count"):  # numpy 2
        return int(np.bitwise_count(words).sum(dtype=np.int64))
    return int(_BITS_OF_BYTE[words.view(np.uint8)].sum())


def _modularity(graph: RelationalGraph) -> float:
    if not graph.num_edges:
        return 0.0
    found = graph.to_networkx()
    parts = nx.community.louvain_communities(found, seed=0)
    return float(nx.community.modularity(found, parts))


def _assortativity(adjacency: np.ndarray) -> float:
    receives, sends = adjacency.sum(1), adjacency.sum(0)
    receiver, sender = np.nonzero(adjacency)
    x, y = sends[sender].astype(float), receives[receiver].astype(float)
    if len(x) == 0 or x.min() == x.max() or y.min() == y.max():
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _spectral_gap(adjacency: np.ndarray) -> float:
    degree = adjacency.sum(1).astype(float)
    if not degree.all():
        return 0.0
    scale = 1 / np.sqrt(degree)
    values = np.linalg.eigvalsh(np.eye(len(degree)) - scale[:, None] * adjacency * scale)
    return max(float(values[1]), 0.0)


def clustering_reference(graph: RelationalGraph | np.ndarray | Any) -> float:
    """Compute `clustering` by networkx; `graph` may be an adjacency (n, n)."""
    return float(nx.average_clustering(as_graph(graph).to_networkx()))


def path_length_reference(graph: RelationalGraph | np.ndarray | Any) -> float:
    """Compute `path_length` by networkx; `graph` may be an adjacency (n, n)."""
    try:
        return float(nx.average_shortest_path_length(as_graph(graph).to_networkx()))
    except nx.NetworkXError:
        return float("inf")


def measure_reference(graph: RelationalGraph | np.ndarray | Any) -> dict[str, float]:
    """Compute what networkx has of `measure`, by the names of `GraphMeasures`' fields.

    `graph` may be an adjacency (n, n).
    """
    graph = as_graph(graph)
    found = graph.to_networkx()
    plain = found.to_undirected()
    gap = float(np.sort(nx.normalized_laplacian_spectrum(plain))[1])
    lengths = dict(nx.all_pairs_shortest_path_length(found))
    pairs = [d for row in lengths.values() for d in row.values() if d]
    n, regular = len(found), len({d for _, d in found.degree()}) == 1  # 0 / 0 in networkx
    return {
        "C": clustering_reference(graph),
        "L": path_length_reference(graph),
        "diameter": max(pairs) if len(pairs) == n * (n - 1) else float("inf"),
        "efficiency": sum(1 / d for d in pairs) / (n * (n - 1)),
        "assortativity": float("nan") if regular else nx.degree_assortativity_coefficient(found),
        "spectral_gap": gap,
    }
