"""`DagNetwork`: any labelled DAG as a network, shapes made to fit where values meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import pruned
from graph2nn.cells.networks.blocks import (
    BATCH_NORM,
    GlobalPool,
    Zero,
    cell_op,
    conv_norm,
    sources,
)
from graph2nn.deepnets.networks.layers import norm_layer
from graph2nn.runs import seeded

__all__ = ["DagNetwork"]


class DagNetwork(nn.Module):
    """A network of any DAG over the operations of `CELL_OPS`, with implied adapters.

    Every node has a state (channels, stride from the image). Values that meet at a node are added;
    before, each is brought to the widest and coarsest among them: an average pool where the strides
    differ, then a 1x1 convolution with normalisation where the channels differ. The node's
    operation then goes to the node's own state. So no graph is refused for its shapes.

    A 3x3 convolution makes the stem; normalisation, ReLU, mean over the map and a linear layer
    make the head, which reads the output. Nodes on no path from input to output are left out.

    Args:
        graph: Graph with one node `input`; its last node is the output.
        channels: Channels of nodes in stage 0.
        num_classes: Outputs of the head; None for the graph's, or 10.
        in_channels: Channels of the images.
        widths: Channels of each node of the graph; None doubles `channels` with every stage, the
            number that the graph has in `cell`.
        strides: Stride of each node's map from the image; None doubles 1 with every stage. A node's
            map is never finer than those it reads.
        seed: Seed of the initial weights; torch's global generator is left alone.

    Shapes:
        (N, in_channels, H, W) -> (N, num_classes).

    Raises:
        ValueError: No or several inputs, an operation without a module, widths or strides that
            do not fit.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> DagNetwork(nb201_cell([2, 3, 0, 4, 1, 2]))(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        graph: ArchGraph,
        *,
        channels: int = 16,
        num_classes: int | None = None,
        in_channels: int = 3,
        widths: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        live, states = _live_states(graph, channels, widths, strides)
        with seeded(seed):
            self.stem = conv_norm(in_channels, states[0][0], 3, states[0][1])
            self._build(live, states)
            head = self.width if self.sources[-1] else states[0][0]
            classes = num_classes or graph.num_classes or 10
            self.head = nn.Sequential(
                norm_layer(BATCH_NORM, head), nn.ReLU(), GlobalPool(), nn.Linear(head, classes)
            )
        self.zero = Zero(states[0][0])

    def _build(self, graph: ArchGraph, wanted: list[tuple[int, int]]) -> None:
        """Adapters and operations, node after node; `self.width` ends as that of the output."""
        self.sources = sources(graph)
        self.adapters, self.ops = nn.ModuleDict(), nn.ModuleDict()
        states = [wanted[0]]
        for k, name in enumerate(graph.op_names()[1:], start=1):
            read = [states[u] for u in self.sources[k]] or [wanted[0]]
            merged = max(c for c, _ in read), max(s for _, s in read)
            for u in self.sources[k]:
                if states[u] != merged:
                    self.adapters[f"{u}_{k}"] = _adapter(states[u], merged)
            if k == graph.num_nodes - 1 and name == "output":
                self.width = merged[0]
                return
            target = wanted[k][0], max(wanted[k][1], merged[1])
            self.ops[str(k)] = cell_op(name, merged[0], target[0], target[1] // merged[1])
            states.append(target)
        self.width = states[-1][0]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if not self.sources[-1]:
            return self.head(self.zero(x))
        values = [x]
        for k in range(1, len(self.sources)):
            total = self._merged(values, k)
            values.append(self.ops[str(k)](total) if str(k) in self.ops else total)
        return self.head(values[-1])

    def _merged(self, values: list[Tensor], node: int) -> Tensor:
        total: Tensor | None = None
        for u in self.sources[node]:
            key = f"{u}_{node}"
            value = self.adapters[key](values[u]) if key in self.adapters else values[u]
            total = value if total is None else total + value
        assert total is not None, node
        return total


def _adapter(state: tuple[int, int], target: tuple[int, int]) -> nn.Module:
    layers: list[nn.Module] = []
    ratio = target[1] // state[1]
    if ratio > 1:
        layers.append(nn.AvgPool2d(ratio, ceil_mode=True))
    if target[0] != state[0]:
        layers += conv_norm(state[0], target[0], 1)
    return nn.Sequential(*layers)


def _live_states(
    graph: ArchGraph,
    channels: int,
    widths: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> tuple[ArchGraph, list[tuple[int, int]]]:
    """The live part of a graph, its nodes' old numbers as cells, and the state each should have."""
    where = graph.name or "graph"
    if graph.op_names().count("input") != 1:
        raise ValueError(
            f"{where}: expected one node `input`, got {graph.op_names().count('input')}"
        )
    if channels < 1:
        raise ValueError(f"channels: expected at least 1, got {channels}")
    stages = graph.cell.tolist()
    widths = [channels * 2**s for s in stages] if widths is None else list(widths)
    strides = [2**s for s in stages] if strides is None else list(strides)
    for title, values in (("widths", widths), ("strides", strides)):
        if len(values) != graph.num_nodes or min(values) < 1:
            raise ValueError(
                f"{title}: expected a positive number for each of the {graph.num_nodes} nodes of "
                f"{where}, got {list(values)}"
            )
    if any(s & (s - 1) for s in strides):
        raise ValueError(f"strides: expected powers of two, got {list(strides)}")
    wanted = list(zip(widths, strides))
    # Pruning keeps the order, and these numbers survive it.
    numbered = pruned(graph.replace(cell=np.arange(graph.num_nodes)))
    return numbered, [wanted[k] for k in numbered.cell]
