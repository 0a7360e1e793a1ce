"""A multipartite graph times a vector, by convolution: no edge is ever made.

Time and memory depend on the sizes of the layers, not on how many weights are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor
from torch.nn import functional as F

from graph2nn.sparsity.graphs.metrics.counting import degrees
from graph2nn.sparsity.graphs.multipartite import Block, MultipartiteGraph

__all__ = ["AdjacencyOperator", "adjacency_operator", "motifs_by_degrees"]


class AdjacencyOperator(LinearOperator):
    """The symmetric adjacency of |w| of a graph, which takes each edge both ways.

    A block carries x over its edges as a convolution of the map that it reads, and against them as
    a transposed convolution of the map that it writes. Edges must join different pairs of nodes,
    as `MultipartiteGraph` promises; then this is the matrix of the undirected simple graph.

    Args:
        graph: Graph of any encoding, compat or not.
        device: Device that convolves.
        precision: Type of the numbers in the convolutions. Vectors come and go in float64, so that
            Lanczos stays orthogonal; in float32 an extreme eigenvalue is off by about 1e-7 of
            itself.
        kernel: Function from a block to the values on its edges; `block.weight` when not given,
            `block.mask` for 0 and 1.
    """

    def __init__(
        self,
        graph: MultipartiteGraph,
        *,
        device: torch.device | str = "cpu",
        precision: torch.dtype = torch.float32,
        kernel: Callable[[Block], Tensor] = lambda block: block.weight,
    ) -> None:
        super().__init__(np.dtype(np.float64), (graph.num_nodes, graph.num_nodes))
        self.device, self.precision = torch.device(device), precision
        self._blocks = [
            _BlockOperator(block, kernel(block), graph.num_nodes, self.device, precision)
            for block in graph.blocks
        ]

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        values = torch.from_numpy(np.ascontiguousarray(x, np.float64).reshape(-1))
        # One more than the nodes: a block reads 0 there, and writes there what nobody reads.
        read = F.pad(values.to(self.precision).to(self.device), (0, 1))
        with torch.no_grad():
            written = torch.zeros_like(read)
            for block in self._blocks:
                block.add(read, written)
        return written[:-1].cpu().double().numpy()

    def _adjoint(self) -> AdjacencyOperator:
        return self


class _BlockOperator:
    """One block on a device, nodes in one stretch being read and written without an index."""

    def __init__(
        self,
        block: Block,
        kernel: Tensor,
        num_nodes: int,
        device: torch.device,
        precision: torch.dtype,
    ) -> None:
        source = np.where(block.source >= 0, block.source, num_nodes)
        self.source = _Nodes(source, device)
        self.target = _Nodes(block.target[..., None], device)
        self.kernel = kernel.detach().to(device, precision)
        self.padding = block.padding
        self.options: dict[str, Any] = {
            "stride": block.stride,
            "dilation": block.dilation,
            "groups": block.groups,
        }

    def add(self, read: Tensor, written: Tensor) -> None:
        forward = F.pad(self.source.take(read), self.padding)[None]
        self.target.add(written, F.conv2d(forward, self.kernel, **self.options)[0])
        backward = self.target.take(read)[None]
        spread = F.conv_transpose2d(backward, self.kernel, **self.options)[0]
        left, _, top, _ = self.padding
        height, width = self.source.shape[1:3]
        # Rows and columns that no stride reaches were never written, hence the negative padding.
        right, bottom = width - (spread.shape[2] - left), height - (spread.shape[1] - top)
        self.source.add(written, F.pad(spread, (-left, right, -top, bottom)))


class _Nodes:
    """Node numbers of a map, (C, H, W, K), to gather values and to add to them."""

    def __init__(self, nodes: np.ndarray, device: torch.device) -> None:
        self.shape = nodes.shape
        flat = nodes.ravel()
        self.stretch: slice | None = None
        if len(flat) and (np.diff(flat) == 1).all():
            self.stretch = slice(int(flat[0]), int(flat[-1]) + 1)
        else:
            self.index = torch.from_numpy(np.ascontiguousarray(flat)).to(device)

    def take(self, values: Tensor) -> Tensor:
        """(C, H, W), the values pooled at a position added up."""
        if self.stretch is not None:
            return values[self.stretch].view(self.shape).sum(-1)
        return values.index_select(0, self.index).view(self.shape).sum(-1)

    def add(self, values: Tensor, new: Tensor) -> None:
        new = new[..., None].expand(self.shape).reshape(-1)
        if self.stretch is not None:
            values[self.stretch] += new
        else:
            values.index_add_(0, self.index, new)


def adjacency_operator(
    graph: MultipartiteGraph,
    *,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
) -> AdjacencyOperator:
    """Make the symmetric adjacency of |w| of a graph, (nodes, nodes).

    See `AdjacencyOperator`.

    Examples:
        >>> model = build("Resnet-20", image_size=8)
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> graph = encode(model, masks, "unrolled", (3, 8, 8))
        >>> from graph2nn.sparsity.graphs.metrics.spectra import spectral_gap
        >>> spectral_gap(adjacency_operator(graph))
        0.35051...
    """
    return AdjacencyOperator(graph, device=device, precision=precision)


def motifs_by_degrees(graph: MultipartiteGraph) -> int:
    """Count stars and paths of four nodes, as `motifs.motifs_by_degrees` without the edges.

    It takes one product with the adjacency of 0 and 1, in float64 on the processor: exact below
    2^53.
    """
    degree = np.add(*degrees(graph))
    adjacency = AdjacencyOperator(graph, precision=torch.float64, kernel=lambda block: block.mask)
    stars = int((degree * (degree - 1) * (degree - 2) // 6).sum())
    further = (degree - 1).astype(np.float64)
    return stars + round(float(further @ adjacency.matvec(further))) // 2
