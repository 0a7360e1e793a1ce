"""How does a hypernetwork see a relational graph? Its rounds of messages beside the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import nn

from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph, trace
from graph2nn.archgraph.views.inserting import insert_nodes
from graph2nn.relational.networks.layers import RelationalLayer
from graph2nn.relational.networks.partition import node_sizes

__all__ = ["trace_relational", "with_message_rounds"]

_KEEPS_CHANNELS = frozenset(
    PRIMITIVE_ID[name]
    for name in ("max_pool", "avg_pool", "sep_conv", "dil_conv", "cse", "sum", "bias", "bn", "ln")
)
"""Operations behind which a channel still belongs to the node that it belonged to before."""


def trace_relational(model: nn.Module, input: Any = None) -> ArchGraph:
    """Trace a network with relational layers, in the graph that hypernetworks are trained on.

    It is `with_message_rounds` of `trace(model, input, view="primitives")`.

    Args:
        model: Any network with layers of the execution "masked" or "mask-once".
        input: Example input, see `graph2nn.archgraph.trace`.

    Raises:
        ValueError: The network cannot run on the input, or its layers are in execution "blocks".

    Examples:
        >>> model = build_model("mlp", ws_flex(16, 4, 0.1), num_classes=10, image_size=8)
        >>> trace_relational(model).num_nodes    # 11 of layers, 16 of the stem and of each round
        75
    """
    return with_message_rounds(trace(model, input, view="primitives"), model)


def with_message_rounds(graph: ArchGraph, model: nn.Module) -> ArchGraph:
    """Add the rounds of message exchange of relational layers to the graph of their network.

    "Graph Structure of Neural Networks", arXiv:2007.06559, figure 1. Traced, a layer is one node
    whatever its relational graph. Here n further nodes stand in front of it, one a relational node:
    of the layer's operation, in shape (own channels, channels heard, k, k), without parameters. An
    edge leads to each of them from every node that it hears, itself included, of the layers before,
    and from each of them to the layer's own node, which still holds the whole weight. Where a dense
    layer comes before, its channels are divided over n `sum` nodes.

    So a hypernetwork reads the relational graph and predicts one dense weight a layer, whose mask
    the network applies. `relational_archgraph` instead divides the weights among the nodes.

    Args:
        graph: Graph of the network with its parameters' names, as `trace` gives.
        model: The network.

    Raises:
        ValueError: A relational layer whose weight the graph does not have.
    """
    layers = _relational_layers(graph, model)
    rounds = _Rounds(graph)
    for node, layer in sorted(layers.items()):
        rounds.add(node, layer, _heard_layers(graph, node, layers))
    return rounds.finish()


def _relational_layers(graph: ArchGraph, model: nn.Module) -> dict[int, RelationalLayer]:
    """Relational layers by the node that holds their weight."""
    node_of = {name: node for node, names in enumerate(graph.params) for name in names}
    found = {}
    for prefix, module in model.named_modules():
        if isinstance(module, RelationalLayer):
            name = f"{prefix}.weight" if prefix else "weight"
            if name not in node_of:
                raise ValueError(
                    f"the graph {graph.name or ''} has no parameter {name}, the weight of a "
                    f"relational layer in execution {module.execution!r}: trace the network "
                    "itself, after set_execution(model, 'masked')"
                )
            found[node_of[name]] = module
    return found


def _heard_layers(
    graph: ArchGraph, node: int, layers: Mapping[int, RelationalLayer]
) -> Iterator[int]:
    """Nodes whose channels come in at a node: nearest layers before it, relational or dense."""
    before: dict[int, list[int]] = {}
    for source, target in graph.edges.T.tolist():
        before.setdefault(target, []).append(source)
    seen, left = set(), list(before.get(node, ()))
    while left:
        source = left.pop()
        if source in seen:
            continue
        seen.add(source)
        if source in layers or graph.op[source] not in _KEEPS_CHANNELS or source not in before:
            yield source
        else:
            left += before[source]


class _Rounds:
    """Collects nodes and edges of the rounds."""

    def __init__(self, graph: ArchGraph) -> None:
        self.graph, self.count = graph, graph.num_nodes
        self.fronts: dict[tuple[int, int], np.ndarray] = {}  # of a node, by number of parts
        self.before: list[np.ndarray] = []
        self.op: list[np.ndarray] = []
        self.shape: list[np.ndarray] = []
        self.edges: list[np.ndarray] = []

    def add(self, node: int, layer: RelationalLayer, heard: Iterator[int]) -> None:
        out_channels, in_channels = layer.mask.shape[:2]
        n, receives = layer.graph.num_nodes, layer.graph.with_self_edges()
        shape = np.ones((n, 4), dtype=np.int64)
        shape[:, 0] = node_sizes(out_channels, n)
        shape[:, 1] = receives @ node_sizes(in_channels, n)
        shape[:, 2:] = self.graph.shape[node, 2:]
        senders = [self._front(source, n, node) for source in heard]
        front = self._nodes(node, int(self.graph.op[node]), shape)
        targets, sources = receives.nonzero()
        self.edges += [np.stack([sender[sources], front[targets]]) for sender in senders]
        self.edges.append(np.stack([front, np.full(n, node)]))
        self.fronts[node, n] = front

    def finish(self) -> ArchGraph:
        if not self.before:
            return self.graph
        before, op, shape = map(np.concatenate, (self.before, self.op, self.shape))
        return insert_nodes(self.graph, before, op, shape, np.concatenate(self.edges, axis=1))

    def _front(self, source: int, n: int, node: int) -> np.ndarray:
        """The n parts of a layer's channels; new ones of a dense layer, or of another number."""
        if (source, n) not in self.fronts:
            front = self._nodes(node, PRIMITIVE_ID["sum"], np.zeros((n, 4), dtype=np.int64))
            self.edges.append(np.stack([np.full(n, source), front]))
            self.fronts[source, n] = front
        return self.fronts[source, n]

    def _nodes(self, node: int, op: int, shape: np.ndarray) -> np.ndarray:
        n = len(shape)
        self.before.append(np.full(n, node))
        self.op.append(np.full(n, op))
        self.shape.append(shape)
        self.count += n
        return np.arange(self.count - n, self.count)
