"""A relational network as an `ArchGraph` in which the relational graph shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks.architecture import (
    EXPANSIONS,
    HEAD,
    KERNELS,
    Architecture,
    architecture,
)
from graph2nn.relational.networks.base import RelationalNetwork
from graph2nn.relational.networks.matching import match_width
from graph2nn.relational.networks.partition import fitting_graph, node_sizes

__all__ = ["message_graph", "relational_archgraph"]


def message_graph(graph: RelationalGraph | Any) -> ArchGraph:
    """Convert a relational graph: a node a relational node, an edge i < j an undirected edge.

    Far smaller than the unrolled network of `relational_archgraph`, and all that tells networks of
    one family apart, so predictors of their accuracy read this. All operations are `node`.

    Raises:
        ValueError: A directed graph.
    """
    graph = as_graph(graph)
    if graph.directed:
        raise ValueError(
            f"graph {graph.name or '(unnamed)'} is directed; take graph.undirected(), or unroll "
            "the network with relational_archgraph"
        )
    n = graph.num_nodes
    return ArchGraph(
        op=np.zeros(n, dtype=np.int64),
        shape=np.zeros((n, 4), dtype=np.int64),
        edges=np.argwhere(np.triu(graph.adjacency)).T.copy(),
        params=((),) * n,
        param_shapes={},
        cell=np.zeros(n, dtype=np.int64),
        ops=("node",),
        name=graph.name,
    )


def relational_archgraph(
    network: RelationalNetwork | str, graph: RelationalGraph | None = None, **sizes: Any
) -> ArchGraph:
    """Unroll the message exchange of a network: one node a layer and relational node.

    "Graph Structure of Neural Networks", arXiv:2007.06559, figure 1 and equation 2. Tracing gives
    one node a layer, which looks the same for every relational graph. Here a masked layer is a
    round: n nodes, and an edge from every node of the round before that sends to it, its own
    included. So a round has as many edges as the adjacency with self-edges has ones. In detail:

    - Each node of a round is a `conv` with the weights that it receives through, in shape (own
      channels, channels received, k, k); these are called `<weight>[i]`.
    - The stem and dense layers within blocks are divided over the same nodes; a node of a dense
      layer hears all. Depthwise convolutions (`sep_conv`), the sums of residual blocks (`sum`) and
      the gates of squeeze-and-excitation (`cse`) join a node with itself.
    - The two linear layers inside squeeze-and-excitation, the last convolution of EfficientNet, the
      mean over the image (`glob_avg`) and the classifier with its bias are one node each.
    - Batch normalisation, activations and the pooling of stems belong to the node that they
      follow and carry no parameters here.
    - Where neighbouring layers have different nodes (EfficientNet with layers narrower than the
      graph), nodes are joined where a weight joins their channels.

    Operations are the 15 primitives, so batching, drawing, conversion and hypernetworks (as
    readers: `embed_network`) take it. To predict a network's parameters, give the hypernetwork the
    network itself, in execution "masked", which masks what it writes.

    Args:
        network: A relational network, or the name of its family.
        graph: Relational graph, with a name. Dense networks are the complete graph.
        sizes: Sizes, with a name: `num_classes`, `image_size` and the optional `in_channels`,
            `dims`, `dim_first`, `depths` and `base_dims` of `build_model`; nothing is built.

    Raises:
        ValueError: A dense network, or bad sizes.

    Examples:
        >>> graph = ws_flex(64, 8, 0.1, seed=1)
        >>> rounds = relational_archgraph("mlp", graph, num_classes=10, image_size=32)
        >>> rounds.num_nodes    # input, stem, three rounds, classifier and its bias
        259
    """
    if isinstance(network, RelationalNetwork):
        found, graph = network.sizes, network.graph
    else:
        found = _sizes(network, graph, **sizes)
    if graph is None:
        raise ValueError(
            f"a dense {found.name} has no relational graph; pass the complete graph instead"
        )
    walk = _Unrolled(found, graph)
    _WALKS[found.name](walk, found)
    return walk.finish()


def _sizes(
    name: str, graph: RelationalGraph | None, *, base_dims: Any = None, **options: Any
) -> Architecture:
    if options.get("dims") is None and graph is not None:
        without = {key: value for key, value in options.items() if key != "dims"}
        options["dims"] = match_width(name, graph, base_dims=base_dims, **without).dims
    return architecture(name, relational=graph is not None, **options)


@dataclass(frozen=True)
class _Front:
    """Nodes that hold a layer's channels: numbers, and the first channel of each and the end."""

    nodes: np.ndarray
    bounds: np.ndarray

    @property
    def channels(self) -> int:
        return int(self.bounds[-1])

    @property
    def widths(self) -> np.ndarray:
        return np.diff(self.bounds)


class _Unrolled:
    """Collects nodes and edges; fronts are what the layers hand on."""

    def __init__(self, sizes: Architecture, graph: RelationalGraph) -> None:
        self.sizes, self.graph = sizes, graph
        self.op: list[int] = []
        self.shape: list[tuple[int, int, int, int]] = []
        self.params: list[tuple[str, ...]] = []
        self.param_shapes: dict[str, tuple[int, ...]] = {}
        self.edges: list[np.ndarray] = []
        image = sizes.in_channels * (sizes.image_size**2 if sizes.name == "mlp" else 1)
        self.image = _Front(np.array([self._node("input")]), np.array([0, image]))

    def relational(self, name: str, front: _Front, width: int, kernel: int = 1) -> _Front:
        """A masked layer: one round of messages."""
        graph = self.graph
        if self.sizes.family.shrinks:
            graph = fitting_graph(graph, front.channels, width)
        senders = _bounds(front.channels, graph.num_nodes)
        receives = graph.with_self_edges()
        heard = receives @ np.diff(senders)
        joined = receives @ _overlap(senders, front.bounds) > 0
        return self._layer(name, front, width, kernel, heard, joined)

    def dense(self, name: str, front: _Front, width: int, kernel: int = 1) -> _Front:
        """A dense layer, divided over the nodes."""
        n = min(self.graph.num_nodes, width)
        heard = np.full(n, front.channels)
        joined = np.ones((n, len(front.nodes)), dtype=bool)
        return self._layer(name, front, width, kernel, heard, joined)

    def depthwise(self, name: str, front: _Front, kernel: int) -> _Front:
        """A convolution within each channel."""
        nodes = [
            self._node("sep_conv", f"{name}.weight[{i}]", (int(width), 1, kernel, kernel))
            for i, width in enumerate(front.widths)
        ]
        return self._join(nodes, front.bounds, front)

    def pointwise(self, op: str, *fronts: _Front) -> _Front:
        """A channel of each joined: sums and gates. Nodes are those of the first."""
        nodes = [self._node(op) for _ in fronts[0].nodes]
        for other in fronts[1:]:
            self._join(nodes, fronts[0].bounds, other)
        return self._join(nodes, fronts[0].bounds, fronts[0])

    def mean(self, front: _Front) -> _Front:
        """The mean over the image."""
        return self._whole(front, self._node("glob_avg"), front.channels)

    def whole(
        self, name: str, front: _Front, width: int, *, linear: bool = False, bias: bool = True
    ) -> _Front:
        """A dense layer, and its bias, as one node each."""
        shape = (width, front.channels) if linear else (width, front.channels, 1, 1)
        found = self._whole(front, self._node("conv", f"{name}.weight", shape), width)
        if bias:
            found = self._whole(found, self._node("bias", f"{name}.bias", (width,)), width)
        return found

    def finish(self) -> ArchGraph:
        edges = np.concatenate(self.edges, axis=1)
        return ArchGraph(
            op=np.array(self.op),
            shape=np.array(self.shape, dtype=np.int64),
            edges=np.unique(edges, axis=1),
            params=tuple(self.params),
            param_shapes=self.param_shapes,
            cell=np.zeros(len(self.op), dtype=np.int64),
            name=f"{self.sizes.name}, {self.graph.name or 'relational graph'}",
            num_classes=self.sizes.num_classes,
        )

    def _layer(
        self,
        name: str,
        front: _Front,
        width: int,
        kernel: int,
        heard: np.ndarray,
        joined: np.ndarray,
    ) -> _Front:
        bounds = _bounds(width, len(heard))
        tail = () if self.sizes.name == "mlp" else (kernel, kernel)
        nodes = [
            self._node("conv", f"{name}.weight[{i}]", (int(own), int(fan_in), *tail))
            for i, (own, fan_in) in enumerate(zip(np.diff(bounds), heard))
        ]
        receivers, senders = joined.nonzero()
        self.edges.append(np.stack([front.nodes[senders], np.array(nodes)[receivers]]))
        return _Front(np.array(nodes), bounds)

    def _node(self, op: str, name: str = "", shape: tuple[int, ...] = ()) -> int:
        self.op.append(PRIMITIVE_ID[op])
        o, i, h, w = (*shape, 1, 1, 1, 1)[:4] if shape else (0, 0, 0, 0)
        self.shape.append((o, i, h, w))
        self.params.append((name,) if name else ())
        if name:
            self.param_shapes[name] = shape
        return len(self.op) - 1

    def _join(self, nodes: list[int], bounds: np.ndarray, front: _Front) -> _Front:
        """Edges between nodes that share channels."""
        receivers, senders = _overlap(bounds, front.bounds).nonzero()
        self.edges.append(np.stack([front.nodes[senders], np.array(nodes)[receivers]]))
        return _Front(np.array(nodes), bounds)

    def _whole(self, front: _Front, node: int, width: int) -> _Front:
        self.edges.append(np.stack([front.nodes, np.full(len(front.nodes), node)]))
        return _Front(np.array([node]), np.array([0, width]))


def _bounds(channels: int, num_nodes: int) -> np.ndarray:
    return np.concatenate([[0], node_sizes(channels, num_nodes).cumsum()])


def _overlap(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Which ranges of channels overlap. Shapes: (R + 1,), (C + 1,) -> (R, C) bool."""
    starts_before = rows[:-1, None] < columns[None, 1:]
    return starts_before & (columns[None, :-1] < rows[1:, None])


def _mlp(walk: _Unrolled, sizes: Architecture) -> None:
    front = walk.dense("stem.linear", walk.image, sizes.dim_first)
    for index in range(sizes.depths[0]):
        front = walk.relational(f"layers.{index}.linear", front, sizes.dims[0])
    walk.whole("head", front, sizes.num_classes, linear=True)


def _classify(walk: _Unrolled, front: _Front, sizes: Architecture) -> None:
    walk.whole("head.fc", walk.mean(front), sizes.num_classes, linear=True)


def _cnn(walk: _Unrolled, sizes: Architecture) -> None:
    front = walk.dense("stem.conv", walk.image, sizes.dim_first, 3)
    for name, _, _, dim in _blocks(sizes):
        front = walk.relational(f"{name}.conv", front, dim, 3)
    _classify(walk, front, sizes)


def _blocks(sizes: Architecture) -> Iterator[tuple[str, int, int, int]]:
    """Module name, stage, stride and width of every block."""
    for stage, (dim, depth) in enumerate(zip(sizes.dims, sizes.depths)):
        for index in range(depth):
            stride = sizes.family.strides[stage] if index == 0 else 1
            yield f"stages.s{stage + 1}.b{index + 1}", stage, stride, dim


def _resnet(inner: Callable[[_Unrolled, str, _Front, int], _Front], *, masked_skip: bool):
    def unroll(walk: _Unrolled, sizes: Architecture) -> None:
        front = walk.dense("stem.conv", walk.image, sizes.dim_first, 7)
        for name, _, stride, dim in _blocks(sizes):
            skip = front
            if front.channels != dim or stride != 1:
                project = walk.relational if masked_skip else walk.dense
                skip = project(f"{name}.proj.conv", front, dim)
            front = walk.pointwise("sum", inner(walk, f"{name}.f", front, dim), skip)
        _classify(walk, front, sizes)

    return unroll


def _basic(walk: _Unrolled, name: str, front: _Front, dim: int) -> _Front:
    return walk.relational(f"{name}.b", walk.relational(f"{name}.a", front, dim, 3), dim, 3)


def _separable(walk: _Unrolled, name: str, front: _Front, dim: int) -> _Front:
    for part in "ab":
        front = walk.depthwise(f"{name}.{part}_depthwise", front, 3)
        front = walk.relational(f"{name}.{part}", front, dim)
    return front


def _bottleneck(walk: _Unrolled, name: str, front: _Front, dim: int) -> _Front:
    inner = int(round(dim / 4))
    front = walk.relational(f"{name}.a", front, inner)
    front = walk.relational(f"{name}.b", front, inner, 3)
    return walk.relational(f"{name}.c", front, dim)


def _efficientnet(walk: _Unrolled, sizes: Architecture) -> None:
    front = walk.dense("stem.conv", walk.image, sizes.dim_first, 3)
    for name, stage, stride, dim in _blocks(sizes):
        block, width = front, front.channels
        if EXPANSIONS[stage] != 1:
            front = walk.relational(f"{name}.expand.conv", front, sizes.expansion(stage, width))
        front = walk.depthwise(f"{name}.depthwise.conv", front, KERNELS[stage])
        squeezed = walk.whole(f"{name}.se.squeeze", walk.mean(front), int(width * 0.25))
        gate = walk.whole(f"{name}.se.excite", squeezed, front.channels)
        front = walk.pointwise("cse", front, gate)
        front = walk.relational(f"{name}.project.conv", front, dim)
        if stride == 1 and width == dim:
            front = walk.pointwise("sum", front, block)
    front = walk.whole("head.conv", front, HEAD, bias=False)
    _classify(walk, front, sizes)


_WALKS: Mapping[str, Callable[[_Unrolled, Architecture], None]] = {
    "mlp": _mlp,
    "cnn6": _cnn,
    "resnet34": _resnet(_basic, masked_skip=True),
    "resnet34_sep": _resnet(_separable, masked_skip=True),
    "resnet50": _resnet(_bottleneck, masked_skip=False),
    "efficientnet_b0": _efficientnet,
}
