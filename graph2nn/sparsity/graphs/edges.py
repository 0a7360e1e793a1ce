"""The edges of a `MultipartiteGraph`, listed: one gather a kernel tap, no loop over edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graph2nn.sparsity.graphs.multipartite import Block, MultipartiteGraph, check_multipartite

__all__ = ["EdgeList", "edge_list", "edge_list_reference"]


@dataclass(frozen=True, eq=False)
class EdgeList:
    """Edges as three columns, in no order to rely on but always in the same one.

    Args:
        source: Node that an edge leaves.
        target: Node that it enters.
        weight: Absolute value of the weight; an edge may weigh nothing.

    Shapes:
        All (edges,); source and target int32 where the node numbers fit, else int64; weight
        float32.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.source)

    @property
    def nbytes(self) -> int:
        """Memory of the three columns, in bytes."""
        return self.source.nbytes + self.target.nbytes + self.weight.nbytes


def edge_list(graph: MultipartiteGraph) -> EdgeList:
    """List all edges of a graph.

    The edges of one tap of a kernel are the pairs of channels that it joins times the positions
    at which it lies inside the map, so that they are copied row by row out of the tables of node
    numbers. 12 bytes an edge where the node numbers fit into 32 bits.

    Examples:
        >>> model = build("Resnet-20")
        >>> masks = prune(model, "uniform", sparsity=0.98)
        >>> edges = edge_list(encode(model, masks, "unrolled", (3, 32, 32)))
        >>> len(edges), edges.source[:2], edges.target[:2]
        (830248, array([1024, 1025], dtype=int32), array([5153, 5154], dtype=int32))
    """
    check_multipartite(graph, "edge_list")
    ids = np.int32 if graph.num_nodes <= np.iinfo(np.int32).max else np.int64
    taps = [list(_taps(block)) for block in graph.blocks]
    total = sum(tap.num_edges for of_block in taps for tap in of_block)
    edges = EdgeList(np.empty(total, ids), np.empty(total, ids), np.empty(total, np.float32))
    start = 0
    for block, of_block in zip(graph.blocks, taps):
        sources, targets = block.source.astype(ids), block.target.astype(ids)
        for tap in of_block:
            tap.write(edges, start, sources, targets)
            start += tap.num_edges
    assert start == total
    return edges


@dataclass(frozen=True, eq=False)
class _Tap:
    """One position of a kernel, with the pairs of channels where it keeps a weight.

    Shapes:
        read, write and weight (pairs,); a window is a slice of rows and one of columns.
    """

    read: np.ndarray
    written: np.ndarray
    weight: np.ndarray
    window_read: tuple[slice, slice]
    window_written: tuple[slice, slice]
    has_gaps: bool
    num_edges: int

    def write(self, edges: EdgeList, start: int, sources: np.ndarray, targets: np.ndarray) -> None:
        rows = sources[:, self.window_read[0], self.window_read[1]]
        several = rows.shape[-1]
        rows = rows.reshape(len(rows), -1)
        columns = targets[:, self.window_written[0], self.window_written[1]]
        columns = np.repeat(columns.reshape(len(columns), -1), several, axis=1)
        shape, end = (len(self.read), rows.shape[1]), start + self.num_edges
        if self.has_gaps:
            found = rows[self.read]
            there = found >= 0
            edges.source[start:end] = found[there]
            edges.target[start:end] = columns[self.written][there]
            edges.weight[start:end] = np.broadcast_to(self.weight[:, None], shape)[there]
            return
        # clip: take buffers its output in the mode that checks
        into = edges.source[start:end].reshape(shape)
        np.take(rows, self.read, axis=0, out=into, mode="clip")
        into = edges.target[start:end].reshape(shape)
        np.take(columns, self.written, axis=0, out=into, mode="clip")
        edges.weight[start:end].reshape(shape)[:] = self.weight[:, None]


def _taps(block: Block) -> Iterator[_Tap]:
    """The taps of a kernel that make edges."""
    kept = block.mask.cpu().numpy().transpose(2, 3, 0, 1)  # h w C' C/g
    weight = block.weight.detach().cpu().numpy()
    rows, columns, written, read = np.nonzero(kept)
    value = weight[written, read, rows, columns]
    out, own = kept.shape[2:]
    read += written // (out // block.groups) * own
    width = kept.shape[1]
    starts = np.searchsorted(rows * width + columns, np.arange(kept.shape[0] * width + 1))
    there = block.source >= 0
    complete = bool(there.all())
    for tap, (first, last) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist())):
        down, across = _window(block, 0, tap // width), _window(block, 1, tap % width)
        if first == last or down is None or across is None:
            continue
        windows = (down[0], across[0]), (down[1], across[1])
        pairs = slice(first, last)
        seen = there[:, windows[0][0], windows[0][1]]
        num_edges = (last - first) * seen[0].size
        if not complete:
            num_edges = int(seen.sum((1, 2, 3))[read[pairs]].sum())
        yield _Tap(read[pairs], written[pairs], value[pairs], *windows, not complete, num_edges)


def _window(block: Block, axis: int, tap: int) -> tuple[slice, slice] | None:
    """Rows (axis 0) or columns that a tap reads and writes inside the map, or None."""
    stride, size = block.stride[axis], block.source.shape[1 + axis]
    shift = tap * block.dilation[axis] - block.padding[2 if axis == 0 else 0]
    first = max(0, -(shift // stride))  # smallest y with y·stride + shift >= 0
    last = min(block.target.shape[1 + axis] - 1, (size - 1 - shift) // stride)
    if first > last:
        return None
    read = first * stride + shift
    return slice(read, last * stride + shift + 1, stride), slice(first, last + 1)


def edge_list_reference(graph: MultipartiteGraph) -> list[tuple[int, int, float]]:
    """List all edges by the definition of `Block`, edge by edge, to compare `edge_list` with.

    Returns:
        Source, target and weight of each edge, sorted.
    """
    return sorted(edge for block in graph.blocks for edge in _edges_of(block))


def _edges_of(block: Block) -> Iterator[tuple[int, int, float]]:
    left, _, top, _ = block.padding
    channels, height, width, _ = block.source.shape
    out, own = block.weight.shape[:2]
    for o, c, a, b in block.mask.nonzero().tolist():
        channel = o // (out // block.groups) * own + c
        for y in range(block.target.shape[1]):
            for x in range(block.target.shape[2]):
                i = y * block.stride[0] + a * block.dilation[0] - top
                j = x * block.stride[1] + b * block.dilation[1] - left
                if 0 <= i < height and 0 <= j < width:
                    for node in block.source[channel, i, j].tolist():
                        if node >= 0:
                            yield node, int(block.target[o, y, x]), float(block.weight[o, c, a, b])
