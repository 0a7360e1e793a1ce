"""Which known operation is an unknown one most like? Told by the factors of their names."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import partial

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.checks import unknown_ops
from predictors.features.operations.names import SHAPE, factors_of
from predictors.features.padded import ENDS

__all__ = ["UnknownOperationWarning", "most_alike", "read_as_known"]

_SHOWN = 8  # operations that a warning names


class UnknownOperationWarning(UserWarning):
    """Warning that networks have operations that a predictor has not learned from."""


def most_alike(op: str, known: Sequence[str]) -> str:
    """Choose the known operation that an unknown one is best read as.

    It is of the same kind where there is one, with the nearest kernel and expansion; names decide
    between equals. Without one of its kind, an unknown operation is read as one that only passes
    values on, where there is such a one, else as the one whose name is most alike.

    Args:
        op: The unknown operation.
        known: Operations to choose from.

    Raises:
        ValueError: No known operation.

    Examples:
        >>> most_alike("sep_conv_7x7", ["none", "sep_conv_3x3", "sep_conv_5x5", "max_pool_3x3"])
        'sep_conv_5x5'
        >>> most_alike("gelu", ["conv2d", "relu", "add"])
        'relu'
    """
    choices = [name for name in known if name not in ENDS]
    if not choices:
        raise ValueError(f"no known operation that {op!r} could be read as")
    return min(choices, key=lambda name: (_distance(op, name), -_likeness(op, name), name))


def read_as_known(
    graphs: Sequence[ArchGraph], known: Sequence[str], reader: str
) -> list[ArchGraph]:
    """Return the graphs with every unknown operation read as the known one that is most like it.

    Graphs without unknown operations are returned as they are.

    Args:
        graphs: Graphs.
        known: Operations that the reader has learned from.
        reader: Name for the warning.

    Warns:
        UnknownOperationWarning: Which operations are read as what, and in how many networks.

    Raises:
        ValueError: Unknown operations, and no known one.
    """
    names = frozenset(known)
    found: Counter[str] = Counter()
    new: dict[str, str] = {}
    read = []
    for graph in graphs:
        unknown = unknown_ops(graph, names)
        found.update(unknown)
        new |= {op: most_alike(op, known) for op in unknown if op not in new}
        # Remembered, so that what is computed of the graph it is read as is computed once.
        key = ("read as known", tuple(known))
        read.append(graph.remember(key, partial(_renamed, graph, new)) if unknown else graph)
    if found:
        changed = [k for k, graph in enumerate(graphs) if graph is not read[k]]
        first = f"X[{changed[0]}] ({graphs[changed[0]].name or 'unnamed'})"
        _warn(f"{reader}: {len(changed)} of {len(read)} networks, first {first},", found, new)
    return read


def _warn(who: str, found: Counter[str], new: Mapping[str, str]) -> None:
    parts = [f"{op} → {new[op]}" for op, _ in found.most_common(_SHOWN)]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    warnings.warn(
        f"{who} have operations that it has not learned from; they "
        f"are read as those most like them ({', '.join(parts)}{more}). Such predictions are less "
        "certain: fit on networks that have these operations",
        UnknownOperationWarning,
        stacklevel=4,
    )


def _renamed(graph: ArchGraph, new: Mapping[str, str]) -> ArchGraph:
    names = [new.get(op, op) for op in graph.op_names()]
    ops = tuple(dict.fromkeys(names))
    place = {op: k for k, op in enumerate(ops)}
    return graph.replace(ops=ops, op=np.array([place[name] for name in names]))


def _distance(op: str, name: str) -> float:
    """How far apart two operations are; 10 for another kind, 9 for one that passes values on."""
    a, b = factors_of(op), factors_of(name)
    if a.kind != b.kind:
        return 9.0 if b.kind == SHAPE else 10.0
    apart = abs(_log2(a.kernel) - _log2(b.kernel)) + 0.5 * abs(
        _log2(a.expansion) - _log2(b.expansion)
    )
    apart += (a.grouped != b.grouped) + (a.dilated != b.dilated) + 2 * (a.average != b.average)
    return min(apart + 0.5 * abs(a.dimensions - b.dimensions), 8.0)


def _log2(value: float) -> float:
    return math.log2(max(value, 1.0))


def _likeness(op: str, name: str) -> float:
    return SequenceMatcher(None, op, name).ratio()
