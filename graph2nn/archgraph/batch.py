"""Several graphs as one: the input of a hypernetwork."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["GraphBatch"]


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Graphs side by side in shared arrays.

    Args:
        op: operation of each node.
        shape: 4-D shape of each node.
        index: number of the graph each node belongs to.
        offsets: node `i` of graph `g` is row `offsets[g] + i`.
        graphs: the graphs themselves, for names, cells and parameters.

    Shapes:
        op (N,), shape (N, 4), index (N,), offsets (G + 1,), all int64.

    Example:
        >>> batch = GraphBatch.of([trace(resnet18(), view="ghn2"), trace(resnet50(), view="ghn2")])
        >>> len(batch), batch.num_nodes
        (2, 180)
    """

    op: Tensor
    shape: Tensor
    index: Tensor
    offsets: Tensor
    graphs: tuple[ArchGraph, ...]

    @classmethod
    def of(cls, graphs: Sequence[ArchGraph] | ArchGraph) -> GraphBatch:
        """Batches one or more graphs.

        Raises:
            ValueError: no graph, or graphs with different vocabularies.
        """
        graphs = (graphs,) if isinstance(graphs, ArchGraph) else tuple(graphs)
        if not graphs:
            raise ValueError("expected at least one graph to batch, got an empty sequence")
        for k, g in enumerate(graphs):
            if g.ops != graphs[0].ops:
                label = f" ({g.name})" if g.name else ""
                raise ValueError(
                    f"graph {k}{label} has another vocabulary of operations than graph 0: "
                    "batch graphs of one view, such as trace(model, view='primitives')"
                )
        sizes = np.array([g.num_nodes for g in graphs])
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        return cls(
            op=torch.from_numpy(np.concatenate([g.op for g in graphs]).astype(np.int64)),
            shape=torch.from_numpy(np.concatenate([g.shape for g in graphs]).astype(np.int64)),
            index=torch.from_numpy(np.repeat(np.arange(len(graphs)), sizes)),
            offsets=torch.from_numpy(offsets),
            graphs=graphs,
        )

    @property
    def num_nodes(self) -> int:
        return len(self.op)

    def __len__(self) -> int:
        return len(self.graphs)

    def __iter__(self) -> Iterator[ArchGraph]:
        return iter(self.graphs)

    def __getitem__(self, k: int) -> ArchGraph:
        return self.graphs[k]

    def to(self, device: torch.device | str) -> GraphBatch:
        """The batch with its tensors on `device`."""
        op, shape, index, offsets = (
            t.to(device) for t in (self.op, self.shape, self.index, self.offsets)
        )
        return GraphBatch(op, shape, index, offsets, self.graphs)

    def edges(self, cutoff: int = 1) -> Tensor:
        """Source, target, path length and graph of every edge up to `cutoff` (1: real edges only).

        Shapes: (4, E) int64, sorted by source, then target.
        """
        rows = []
        for k, g in enumerate(self.graphs):
            if cutoff == 1:
                source, target = g.edges
                length = np.ones(g.num_edges, dtype=np.int64)
            else:
                distance = g.distances(cutoff)
                source, target = np.nonzero(distance)
                length = distance[source, target].astype(np.int64)
            start = int(self.offsets[k])
            rows.append(np.stack([source + start, target + start, length, np.full_like(length, k)]))
        return torch.from_numpy(np.concatenate(rows, axis=1)).to(self.op.device)

    def dense(self, cutoff: int = 50) -> tuple[Tensor, Tensor, Tensor]:
        """Padded operations (G, N), path lengths (G, N, N) and the mask (G, N) of real nodes."""
        size = max(g.num_nodes for g in self.graphs)
        op = torch.zeros(len(self), size, dtype=torch.int64)
        distance = torch.zeros(len(self), size, size, dtype=torch.int64)
        mask = torch.zeros(len(self), size, dtype=torch.bool)
        for k, g in enumerate(self.graphs):
            n = g.num_nodes
            op[k, :n] = torch.from_numpy(g.op.astype(np.int64))
            distance[k, :n, :n] = torch.from_numpy(g.distances(cutoff).astype(np.int64))
            mask[k, :n] = True
        device = self.op.device
        return op.to(device), distance.to(device), mask.to(device)
