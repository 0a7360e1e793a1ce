"""What must a hypernetwork predict? One `ParameterTarget` a parameter, with its decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graph2nn.archgraph import ArchGraph, shape4d

__all__ = ["KERNELS", "ParameterTarget", "targets_of"]

KERNELS = ("conv", "sep_conv", "dil_conv")
"""Primitives that hold the weight of a layer."""


@dataclass(frozen=True, slots=True)
class ParameterTarget:
    """One parameter to predict.

    Args:
        row: Row of its node in the batch's node states.
        graph: Number of the graph in the batch.
        name: Qualified name of the parameter.
        shape: Its true shape.
        kind: Kind of parameter: `matrix` (convolutional and linear weights, tables),
            `class_weight`, `class_bias`, `weight` (vector that multiplies), `bias` (vector that is
            added).
        view: The matrix's shape as (out, in, kh, kw), else None. Of a stack of matrices, (out, in)
            of one of them and the smallest square of pixels with one for each.
        table: Whether it is a positional encoding, which is not normalised.
        stack: Number of matrices, (out, in) each, that a parameter of three axes or more holds
            (experts, the first axis); 0 for others.
        turned: Whether the input stands before the output in such a parameter.
    """

    row: int
    graph: int
    name: str
    shape: tuple[int, ...]
    kind: str
    view: tuple[int, int, int, int] | None = None
    table: bool = False
    stack: int = 0
    turned: bool = False

    @property
    def channels_last(self) -> bool:
        """Whether it is a map (o, h, w, i) of positions, of the view (o, i, h, w)."""
        if self.view is None or not self.table or len(self.shape) != 4:
            return False
        o, h, w, i = self.shape
        return self.view == (o, i, h, w) != self.shape

    @property
    def matrix(self) -> tuple[int, ...]:
        """Shape that decides the scale: the true one, but that of one matrix of a stack."""
        return self.view[:2] if self.stack and self.view else self.shape


def targets_of(
    graph: ArchGraph, *, row: int = 0, index: int = 0, num_classes: int | None = None
) -> list[ParameterTarget]:
    """List the targets of a graph, in node order; `row` is the batch row of its first node.

    Position decides what the classification layer is, as in the originals: its weight is the last
    node but one and its bias the last. Two cases that theirs do not see: a last layer without bias
    (weight at the last node, `num_classes` rows) counts too, and a last layer of another width than
    the network's output does not (the published views leave out heads of modified classes).
    """
    ops, last = graph.ops, _last_layer(graph)
    unbiased = last >= 0 and _is_unbiased_classifier(graph, last, num_classes)
    classifier = last if unbiased else last - 1
    found = []
    for node, names in enumerate(graph.params):
        op = ops[graph.op[node]] if names else ""
        for position, name in enumerate(names):
            shape = graph.param_shapes[name]
            added = name.endswith("bias") or name.rpartition(".")[2] == "beta"
            is_bias = op == "bias" or position > 0 or added
            kind, view, table = _kind(op, shape, is_bias=is_bias)
            stack, turned = 0, False
            if op in KERNELS and position == 0:
                stack, turned, view = _stack(shape, graph.shape[node].tolist()) or (0, False, view)
            if node == classifier and kind == "matrix" and op == "conv" and not table:
                kind = "class_weight" if stack < 2 and not turned else "matrix"
            elif node == last and kind == "bias" and op == "bias":
                kind = "class_bias"
            found.append(
                ParameterTarget(row + node, index, name, shape, kind, view, table, stack, turned)
            )
    return found


def _last_layer(graph: ArchGraph) -> int:
    """The last node, or -1 if its parameter cannot be the classification layer's."""
    last = graph.num_nodes - 1
    if last < 0 or graph.num_classes is None or not graph.params[last]:
        return last
    shape = graph.param_shapes[graph.params[last][0]]
    return last if shape and shape[0] == graph.num_classes else -1


def _is_unbiased_classifier(graph: ArchGraph, last: int, num_classes: int | None) -> bool:
    if len(graph.params[last]) != 1 or graph.ops[graph.op[last]] != "conv":
        return False
    shape = graph.param_shapes[graph.params[last][0]]
    return len(shape) > 1 and shape[0] == num_classes


def _stack(
    shape: tuple[int, ...], size: list[int]
) -> tuple[int, bool, tuple[int, int, int, int]] | None:
    """Number of matrices, whether they are turned, and view of a parameter whose node is of their
    `size`, (out, in, 1, 1); None of one whose node is of its own size."""
    out, in_ = size[:2]
    if len(shape) < 3 or size[2:] != [1, 1] or list(shape4d(shape)) == size:
        return None
    a, b = shape[-2:]
    if (out, in_) in ((a, b), (b, a)):
        count = math.prod(shape[:-2])
        side = math.isqrt(count - 1) + 1
        return count, (out, in_) != (a, b), (out, in_, side, side)
    for k in range(1, len(shape)):
        first, rest = math.prod(shape[:k]), math.prod(shape[k:])
        if (out, in_) in ((first, rest), (rest, first)):
            return 1, (out, in_) != (first, rest), (out, in_, 1, 1)
    return None


def _kind(
    op: str, shape: tuple[int, ...], *, is_bias: bool
) -> tuple[str, tuple[int, int, int, int] | None, bool]:
    """Kind, 4-D view and whether it is a positional table, from the operation and the shape."""
    n = len(shape)
    vector = "bias" if is_bias or op == "pos_enc" else "weight"
    if n <= 1:
        return vector, None, False
    if n == 2 and (not is_bias or op in KERNELS):
        return "matrix", (shape[0], shape[1], 1, 1), False
    if op in KERNELS or (n == 4 and not is_bias and op == "pos_enc"):
        if n == 3:
            return "matrix", (shape[0], shape[1], 1, shape[2]), False
        if n == 4:
            o, i, kh, kw = shape
            table = op == "pos_enc" and o == 1
            if table and i == kh < kw:  # channels last
                return "matrix", (o, kw, i, kh), table
            return "matrix", (o, i, kh, kw), table
        return "matrix", (shape[0], shape[1], shape[-2], shape[-1]), False
    if n == 3 and shape[0] == 1 and shape[1] > 1 and shape[2] > 1:
        side = int(shape[1] ** 0.5)
        return "matrix", (1, shape[2], side, side), True
    if sum(s > 1 for s in shape) <= 1:
        return vector, None, False
    return "matrix", (shape[0], math.prod(shape[1:]), 1, 1), op == "pos_enc"
