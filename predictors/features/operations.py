"""What is an operation, from its name? Its factors, and the known one that is most like it."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache, partial

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.checks import unknown_ops
from predictors.features.padded import ENDS

__all__ = ["Factors", "UnknownOperationWarning", "factors_of", "most_alike", "read_as_known"]

_SHOWN = 8  # operations that a warning names

# The first pattern found names the kind: of `conv_1x1-bn-relu` the convolution counts.
_KINDS = {
    "end": r"^(input|output)$",
    "bias": r"(^|\.)(bias|b|pos_enc)$|\.(weight|in_proj_bias|bias_k|bias_v)$",
    "zero": r"^(none|zero|zeroize)$",
    "attention": r"attention|^msa$|attn",
    "convolution": r"conv|^ir_|^k\d+_e\d+|^dw_|mbconv|bottleneck|unfold",
    "linear": r"linear|addmm|matmul|bmm|einsum|^mm$|^fc|dense|__rmatmul__",
    "pool": r"pool|^mean$|glob_avg|^amax$|^max$",
    "normalisation": r"norm|^bn$|^ln$|^gn$",
    "activation": r"relu|gelu|silu|swish|sigmoid|tanh|softmax|softplus|mish|elu|^glu$|^exp$|erf",
    "product": r"^(i)?(mul|div|truediv|cse|rsqrt|sqrt|pow|square|prod)_?$|^se$",
    "sum": r"^(i)?(add|sum|sub|addcmul|neg|abs)_?$|^cumsum$",
    "concat": r"^(cat|concat|stack|hstack|vstack)$",
    "split": r"chunk|split|getitem|unbind|select|narrow|gather|index",
}
_SHAPE = "shape"  # everything else passes values on

_KERNEL = re.compile(r"(?:^|_)k(\d+)|(\d+)x\d+")
_EXPANSION = re.compile(r"_e(\d+(?:\.\d+)?)")
_DIMENSIONS = re.compile(r"(\d)d(?:_|$)")


class UnknownOperationWarning(UserWarning):
    """Warning that networks have operations that a predictor has not learned from."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the name of an operation says.

    Args:
        kind: Kind of operation, such as convolution, pool, sum; shape for whatever only passes
            values on.
        kernel: Side of the kernel, 1 where none is named.
        expansion: Factor by which channels grow within, 1 where none is named.
        grouped: Whether channels are convolved in groups or one by one.
        dilated: Whether the kernel has gaps.
        average: Whether a pool takes means.
        dimensions: Number of spatial dimensions, 2 where none is named.
    """

    kind: str
    kernel: int = 1
    expansion: float = 1.0
    grouped: bool = False
    dilated: bool = False
    average: bool = False
    dimensions: int = 2


@lru_cache(maxsize=4096)
def factors_of(op: str) -> Factors:
    """Read the factors of an operation off its name, in any of the spellings of the tables.

    Examples:
        >>> factors_of("sep_conv_5x5").kernel, factors_of("adaptive_avg_pool2d").kind
        (5, 'pool')
        >>> factors_of("k3_e6_g2").expansion
        6.0
    """
    name = op.lower()
    kind = next((k for k, pattern in _KINDS.items() if re.search(pattern, name)), _SHAPE)
    kernel = _KERNEL.search(name)
    expansion = _EXPANSION.search(name)
    dimensions = _DIMENSIONS.search(name)
    return Factors(
        kind=kind,
        kernel=int(kernel[1] or kernel[2]) if kernel else 1,
        expansion=float(expansion[1]) if expansion else 1.0,
        grouped=bool(re.search(r"sep|depthwise|^dw_|group|_g\d+|mbconv|^ir_|dil", name)),
        dilated="dil" in name,
        average=bool(re.search(r"avg|mean", name)),
        dimensions=int(dimensions[1]) if dimensions else 2,
    )


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
        return 9.0 if b.kind == _SHAPE else 10.0
    apart = abs(_log2(a.kernel) - _log2(b.kernel)) + 0.5 * abs(
        _log2(a.expansion) - _log2(b.expansion)
    )
    apart += (a.grouped != b.grouped) + (a.dilated != b.dilated) + 2 * (a.average != b.average)
    return min(apart + 0.5 * abs(a.dimensions - b.dimensions), 8.0)


def _log2(value: float) -> float:
    return math.log2(max(value, 1.0))


def _likeness(op: str, name: str) -> float:
    return SequenceMatcher(None, op, name).ratio()
