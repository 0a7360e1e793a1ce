"""Graph templates: pieces of a network's graph with widths left open, stamped by `builder`.

A template is made once per kind of cell and reused for every cell, width and network of that
kind. Axes are codes: indices into a vector of values that the builder fills in for each cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from graph2nn.archgraph.graph import PRIMITIVE_ID
from graph2nn.deepnets.graphs.config import Edges
from graph2nn.deepnets.graphs.layout import CellPlan

__all__ = [
    "IN0",
    "IN1",
    "Template",
    "TemplateMaker",
    "cell_template",
    "head_template",
    "op_template",
    "stem_template",
]

IN0, IN1 = -1, -2  # a template's inputs, where a node number is expected
ZERO, ONE, K3, K5, K7 = range(5)  # codes of the same meaning in every template
C, HALF, C_PREV_PREV, C_PREV, QKV, INNER = range(5, 11)  # cells
STEM_C, STEM_HALF, STEM_OUT, STEM_IN, STEM_KS, STEM_PATCH, STEM_SIDE = range(5, 12)
HEAD_IN, HEAD_HIDDEN, HEAD_CLASSES = range(5, 8)
_KERNEL = {1: ONE, 3: K3, 5: K5, 7: K7}

Param = tuple[str, tuple[int, ...]]


class Template(NamedTuple):
    """A piece of a graph.

    Args:
        op: Primitive of each node.
        axes: Codes of each node's 4-D shape.
        edges: Pairs of nodes inside the template.
        from_in: Nodes that each input leads to.
        outs: Nodes, or inputs, where the template's outputs are.
        names: Parameter names, relative to the place the template is stamped at.
        spans: Range of each node's parameters in `names`.
        param_axes: Codes of each parameter's true shape.

    Shapes: op (n,), axes (n, 4), edges (e, 2).
    """

    op: np.ndarray
    axes: np.ndarray
    edges: np.ndarray
    from_in: tuple[tuple[int, ...], tuple[int, ...]]
    outs: tuple[int, ...]
    names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    param_axes: tuple[tuple[int, ...], ...]

    def count(self, values: tuple[int, ...]) -> int:
        """Count the scalar parameters, given the values of the codes."""
        total = 0
        for axes in self.param_axes:
            size = 1
            for code in axes:
                size *= values[code]
            total += size
        return total


class TemplateMaker:
    """A template under construction, its nodes collected in topological order."""

    def __init__(self) -> None:
        self.op: list[int] = []
        self.axes: list[tuple[int, ...]] = []
        self.edges: list[tuple[int, int]] = []
        self.from_in: tuple[list[int], list[int]] = ([], [])
        self.names: list[str] = []
        self.spans: list[tuple[int, int]] = []
        self.param_axes: list[tuple[int, ...]] = []

    def add(
        self,
        primitive: str,
        sources: Iterable[int],
        params: tuple[Param, ...] = (),
        axes: tuple[int, ...] = (ZERO,) * 4,
    ) -> int:
        """Add a node with edges from `sources` and return its number.

        Its shape is that of the first parameter.
        """
        node = len(self.op)
        self.op.append(PRIMITIVE_ID[primitive])
        if params:
            axes = (*params[0][1], ONE, ONE, ONE)[:4]
        self.axes.append(axes)
        for source in sources:
            if source >= 0:
                self.edges.append((source, node))
            else:
                self.from_in[-1 - source].append(node)
        first = len(self.names)
        for name, shape in params:
            self.names.append(name)
            self.param_axes.append(shape)
        self.spans.append((first, len(self.names)))
        return node

    def weight(self, source: int, name: str, *axes: int, primitive: str = "conv") -> int:
        """Add the weight of a convolution or linear layer."""
        return self.add(primitive, (source,), ((name + ".weight", axes),))

    def linear(self, source: int, name: str, c_out: int, c_in: int) -> int:
        """Add weight and bias of a linear layer."""
        node = self.weight(source, name, c_out, c_in)
        return self.add("bias", (node,), ((name + ".bias", (c_out,)),))

    def norm(self, source: int, name: str, c: int, primitive: str = "bn") -> int:
        """Add a norm: one node that carries weight and bias."""
        return self.add(primitive, (source,), ((name + ".weight", (c,)), (name + ".bias", (c,))))

    def join(self, primitive: str, sources: Iterable[int]) -> int:
        """Join nodes by a sum or concatenation; a single distinct source gets no node."""
        distinct = list(dict.fromkeys(sources))
        return self.add(primitive, distinct) if len(distinct) > 1 else distinct[0]

    def include(self, other: Template, source: int, prefix: str) -> int:
        """Stamp a template with one input, and return its first output."""
        base, named = len(self.op), len(self.names)
        self.op.extend(other.op.tolist())
        self.axes.extend(map(tuple, other.axes.tolist()))
        for node in other.from_in[0]:
            if source >= 0:
                self.edges.append((source, base + node))
            else:
                self.from_in[-1 - source].append(base + node)
        self.edges.extend([(base + u, base + v) for u, v in other.edges.tolist()])
        self.names.extend([prefix + name for name in other.names])
        self.spans.extend([(named + a, named + b) for a, b in other.spans])
        self.param_axes.extend(other.param_axes)
        return base + other.outs[0] if other.outs[0] >= 0 else source

    def done(self, *outs: int) -> Template:
        """Finish the template; `outs` are the nodes of its outputs."""
        return Template(
            np.array(self.op, dtype=np.int64),
            np.array(self.axes, dtype=np.int64).reshape(-1, 4),
            np.array(self.edges, dtype=np.int64).reshape(-1, 2),
            (tuple(self.from_in[0]), tuple(self.from_in[1])),
            outs,
            tuple(self.names),
            tuple(self.spans),
            tuple(self.param_axes),
        )


@cache
def op_template(name: str, strided: bool, norm: bool) -> Template:
    """Make the graph of an operation of `config.OPS` with input `IN0`.

    Operations are those of arXiv:2110.13100, Table 1.
    """
    make = TemplateMaker()
    if name == "none" or (name == "skip_connect" and not strided):
        return make.done(IN0)
    if name == "skip_connect":
        return make.done(_factorized_reduce(make, "", IN0, C, norm))
    if name in ("max_pool_3x3", "avg_pool_3x3"):
        return make.done(make.add(name[:8], (IN0,), axes=(ONE, ONE, K3, K3)))
    if name == "msa":
        return make.done(_transformer(make))
    if name == "cse":
        node = make.linear(make.linear(IN0, "fc1", HALF, C), "fc2", C, HALF)
        return make.done(make.add("cse", (IN0, node)))
    return make.done(_convolutions(make, name, norm))


def _convolutions(make: TemplateMaker, name: str, norm: bool) -> int:
    k = _KERNEL[int(name[-1])]
    if name == "conv_7x1_1x7":
        kernels = [("conv", C, ONE, K7), ("conv", C, K7, ONE)]
    elif name.startswith("conv"):
        kernels = [("conv", C, k, k)]
    else:
        kernels = [(name[:8], ONE, k, k), ("conv", C, ONE, ONE)]
    node, index = IN0, 0
    for _ in range(2 if name.startswith("sep") else 1):
        for primitive, c_in, height, width in kernels:
            index += 1
            node = make.weight(node, f"op.{index}", C, c_in, height, width, primitive=primitive)
        index += 1
        node = make.norm(node, f"op.{index}", C) if norm else node
        index += 1
    return node


def _factorized_reduce(make: TemplateMaker, prefix: str, source: int, c_in: int, norm: bool) -> int:
    halves = [make.weight(source, f"{prefix}conv_{i}", HALF, c_in, ONE, ONE) for i in (1, 2)]
    node = make.join("concat", halves)
    return make.norm(node, prefix + "bn", C) if norm else node


def _transformer(make: TemplateMaker) -> int:
    node = make.norm(IN0, "ln1", C, "ln")
    node = make.weight(node, "to_qkv", QKV, C)
    node = make.linear(node, "to_out.0", C, INNER)
    residual = make.join("sum", (IN0, node))
    node = make.norm(residual, "ln2", C, "ln")
    node = make.linear(node, "ff.net.0", C, C)
    node = make.linear(node, "ff.net.3", C, C)
    return make.join("sum", (residual, node))


@lru_cache(maxsize=2048)
def cell_template(
    edges: Edges,
    concat: tuple[int, ...],
    plan: CellPlan,
    strided: bool,
    shrink0: bool,
    norm: bool,
    preproc: bool,
    same_inputs: bool,
) -> Template:
    """Make the graph of a cell: inputs `IN0` (the older state) and `IN1`.

    A pair of operations is summed by a node only if they end in two different nodes. As in the
    published graphs that is decided while every cell still ends in a concatenation, so
    that inputs are different nodes unless both are the stem's output (`same_inputs`), even where
    the concatenation is dropped afterwards because it has a single input; and a sum that has been
    dropped still counts beside the node it stood for.
    """
    make = TemplateMaker()
    states: list[int | None] = [IN0, IN0 if same_inputs else IN1]
    if preproc:
        states = _preprocessed(make, plan, shrink0, norm)
    aliases: list[int | None] = [None, None]  # for each state the dropped sum it stands for
    for step in range(0, len(edges), 2):
        ends: list[tuple[int, int | None]] = []
        for j in (step, step + 1):
            name, state = edges[j]
            if plan.live[j]:
                template = op_template(name, strided and state < 2, norm)
                source = states[state]
                assert source is not None
                end = make.include(template, source, f"_ops.{j}.")
                ends.append((end, aliases[state] if template.outs[0] < 0 else None))
        total, alias = _sum(make, ends, step)
        states.append(total)
        aliases.append(alias)
    return make.done(make.join("concat", [s for i in concat if (s := states[i]) is not None]))


def _sum(
    make: TemplateMaker, ends: list[tuple[int, int | None]], step: int
) -> tuple[int | None, int | None]:
    """The node of a step's state, and the dropped sum that it stands for, if any."""
    if len(ends) < 2:
        return ends[0] if ends else (None, None)
    nodes = {node for node, _ in ends}
    dropped = {alias for _, alias in ends} - {None}
    if len(nodes) + len(dropped) > 1:
        return make.add("sum", sorted(nodes)), None
    return ends[0][0], step


def _preprocessed(
    make: TemplateMaker, plan: CellPlan, shrink0: bool, norm: bool
) -> list[int | None]:
    """The nodes of states 0 and 1, None where nothing uses the state."""
    first = second = None
    if plan.uses[0] and shrink0:
        first = _factorized_reduce(make, "preprocess0.", IN0, C_PREV_PREV, norm)
    elif plan.uses[0]:
        first = _preprocess(make, 0, IN0, C_PREV_PREV, norm)
    if plan.uses[1]:
        second = _preprocess(make, 1, IN1, C_PREV, norm)
    return [first, second]


def _preprocess(make: TemplateMaker, index: int, source: int, c_in: int, norm: bool) -> int:
    node = make.weight(source, f"preprocess{index}.op.1", C, c_in, ONE, ONE)
    return make.norm(node, f"preprocess{index}.op.2", C) if norm else node


@cache
def stem_template(kind: str, pool: bool, norm: bool, uses_stem1: bool) -> Template:
    """Make the input node and a stem; its outputs are states 0 and 1.

    Stems are "patch", "simple" and "imagenet".
    """
    make = TemplateMaker()
    x = make.add("input", ())
    if kind == "patch":
        node = make.weight(x, "stem0", STEM_C, STEM_IN, STEM_PATCH, STEM_PATCH)
        table = (("pos_enc.weight", (ONE, STEM_C, STEM_SIDE, STEM_SIDE)),)
        node = make.join("sum", (node, make.add("pos_enc", (), table)))
        return make.done(node, node)
    if kind == "simple":
        node = make.weight(x, "stem.0", STEM_OUT, STEM_IN, STEM_KS, STEM_KS)
        node = make.norm(node, "stem.1", STEM_OUT) if norm else node
        node = make.add("max_pool", (node,), axes=(ONE, ONE, K3, K3)) if pool else node
        return make.done(node, node)
    node = make.weight(x, "stem0.0", STEM_HALF, STEM_IN, STEM_KS, STEM_KS)
    node = make.norm(node, "stem0.1", STEM_HALF) if norm else node
    node = make.weight(node, "stem0.3", STEM_C, STEM_HALF, K3, K3)
    first = node = make.norm(node, "stem0.4", STEM_C) if norm else node
    if uses_stem1:
        node = make.weight(node, "stem1.1", STEM_C, STEM_C, K3, K3)
        node = make.norm(node, "stem1.2", STEM_C) if norm else node
    return make.done(first, node)


@cache
def head_template(glob_avg: bool, hidden: int) -> Template:
    """Make pooling and a classifier with `hidden` hidden layers.

    The last two nodes are the last layer.
    """
    make = TemplateMaker()
    node = make.add("glob_avg", (IN0,)) if glob_avg else IN0
    c_in = HEAD_IN
    for i in range(hidden):
        node = make.linear(node, f"classifier.{3 * i}", HEAD_HIDDEN, c_in)
        c_in = HEAD_HIDDEN
    return make.done(make.linear(node, f"classifier.{3 * hidden}", HEAD_CLASSES, c_in))
