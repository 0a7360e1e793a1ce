"""A wiring as `MultipartiteGraph`, for topometrics."""

from __future__ import annotations

import numpy as np
import torch

from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph
from graph2nn.wirings.graphs.graph import CARRY, WiringGraph, unroll

__all__ = ["wiring_multipartite"]


def wiring_multipartite(graph: WiringGraph, *, rounds: int | None = None) -> MultipartiteGraph:
    """Turn a wiring into what topometrics read: a node a channel, an edge a kept weight.

    A layer is a block of nodes; edges may skip layers and, in a MobileNet, stay within one. Sums
    that are carried on are edges of weight 1, unless a weight joins the same two nodes.

    Args:
        graph: Wiring of a network; see `wiring_graph`.
        rounds: Number of times the graph is applied; see `unroll`.

    Raises:
        ValueError: The graph has cycles, and nothing says how many rounds to unroll.

    Examples:
        >>> wiring_multipartite(wiring_graph(StaticWiring("dnw")))
        MultipartiteGraph('static, dnw', rolled-channel, layers=6, nodes=900, weights=32085)
    """
    graph = unroll(graph, rounds)
    ends = np.flatnonzero(np.diff(graph.block)) + 1
    starts = np.concatenate([[0], ends])
    sizes = np.diff(np.concatenate([starts, [graph.num_nodes]]))
    layers = tuple(
        Layer(name=f"block {k}", start=int(start), shape=(int(size), 1, 1))
        for k, (start, size) in enumerate(zip(starts, sizes))
    )
    weights, carried = _columns(graph, graph.kind != CARRY), _columns(graph, graph.kind == CARRY)
    joined = set(zip(*(column.tolist() for column in weights[:2])))
    found = [_block(f"{layer.name} to later ones", layer, weights) for layer in layers]
    single = np.array([pair not in joined for pair in zip(*(c.tolist() for c in carried[:2]))])
    alone = tuple(column[single.astype(bool)] for column in carried)
    found += [_block(f"{layer.name}, carried on", layer, alone) for layer in layers]
    return MultipartiteGraph(
        layers=layers,
        blocks=tuple(block for block in found if block is not None),
        outputs=(len(layers) - 1,),
        encoding="rolled-channel",
        name=graph.name,
    )


def _columns(graph: WiringGraph, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
    return graph.source[chosen], graph.target[chosen], graph.weight[chosen]


def _block(name: str, layer: Layer, columns: tuple[np.ndarray, ...]) -> Block | None:
    """The edges out of one layer, as a kernel of 1 x 1 between maps of 1 x 1."""
    out = (columns[0] >= layer.start) & (columns[0] < layer.start + layer.size)
    source, target, weight = (column[out] for column in columns)
    if not len(source):
        return None
    first, last = int(target.min()), int(target.max())
    kernel = torch.zeros(last - first + 1, layer.size, 1, 1)
    mask = torch.zeros(kernel.shape, dtype=torch.bool)
    where = (torch.as_tensor(target - first), torch.as_tensor(source - layer.start), 0, 0)
    kernel[where] = torch.as_tensor(weight, dtype=torch.float32).abs()
    mask[where] = True
    return Block(
        name=name,
        source=np.arange(layer.start, layer.start + layer.size).reshape(-1, 1, 1, 1),
        target=np.arange(first, last + 1).reshape(-1, 1, 1),
        weight=kernel,
        mask=mask,
    )
