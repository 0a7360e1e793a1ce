"""How are results said in text: mean ± standard error, aligned rows?"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["format_rows", "standard_error", "with_error"]


def standard_error(values: ArrayLike, axis: int = 0) -> Any:
    """Return the standard error of the mean, s / sqrt(n) with n - 1 in the deviation s.

    Every standard error of this library is this one; what has another definition is called a
    deviation.

    Args:
        values: Measured numbers, such as one a seed.
        axis: The axis of repetitions.

    Shapes:
        values (..., n, ...) → (...), a float for one row of numbers; NaN where n is below two.

    Examples:
        >>> standard_error([1.0, 2.0, 3.0]), standard_error([4.0])
        (0.5773502691896258, nan)
    """
    values = np.asarray(values, dtype=np.float64)
    count = values.shape[axis]
    if count < 2:
        errors = np.full(np.delete(values.shape, axis), np.nan)
    else:
        errors = values.std(axis, ddof=1) / math.sqrt(count)
    return float(errors) if errors.ndim == 0 else errors


def with_error(
    value: float | None, error: float | None, digits: int = 3, *, signed: bool = False
) -> str:
    """Return `value ± error` as text; the value alone where there is no error, as of one run.

    Args:
        value: A mean; None or NaN gives no text.
        error: Its standard error, or NaN or None.
        digits: Decimals of both.
        signed: Whether a plus is written, as before a difference.

    Examples:
        >>> with_error(0.8312, 0.0041), with_error(0.8312, float("nan"))
        ('0.831 ± 0.004', '0.831')
    """
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text if error is None or not math.isfinite(error) else f"{text} ± {error:.{digits}f}"


def format_rows(rows: Sequence[Mapping[str, Any]], *, right: Collection[str] = ()) -> str:
    """Return rows as aligned columns of text, numbers with five digits.

    Args:
        rows: Values by the name of their column, which is its header.
        right: Names of the columns whose texts end at one place; others begin at one.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_short(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
    aligned = [str.rjust if name in right else str.ljust for name in names]
    padded = (
        "  ".join(align(text, w) for align, text, w in zip(aligned, line, widths)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _short(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    return "" if value is None else str(value)
