"""What are the labels of a user's networks? Numbers by target, given in any usual form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["MISSING", "as_number", "group_numbers", "read_columns_of", "read_labels"]

MISSING = ("", "nan", "na", "n/a", "none", "null")
"""Texts, in lower case, that stand for no number."""

_SINGLE = "label"
_FORMS = (
    "expected a dictionary from target to numbers (in the order of the networks, or a dictionary "
    "by name), a DataFrame with a column a target, or one number a network"
)


def read_labels(labels: Any, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read labels by target, NaN where a network has none.

    Args:
        labels: Target → numbers in the order of the networks, or target → numbers by name; a
            DataFrame or Series of pandas; or the numbers of a single target, named `label`, in
            order or by name. None, NaN and empty text are no label.
        names: Names of the networks.

    Shapes:
        (N,) float64 each.

    Raises:
        ValueError: Anything else; names the target and the network.
    """
    if hasattr(labels, "columns") and hasattr(labels, "index"):  # a DataFrame
        labels = {str(column): labels[column] for column in labels.columns}
    single = not isinstance(labels, Mapping) or _by_name(labels, names)
    targets = read_columns_of({_SINGLE: labels} if single else labels, names, "target")
    empty = [name for name, values in targets.items() if not np.isfinite(values).any()]
    if not targets or empty:
        what = f"target {empty[0]!r} has no finite label" if empty else "there is no target"
        raise ValueError(f"labels: {what}; {_FORMS}")
    return targets


def read_columns_of(
    columns: Mapping[Any, Any], names: Sequence[str], kind: str
) -> dict[str, np.ndarray]:
    """Read numbers of every network, by column.

    Args:
        columns: Numbers in the order of the networks, or by name, for each column.
        names: Names of the networks.
        kind: What a column is, for messages.

    Shapes:
        (N,) float64 each.

    Raises:
        ValueError: Too few or too many values, a name of no network, or something that is no
            number; names the column and the network.
    """
    return {
        str(name): _column(values, names, f"{kind} {str(name)!r}")
        for name, values in columns.items()
    }


def group_numbers(groups: Any, names: Sequence[str]) -> np.ndarray:
    """Number the groups of networks, (N,) int64.

    Args:
        groups: Anything that can be compared, one a network: in order, or by name.
        names: Names of the networks.

    Raises:
        ValueError: Not one a network.
    """
    values = _ordered(groups, names, "groups", missing=None)
    alone = [k for k, value in enumerate(values) if value is None]
    if alone:
        raise ValueError(f"groups: network {names[alone[0]]!r} has none; give one a network")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(str(v), len(numbers)) for v in values], dtype=np.int64)


def _by_name(labels: Mapping[Any, Any], names: Sequence[str]) -> bool:
    """Whether a dictionary holds the numbers of one target by name, not targets."""
    numbers = all(
        np.ndim(value) == 0 and not isinstance(value, Mapping) for value in labels.values()
    )
    return numbers and not set(names).isdisjoint(labels)


def _column(values: Any, names: Sequence[str], where: str) -> np.ndarray:
    ordered = _ordered(values, names, where, missing=np.nan)
    numbers = [as_number(value) for value in ordered]
    for k, number in enumerate(numbers):
        if number is None:
            raise ValueError(
                f"{where}, row {k} ({names[k]}): expected a number, got {ordered[k]!r}; use NaN "
                "for a network without a label"
            )
    return np.array(numbers, dtype=np.float64)


def _ordered(values: Any, names: Sequence[str], where: str, *, missing: Any) -> list:
    """One value a network, in their order."""
    if hasattr(values, "index") and hasattr(values, "to_dict"):  # a Series
        labelled = set(values.index)
        values = values.to_dict() if labelled & set(names) else list(values)
    if isinstance(values, Mapping):
        known = set(names)
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(
                f"{where}: {unknown[0]!r} is the name of no network; they are {_shown(names)}"
            )
        return [values.get(name, missing) for name in names]
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ValueError(f"{where}: got {type(values).__name__}; {_FORMS}")
    if np.ndim(values) > 1:
        raise ValueError(f"{where}: got an array of shape {np.shape(values)}; {_FORMS}")
    ordered = list(values)
    if len(ordered) != len(names):
        raise ValueError(
            f"{where}: expected {len(names)} values, one a network, got {len(ordered)}"
        )
    return ordered


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def as_number(value: Any) -> float | None:
    """Return a value or text as a number: NaN for a missing one, None for what is no number."""
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    if missing or (isinstance(value, str) and value.strip().lower() in MISSING):
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
