"""Degrees, strengths and the number of edges of a multipartite graph, without making its edges.

The edges of a block that meet one of its nodes depend on the node's channel and on which taps of
the kernel fall inside the map there. So they are a small product: sums of the mask over channels,
(channels, taps), times which taps meet which position, (taps, positions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graph2nn.sparsity.graphs.multipartite import Block, MultipartiteGraph, check_multipartite

__all__ = ["NodeSums", "count_edges", "degrees", "local_metrics", "strengths", "tap_positions"]


class NodeSums(NamedTuple):
    """One number a node over the edges that end there, and over those that start there.

    Shapes:
        incoming, outgoing (nodes,); int64 for degrees, float64 for strengths.
    """

    incoming: np.ndarray
    outgoing: np.ndarray


def degrees(graph: MultipartiteGraph) -> NodeSums:
    """Compute the in-degree and out-degree of each node, exact.

    Time and memory grow with the weights and the nodes, not with the edges.

    Examples:
        >>> graph = encode(build("CONV-6", image_size=8), None, "unrolled", (3, 8, 8))
        >>> incoming, outgoing = degrees(graph)
        >>> int(incoming.sum()) == int(outgoing.sum()) == count_edges(graph)
        True
    """
    check_multipartite(graph, "degrees")

    def count() -> NodeSums:
        # Sums of whole numbers below 2^53 are exact in float64.
        sums = _node_sums(graph, lambda block: block.mask.double())
        return NodeSums(*(np.rint(values).astype(np.int64) for values in sums))

    return graph.remember("degrees", count)


def strengths(graph: MultipartiteGraph) -> NodeSums:
    """Sum |w| over the edges that end at each node, and over those that start there."""
    check_multipartite(graph, "strengths")
    return graph.remember(
        "strengths", lambda: _node_sums(graph, lambda block: block.weight.double())
    )


def count_edges(graph: MultipartiteGraph) -> int:
    """Count the edges, exactly."""
    return int(degrees(graph).incoming.sum())


def local_metrics(graph: MultipartiteGraph, sums: NodeSums) -> dict[str, int]:
    """Count sinks, sources, disconnected nodes and removable connections.

    As in arXiv:2305.16886, section 3: a sink has edges in and none out, a source edges out and none
    in, a disconnected node none. `r-out` counts the edges into sinks, `r-in` those out of sources.
    Outputs are not sinks and inputs are not sources. A compat graph is counted as the published
    code counts: all inputs and outputs are taken off the number of sources and sinks, whether they
    were in it or not, and the removable connections are those of nodes numbered below N - 1 -
    outputs, or above the inputs.

    Args:
        sums: Result of `degrees(graph)`, or degrees counted over a list of edges.

    Returns:
        `sink_nodes`, `source_nodes`, `disc_nodes`, `r-out` and `r-in`, in the order of the
        published table.
    """
    incoming, outgoing = sums
    sink, source = (outgoing == 0) & (incoming > 0), (incoming == 0) & (outgoing > 0)
    lost_out, lost_in = sink.copy(), source.copy()
    if graph.compat:
        first, last = graph.layers[0].size, graph.layers[-1].size
        sinks, sources = int(sink.sum()) - last, int(source.sum()) - first
        lost_out[max(graph.num_nodes - 1 - last, 0) :] = False
        lost_in[: first + 1] = False
    else:
        for position in graph.outputs:
            layer = graph.layers[position]
            lost_out[layer.start : layer.start + layer.size] = False
        layer = graph.layers[0]
        lost_in[layer.start : layer.start + layer.size] = False
        sinks, sources = int(lost_out.sum()), int(lost_in.sum())
    return {
        "sink_nodes": sinks,
        "source_nodes": sources,
        "disc_nodes": int(((incoming == 0) & (outgoing == 0)).sum()),
        "r-out": int(incoming[lost_out].sum()),
        "r-in": int(outgoing[lost_in].sum()),
    }


def tap_positions(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Find which row, and which column, of the source each tap reads.

    There is one for each row and column written.

    Shapes:
        (h, H') and (w, W'); outside 0 .. H - 1 and 0 .. W - 1 where a tap falls off the map.
    """
    left, _, top, _ = block.padding
    taps, written = block.weight.shape[2:], block.target.shape[1:]
    rows, columns = (
        np.arange(out)[None, :] * stride + np.arange(size)[:, None] * dilation - before
        for size, out, stride, dilation, before in zip(
            taps, written, block.stride, block.dilation, (top, left)
        )
    )
    return rows, columns


def _node_sums(graph: MultipartiteGraph, kernel: Callable[[Block], Tensor]) -> NodeSums:
    incoming, outgoing = np.zeros(graph.num_nodes), np.zeros(graph.num_nodes)
    for block in graph.blocks:
        values = kernel(block).cpu()
        _add(incoming, block.target, _written(block, values))
        read = np.broadcast_to(_read(block, values)[..., None], block.source.shape)
        _add(outgoing, block.source, read)
    return NodeSums(incoming, outgoing)


def _written(block: Block, kernel: Tensor) -> np.ndarray:
    """Sums at the nodes that a block writes, (C', H', W')."""
    number = (block.source >= 0).sum(-1)  # values pooled into each position
    if (number != number[:1]).any():
        left, right, top, bottom = block.padding
        source = F.pad(torch.from_numpy(number).double()[None], (left, right, top, bottom))
        sums = F.conv2d(
            source, kernel, stride=block.stride, dilation=block.dilation, groups=block.groups
        )
        return sums[0].numpy()
    rows, columns = tap_positions(block)
    height, width = number.shape[1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & (
        (columns >= 0) & (columns < width)
    )[None, :, None, :]
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    met = number[0][rows[:, None, :, None], columns[None, :, None, :]] * inside  # (h, w, H', W')
    sums = kernel.sum(1).flatten(1).numpy() @ met.reshape(rows.shape[0] * columns.shape[0], -1)
    return sums.reshape(block.target.shape)


def _read(block: Block, kernel: Tensor) -> np.ndarray:
    """Sums at the positions that a block reads, (C, H, W)."""
    channels, height, width, _ = block.source.shape
    by_group = kernel.unflatten(0, (block.groups, -1)).sum(1).flatten(0, 1)  # (C, h, w)
    rows, columns = tap_positions(block)
    by_row = (rows[:, :, None] == np.arange(height)).sum(1).astype(float)  # (h, H)
    by_column = (columns[:, :, None] == np.arange(width)).sum(1).astype(float)  # (w, W)
    partial = by_group.numpy() @ by_column  # (C, h, W)
    return np.matmul(by_row.T, partial).reshape(channels, height, width)


def _add(total: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> None:
    """Add values to the nodes that they belong to; -1 stands for none."""
    nodes, values = nodes.ravel(), values.ravel()
    if len(nodes) and nodes[0] >= 0 and (np.diff(nodes) == 1).all():
        total[nodes[0] : nodes[0] + len(nodes)] += values
        return
    there = nodes >= 0
    if there.any():
        nodes, values = nodes[there], values[there]
        start = int(nodes.min())
        counted = np.bincount(nodes - start, values)
        total[start : start + len(counted)] += counted
