"""Which matrices does a weight of three axes or more hold? Experts, heads, bilinear forms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graph2nn.archgraph.tracing.recorder import Op

__all__ = ["PRODUCTS", "matrix_of"]

PRODUCTS = ("linear", "matmul", "mm")
"""Ends of the names of functions that multiply by matrices; `grouped_mm` by those of experts."""


def matrix_of(shape: tuple[int, ...], op: Op, data: Sequence[Op]) -> tuple[int, int] | None:
    """Find the size, (out, in), of one matrix in a stack of them, or of all axes as one matrix.

    The axis that the product sums over is the input. Where the sizes do not tell which it is,
    the last axis of a weight of `linear` and the last but one of others.

    Args:
        shape: Shape of the weight, of three axes or more.
        op: Function that combines the weight with data.
        data: Ops whose outputs it reads.

    Returns:
        None for functions of kernels (convolutions) and of no matrix at all.
    """
    if op.name == "bilinear":
        return shape[0], math.prod(shape[1:])
    if op.name.endswith("linear"):
        return shape[-2], shape[-1]
    if op.name == "einsum" and op.attrs:
        return _of_equation(shape, **op.attrs)
    if not op.name.endswith(PRODUCTS) and op.name not in ("einsum", "tensordot"):
        return None
    a, b = shape[-2:]
    for source in data:
        if len(source.shape) > 1 and len(op.shape) > 1:
            if (source.shape[-1], op.shape[-1]) == (a, b):  # x @ W
                return b, a
            if (source.shape[-1], op.shape[-1]) == (b, a):  # x @ W.mT
                return a, b
            if (source.shape[-2], op.shape[-2]) == (b, a):  # W @ x
                return a, b
    return b, a


def _of_equation(
    shape: tuple[int, ...], terms: list[tuple[str, tuple[int, ...]]], result: str
) -> tuple[int, int]:
    """Read the axes from the letters of `einsum`.

    The input are those that the weight shares with one other term and the result lacks.
    """
    place = next((k for k, (_, size) in enumerate(terms) if size == shape), None)
    if place is None:  # it was reshaped before
        return shape[-1], shape[-2]
    letters = terms[place][0]
    shared = [
        [axis for axis, letter in enumerate(letters) if letter in term and letter not in result]
        for k, (term, _) in enumerate(terms)
        if k != place
    ]
    summed = max(shared, key=lambda axes: (len(axes), axes), default=[])
    n, inner = len(shape), math.prod(shape[axis] for axis in summed)
    if summed == [n - 1]:
        return shape[-2], shape[-1]
    if summed and summed != [n - 2] and summed[-1] - summed[0] == len(summed) - 1:
        if summed[0] == 0 or summed[-1] == n - 1:  # the first axes, or the last ones
            return math.prod(shape) // inner, inner
    return shape[-1], shape[-2]
