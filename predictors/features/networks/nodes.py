"""How large is each operation of a network? Values, width, work and traffic of each node."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.operations import factors_of

__all__ = [
    "KINDS",
    "NodeSizes",
    "UnknownSizesWarning",
    "all_valued",
    "node_sizes",
    "warn_of_unknown_sizes",
]

KINDS = (
    "dense",
    "wide",
    "grouped",
    "depthwise",
    "attention",
    "norm",
    "activation",
    "pool",
    "join",
    "table",
    "other",
)
"""Kinds of operations by what they cost: products with 1x1 kernels (linear layers too), with wider
kernels, in groups, channel by channel; attention without its projections; the rest by name."""

_OF_NAMES = {
    "attention": "attention",
    "normalisation": "norm",
    "activation": "activation",
    "pool": "pool",
    "sum": "join",
    "concat": "join",
    "product": "join",
    "bias": "table",
}
_PRODUCTS = ("convolution", "linear", "attention")


class UnknownSizesWarning(UserWarning):
    """Warning that networks do not know how large their operations are."""


@dataclass(frozen=True, kw_only=True)
class NodeSizes:
    """Sizes of the nodes of one graph; zeros where they are unknown.

    Args:
        kind: Number of the kind in `KINDS`.
        values: Number of values of the output.
        width: Number of channels of the output; a node without a weight has those of what it reads.
        positions: Values a channel: pixels or tokens, those of all samples.
        params: Number of scalar parameters that the node carries.
        work: Number of multiply-adds.
        traffic: Number of values read, written, and of parameters.
        kernel: Side of the kernel.

    Shapes:
        (N,) each; kind int64, all others float64.
    """

    kind: np.ndarray
    values: np.ndarray
    width: np.ndarray
    positions: np.ndarray
    params: np.ndarray
    work: np.ndarray
    traffic: np.ndarray
    kernel: np.ndarray


def node_sizes(graph: ArchGraph) -> NodeSizes:
    """Measure the nodes of a graph; remembered.

    Work is that of the column `multiply_adds` where the graph has it (traced with measures), else
    of each weight times the positions of its output, attention scores left out. Values are the
    column `values`, which graphs that are traced have.

    Examples:
        >>> import torch
        >>> from graph2nn.archgraph import trace
        >>> graph = trace(torch.nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 4, 4))
        >>> sizes = node_sizes(graph)
        >>> sizes.width.tolist(), sizes.work.tolist()
        ([3.0, 8.0, 8.0], [0.0, 3456.0, 0.0])
    """
    return graph.remember("node sizes", lambda: _measured(graph))


def _measured(graph: ArchGraph) -> NodeSizes:
    n = graph.num_nodes
    values = np.asarray(graph.columns.get("values", np.zeros(n)), dtype=np.float64)
    shape = graph.shape.astype(np.float64)
    named = np.array([_kind_of_name(op) for op in graph.ops], dtype=np.int64)[graph.op]
    product = np.array([_is_product(op) for op in graph.ops], dtype=bool)[graph.op]
    product &= shape[:, 0] > 0
    width, reads, fed = _widths(graph, values, product)
    params = np.array([sum(_count(graph, p) for p in names) for names in graph.params], float)
    per_output = np.where(product, shape[:, 1:].prod(1), 0.0)
    work = np.asarray(graph.columns.get("multiply_adds", values * per_output), dtype=np.float64)
    return NodeSizes(
        kind=_kinds(named, product, shape, fed),
        values=values,
        width=width,
        positions=values / np.maximum(width, 1),
        params=params,
        work=work,
        traffic=values + reads + params,
        kernel=np.where(shape[:, 0] > 0, np.sqrt(np.maximum(shape[:, 2] * shape[:, 3], 1)), 1.0),
    )


def _count(graph: ArchGraph, name: str) -> int:
    return math.prod(graph.param_shapes[name])


def _widths(
    graph: ArchGraph, values: np.ndarray, product: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channels of each node, values that it reads, and channels of the widest node it reads.

    Shapes: values, product (N,) -> (N,) each.
    """
    names = graph.op_names()
    before: list[list[int]] = [[] for _ in names]
    for u, v in graph.edges.T.tolist():
        before[v].append(u)
    width, reads, fed = (np.zeros(len(names)) for _ in range(3))
    joined = {op for op in graph.ops if factors_of(op).kind == "concat"}
    # A vector has its channels first, a table of rows (embedding, positions) second; the shape of a
    # node without parameters that is no product is a kernel's.
    own = np.where(graph.shape[:, 1] > 1, graph.shape[:, 1], graph.shape[:, 0])
    own[product] = graph.shape[product, 0]
    for v, name in enumerate(names):
        above = before[v]
        reads[v] = values[above].sum() if above else 0
        fed[v] = width[above].max() if above else 0
        if product[v] or (own[v] > 1 and graph.params[v]):
            width[v] = own[v]
        elif name in joined and above:
            width[v] = width[above].sum()
        else:
            width[v] = fed[v] if above else _first_width(graph, v)
    return width, reads, fed


def _first_width(graph: ArchGraph, node: int) -> float:
    """Channels of an input: what the first weight that reads it expects."""
    for u, v in graph.edges.T.tolist():
        if u == node and graph.shape[v, 1] > 0:
            return float(graph.shape[v, 1])
    return 1.0


def _kinds(
    named: np.ndarray, product: np.ndarray, shape: np.ndarray, fed: np.ndarray
) -> np.ndarray:
    """Shapes: named, product, fed (N,), shape (N, 4) -> (N,)."""
    inner, area = shape[:, 1], shape[:, 2] * shape[:, 3]
    kind = named.copy()
    kind[product] = KINDS.index("dense")
    kind[product & (area > 1)] = KINDS.index("wide")
    kind[product & (inner < fed) & (area > 1)] = KINDS.index("grouped")
    kind[product & (inner == 1) & (fed > 1) & (area > 1)] = KINDS.index("depthwise")
    return kind


@lru_cache(maxsize=4096)
def _kind_of_name(op: str) -> int:
    return KINDS.index(_OF_NAMES.get(factors_of(op).kind, "other"))


@lru_cache(maxsize=4096)
def _is_product(op: str) -> bool:
    return factors_of(op).kind in _PRODUCTS


def all_valued(graphs: Sequence[ArchGraph]) -> bool:
    """Tell whether all graphs know how many values their operations give out."""
    return all("values" in graph.columns for graph in graphs)


def warn_of_unknown_sizes(graphs: Sequence[ArchGraph]) -> None:
    """Warn of graphs that do not know how many values their operations give out.

    Warns:
        UnknownSizesWarning: How many they are, and what to do.
    """
    unknown = [k for k, graph in enumerate(graphs) if "values" not in graph.columns]
    if unknown:
        warnings.warn(
            f"{len(unknown)} of {len(graphs)} networks, first X[{unknown[0]}] "
            f"({graphs[unknown[0]].name or 'unnamed'}), do not know how large their maps are, so "
            "costs and places are missing: trace them again (trace(model, input), view 'full' or "
            "'primitives')",
            UnknownSizesWarning,
            stacklevel=3,
        )
