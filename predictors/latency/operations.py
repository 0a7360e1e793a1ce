"""What is there to know of an operation's time before it runs? Work, memory, sizes of each node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graph2nn.archgraph import ArchGraph

__all__ = ["ADDED", "KINDS", "NUMBERS", "Operations", "join_operations", "read_operations"]

KINDS = (
    *("conv", "pointwise", "depthwise", "channelwise", "linear", "product", "norm", "pool"),
    *("move", "element"),
)
"""Kinds of operations: what is timed alike."""

NUMBERS = (
    *("multiply_adds", "other_flops", "bytes_in", "bytes_out", "bytes_new", "bytes_weights"),
    *(
        "products",
        "sum_length",
        "kernel",
        "channels_a_group",
        "groups",
        "width",
        "positions",
        "stride",
    ),
    *("dilation", "inputs", "rank", "batch", "largest_input", "last_axis", "last_axis_in"),
)
"""Names of the numbers of an operation; the first `ADDED` add up over operations."""

ADDED = 7
"""Number of `NUMBERS` that add up; `products` counts matrix products, one a group and image."""

_MOVES = frozenset(
    """
    view view_as reshape reshape_as flatten unflatten permute transpose swapaxes movedim t T mT
    getitem narrow unsqueeze squeeze chunk split split_with_sizes unbind expand expand_as
    contiguous identity detach dropout to type_as
    """.split()
)
_PRODUCTS = frozenset(
    """
    matmul mm bmm addmm baddbmm einsum scaled_dot_product_attention multi_head_attention_forward
    lstm gru rnn_tanh rnn_relu bilinear
    """.split()
)
_NORMS = frozenset("batch_norm layer_norm group_norm instance_norm rms_norm".split())
_ENDS = ("input", "output")


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Operations of one network, or of several.

    Args:
        nodes: Node of each operation in its graph.
        names: Name of its function.
        kinds: One of `KINDS` for each.
        numbers: `NUMBERS` of each.

    Shapes:
        nodes, names, kinds (K,), numbers (K, 21).
    """

    nodes: np.ndarray
    names: np.ndarray
    kinds: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)

    def take(self, rows: np.ndarray) -> Operations:
        """Return some of the operations, by numbers or by a mask (K,)."""
        return Operations(
            nodes=self.nodes[rows],
            names=self.names[rows],
            kinds=self.kinds[rows],
            numbers=self.numbers[rows],
        )


def read_operations(graph: ArchGraph) -> Operations:
    """List the operations of a traced network with what their times depend on.

    Args:
        graph: Full graph with measures (`trace(model, input, measures=True, training=False)`).

    Raises:
        ValueError: A graph without measures.

    Examples:
        >>> from torch import nn, zeros
        >>> from graph2nn.archgraph import measured
        >>> found = read_operations(measured(nn.Linear(3, 5), zeros(7, 3)))
        >>> found.names.tolist(), found.kinds.tolist(), float(found.numbers[0, 0])
        (['linear'], ['linear'], 105.0)
    """
    if "multiply_adds" not in graph.columns:
        raise ValueError(
            f"{graph.name or 'the graph'} has no measures, and without them no operation has a "
            "size; trace the network with trace(model, input, measures=True, training=False)"
        )
    names = graph.op_names()
    made = graph.numbers("activation_bytes")
    feeds: list[list[int]] = [[] for _ in names]
    for source, target in graph.edges.T.tolist():
        feeds[target].append(source)
    weights = _weights(graph, made)
    own = [k for k, name in enumerate(names) if made[k] > 0 and name not in _ENDS]
    found = [_numbers(graph, k, names[k], feeds[k], float(weights[k])) for k in own]
    numbers = np.array(found, dtype=np.float64).reshape(-1, len(NUMBERS))
    kinds = [_kind(names[k], row) for k, row in zip(own, found)]
    return Operations(
        nodes=np.array(own, dtype=np.int64),
        names=np.array([names[k] for k in own], dtype=object),
        kinds=np.array(kinds, dtype=object),
        numbers=numbers,
    )


def join_operations(several: Sequence[Operations]) -> Operations:
    """Put the operations of several networks one after the other."""
    return Operations(
        nodes=np.concatenate([one.nodes for one in several]),
        names=np.concatenate([one.names for one in several]),
        kinds=np.concatenate([one.kinds for one in several]),
        numbers=np.concatenate([one.numbers for one in several]),
    )


def _weights(graph: ArchGraph, made: np.ndarray) -> np.ndarray:
    """Bytes of the parameters of each operation: its own, and those of nodes that follow it."""
    size = graph.numbers("parameter_bytes").astype(np.float64)
    names = graph.op_names()
    for k in range(graph.num_nodes - 1, 0, -1):
        if made[k] == 0 and names[k] not in _ENDS:
            size[k - 1] += size[k]
    return size


def _numbers(
    graph: ArchGraph, node: int, name: str, feeds: list[int], weights: float
) -> list[float]:
    columns: Mapping[str, Any] = graph.columns
    shape: tuple[int, ...] = columns["output_shape"][node] or (1,)
    work = float(columns["multiply_adds"][node])
    inputs = [columns["output_shape"][k] for k in feeds]
    sizes = [
        float(math.prod(columns["output_shape"][k]) * _size(columns["dtype"][k])) for k in feeds
    ]
    works = columns["allocated_bytes"][node] > 0 or columns["flops"][node] > 0  # else a view
    values = max(math.prod(shape), 1)
    kernel = math.prod(columns["kernel"][node]) or 1
    length = work / values
    channels_last = not name.startswith("conv")
    width = max(shape[-1] if channels_last or len(shape) < 2 else shape[1], 1)
    a_group, groups = length, 1.0
    if not channels_last:
        a_group = length / kernel
        given = inputs[0][1] if inputs and len(inputs[0]) > 1 else 1
        groups = max(given / max(a_group, 1), 1)
    return [
        work,
        float(columns["flops"][node]) - 2 * work,
        sum(sizes) * works,
        float(columns["activation_bytes"][node]) * works,
        float(columns["allocated_bytes"][node]),
        weights,
        _products(work, shape, groups, channels_last),
        length,
        kernel,
        a_group,
        groups,
        width,
        values / width,
        math.prod(columns["stride"][node]) or 1,
        math.prod(columns["dilation"][node]) or 1,
        len(inputs),
        len(shape),
        shape[0],
        max(sizes, default=0.0),
        shape[-1],
        inputs[0][-1] if inputs and inputs[0] else 1,
    ]


def _size(dtype: str) -> int:
    """Bytes of a number; 4 of a type that torch does not name."""
    return getattr(getattr(torch, dtype, None), "itemsize", 4)


def _products(work: float, shape: tuple[int, ...], groups: float, channels_last: bool) -> float:
    """Matrix products that are made one after the other."""
    if not work:
        return 0.0
    return float(math.prod(shape[:-2])) if channels_last else shape[0] * groups


def _kind(name: str, numbers: list[float]) -> str:
    row = dict(zip(NUMBERS, numbers))
    if name.startswith("conv"):
        if row["groups"] > 1 and row["kernel"] == 1:
            return "channelwise"
        if row["groups"] > 1 and row["channels_a_group"] <= 1.5:
            return "depthwise"
        return "pointwise" if row["kernel"] == 1 else "conv"
    if name == "linear":
        return "linear"
    if name in _PRODUCTS:
        return "product"
    if name in _NORMS:
        return "norm"
    if name.endswith(("_pool1d", "_pool2d", "_pool3d")):
        return "pool"
    return "move" if name in _MOVES else "element"
