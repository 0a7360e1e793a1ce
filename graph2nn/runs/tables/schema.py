"""What do the columns of a table hold, and which values are missing?"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["ALTERED", "ColumnTable", "Row", "Schema", "TableNotFoundError", "plain"]

Row = Mapping[str, Any]
"""One line of a table: value by column."""

_MISSING: dict[type, Any] = {str: "", int: -1, float: np.nan}
_EXACT = 2.0**53  # beyond, floats leave whole numbers out
_EXPECTED = {int: "a whole number", bool: "0 or 1"}
ALTERED = "the file is half-written or altered: remove the line or write the file again"
"""Advice on a value that a file should not hold."""


class TableNotFoundError(FileNotFoundError):
    """There is no file of a table where one was expected.

    Args:
        path: The path, `filename` of the error.
        expected: What should be there.
    """

    def __init__(self, path: Path, expected: str) -> None:
        what = "is a folder" if path.is_dir() else "does not exist"
        self._text = f"{path} {what}; expected {expected}"
        super().__init__(errno.ENOENT, self._text, str(path))

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What the columns of a table hold.

    Args:
        kinds: Kind of each known column: `str`, `int`, `float` or `bool`.
        others: Kind of the other columns; None for numbers where all values are, else text.
        required: Columns that have to be there.
        filled: Columns of numbers with a value in every row. Elsewhere an empty or NaN value is
            missing: "" in text, -1 among whole numbers, NaN among others.
    """

    kinds: Mapping[str, type] = field(default_factory=dict)
    others: type | None = None
    required: Sequence[str] = ()
    filled: Sequence[str] = ()

    def arrays(self, columns: Mapping[str, Any], where: str = "table") -> dict[str, np.ndarray]:
        """Return the columns as arrays of their kind: str, int64, float64 or bool.

        Args:
            columns: Values by column, as text or as what they are.
            where: Name of the table in messages, such as its path.

        Shapes:
            (rows,) each.

        Raises:
            ValueError: A required column is missing, lengths differ, or a value is of another
                kind; with the line that it has in a file and the column.
        """
        self.check_names(columns, where)
        arrays = {name: self._array(name, values, where) for name, values in columns.items()}
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{where}: columns of unequal lengths, {lengths}")
        return arrays

    def check_names(self, names: Iterable[str], where: str) -> None:
        """Check that no required column is missing.

        Raises:
            ValueError: One is; the message lists all.
        """
        names = list(names)
        absent = [name for name in self.required if name not in names]
        if absent:
            raise ValueError(
                f"{where}: expected the columns {', '.join(self.required)}, missing "
                f"{', '.join(absent)}; it has {', '.join(names) or 'none'}"
            )

    def _array(self, name: str, values: Any, where: str) -> np.ndarray:
        kind = self.kinds.get(name, self.others)
        if isinstance(values, np.ndarray) and values.ndim != 1:
            raise ValueError(f"{where}: column {name} must be one-dimensional, got {values.shape}")
        if kind is None:
            try:
                return self._numbers(name, values, float, where)
            except ValueError:
                kind = str
        if kind is not str:
            return self._numbers(name, values, kind, where)
        if isinstance(values, np.ndarray) and values.dtype.kind == "U":
            return values
        return np.array(["" if value is None else str(value) for value in values], dtype=str)

    def _numbers(self, name: str, values: Any, kind: type, where: str) -> np.ndarray:
        if isinstance(values, np.ndarray) and values.dtype.kind == np.dtype(kind).kind != "f":
            return values.astype(kind, copy=False)
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            numbers = values.astype(np.float64, copy=False)
            missing = np.isnan(numbers)
        else:
            values = list(values)
            numbers = np.array([_number(value) for value in values], dtype=np.float64)
            missing = np.array([_is_missing(value) for value in values], dtype=bool)
        wrong = np.isnan(numbers) & ~missing
        if kind is not float:
            with np.errstate(invalid="ignore"):
                whole = (numbers == np.floor(numbers)) & (np.abs(numbers) <= _EXACT)
                wrong |= ~missing & ~whole
                wrong |= (kind is bool) & ~missing & ~np.isin(numbers, (0, 1))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"{where}, line {row + 2}: {name} should be {_EXPECTED.get(kind, 'a number')}, got "
                f"{plain(values[row])!r}; {ALTERED}"
            )
        if missing.any() and (name in self.filled or kind is bool):
            raise ValueError(f"{where}, line {int(missing.argmax()) + 2}: {name} is empty")
        if kind is float:
            return numbers
        return np.where(missing, _MISSING[int], numbers).astype(kind)


def _number(value: Any) -> float:
    """The number, or NaN where there is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN (`nan` in a file, too) or empty."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan")
    return value is None or value != value


class ColumnTable(Mapping[str, np.ndarray]):
    """Columns of one length: a mapping from name to array.

    Args:
        columns: Values by column, as text or as what they are.
        schema: What they hold.
        where: Name of the table in messages, such as its path.

    Raises:
        ValueError: See `Schema.arrays`.

    Examples:
        >>> table = ColumnTable({"model": ["a", "b"], "tau": ["0.5", ""]})
        >>> table["tau"].tolist(), table.num_rows
        ([0.5, nan], 2)
    """

    def __init__(
        self, columns: Mapping[str, Any], schema: Schema = Schema(), *, where: str = "table"
    ) -> None:
        self.where = where
        self._columns = schema.arrays(columns, where)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise KeyError(f"{self.where} has no column {name}; it has {', '.join(self)}")
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Number of columns, as of any mapping; `num_rows` counts the rows."""
        return len(self._columns)

    __eq__ = object.__eq__  # a mapping would compare arrays as if they were single values
    __hash__ = object.__hash__

    @property
    def num_rows(self) -> int:
        """Length of the columns."""
        return len(next(iter(self._columns.values()), ()))

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary a row, of plain Python values."""
        lists = [column.tolist() for column in self._columns.values()]
        return [dict(zip(self._columns, values)) for values in zip(*lists)]


def plain(value: Any) -> Any:
    """Return a value of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
