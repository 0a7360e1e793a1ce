"""To and from the graph types of networkx and PyTorch Geometric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from graph2nn.archgraph.graph import PRIMITIVES, ArchGraph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["from_networkx", "to_networkx", "to_pyg"]


def to_networkx(graph: ArchGraph, *, cutoff: int = 1) -> nx.DiGraph:
    """Convert to a `DiGraph` with node attributes `op`, `shape`, `params`, `param_shapes`, `cell`.

    Args:
        cutoff: Longest virtual edge; with more than 1, edges up to that path length are added;
            every edge has an attribute `distance`.
    """
    import networkx as nx

    out = nx.DiGraph(name=graph.name, num_classes=graph.num_classes, ops=graph.ops, note=graph.note)
    for k, op in enumerate(graph.op_names()):
        names = graph.params[k]
        out.add_node(
            k,
            op=op,
            shape=tuple(int(s) for s in graph.shape[k]),
            params=names,
            param_shapes=tuple(tuple(graph.param_shapes[n]) for n in names),
            cell=int(graph.cell[k]),
        )
    if cutoff == 1:
        out.add_edges_from(graph.edges.T.tolist(), distance=1)
        return out
    distance = graph.distances(cutoff)
    for u, v in np.argwhere(distance).tolist():
        out.add_edge(u, v, distance=int(distance[u, v]))
    return out


def from_networkx(graph: nx.DiGraph) -> ArchGraph:
    """Convert a directed acyclic graph whose nodes have an attribute `op`.

    Nodes may have any names and order; `shape`, `params`, `param_shapes`, `cell` are optional.
    Edges with a `distance` other than 1 are virtual and left out.

    Raises:
        ValueError: A cycle, or a node without `op`.
    """
    order, real = _sorted_nodes(graph)
    number = {node: k for k, node in enumerate(order)}
    data = [graph.nodes[node] for node in order]
    for node, d in zip(order, data):
        if "op" not in d:
            raise ValueError(f"node {node!r} has no attribute 'op' (the name of its operation)")
    known = graph.graph.get("ops") or PRIMITIVES
    names = dict.fromkeys(d["op"] for d in data)
    ops = tuple(known) if set(names) <= set(known) else tuple(names)
    edges = sorted((number[u], number[v]) for u, v in real)
    shapes = [tuple(d.get("shape", (0, 0, 0, 0))) for d in data]
    return ArchGraph(
        op=np.array([ops.index(d["op"]) for d in data], dtype=np.int64),
        shape=np.array(shapes, dtype=np.int64).reshape(-1, 4),
        edges=np.array(edges, dtype=np.int64).reshape(-1, 2).T.copy(),
        params=tuple(tuple(d.get("params", ())) for d in data),
        param_shapes={
            n: tuple(s)
            for d in data
            for n, s in zip(d.get("params", ()), d.get("param_shapes", ()))
        },
        cell=np.array([d.get("cell", 0) for d in data], dtype=np.int64),
        ops=ops,
        name=graph.graph.get("name", ""),
        num_classes=graph.graph.get("num_classes"),
        note=graph.graph.get("note", ""),
    )


def _sorted_nodes(graph: nx.DiGraph) -> tuple[list, list[tuple]]:
    """Nodes in topological order (as near their present order as possible) and real edges."""
    import networkx as nx

    real = [(u, v) for u, v, d in graph.edges(data="distance", default=1) if d == 1]
    plain = nx.DiGraph()
    plain.add_nodes_from(graph.nodes)
    plain.add_edges_from(real)
    if not nx.is_directed_acyclic_graph(plain):
        cycle = nx.find_cycle(plain)
        raise ValueError(f"expected a directed acyclic graph, got one with the cycle {cycle}")
    place = {node: k for k, node in enumerate(graph.nodes)}
    order = list(nx.lexicographical_topological_sort(plain, key=place.__getitem__))
    return order, real


def to_pyg(graph: ArchGraph, *, cutoff: int = 1) -> Any:
    """Convert to a `torch_geometric.data.Data`; batch several with `Batch.from_data_list`.

    Fields: `op` (N,), `shape` (N, 4), `cell` (N,), `edge_index` (2, E), and with `cutoff` > 1
    `edge_attr` (E, 1), the path length each (real or virtual) edge stands for.

    Raises:
        ImportError: torch_geometric is not installed.
    """
    try:
        from torch_geometric.data import Data
    except ImportError as error:
        raise ImportError("to_pyg needs torch_geometric: pip install torch_geometric") from error

    data = Data(
        op=torch.from_numpy(graph.op.astype(np.int64)),
        shape=torch.from_numpy(graph.shape.astype(np.int64)),
        cell=torch.from_numpy(graph.cell.astype(np.int64)),
        num_nodes=graph.num_nodes,
    )
    if cutoff == 1:
        data.edge_index = torch.from_numpy(graph.edges.astype(np.int64))
        return data
    distance = graph.distances(cutoff)
    source, target = np.nonzero(distance)
    data.edge_index = torch.from_numpy(np.stack([source, target]).astype(np.int64))
    data.edge_attr = torch.from_numpy(distance[source, target].astype(np.float32))[:, None]
    return data
