"""How are results stored as tables, and read back without taking a damaged file for a whole one?"""

from __future__ import annotations

import csv
import errno
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.checkpoint import write_atomic

__all__ = [
    "ColumnTable",
    "Row",
    "Schema",
    "cell_text",
    "read_columns",
    "read_csv",
    "read_rows",
    "write_csv",
    "write_rows",
]

Row = Mapping[str, Any]
"""One line of a table: value by column."""

_MISSING: dict[type, Any] = {str: "", int: -1, float: np.nan}
_EXPECTED = {int: "a whole number", bool: "0 or 1"}
_ALTERED = "the file is half-written or altered: remove the line or write the file again"


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
                wrong |= ~missing & ((numbers != np.floor(numbers)) | np.isinf(numbers))
                wrong |= (kind is bool) & ~missing & ~np.isin(numbers, (0, 1))
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"{where}, line {row + 2}: {name} should be {_EXPECTED.get(kind, 'a number')}, got "
                f"{_plain(values[row])!r}; {_ALTERED}"
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

    Example:
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


def read_csv(path: str | Path, schema: Schema = Schema()) -> ColumnTable:
    """Read a `.csv` or `.csv.gz` file whose columns are known.

    Raises:
        FileNotFoundError, ValueError: See `read_columns` and `Schema.arrays`.
    """
    return ColumnTable(read_columns(path, schema.required), schema, where=str(path))


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read a `.csv` or `.csv.gz` file as one dictionary of text a row.

    Raises:
        FileNotFoundError, ValueError: See `read_columns`.
    """
    columns = read_columns(path)
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def read_columns(path: str | Path, required: Sequence[str] = ()) -> dict[str, list[str]]:
    """Read a `.csv` or `.csv.gz` file with a header line as columns of text.

    Args:
        path: The file.
        required: Columns that have to be there.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is empty or damaged, a column is missing or there twice, a row has another
            number of values than the header, or the last line has no end, as in a file that was
            cut off; with the line.
    """
    path = Path(path)
    text = _text(path)
    if not text.strip():
        named = f" with {', '.join(required)}" if required else ""
        raise ValueError(f"{path} is empty: expected a header line{named}")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines)
        rows = []
        for row in lines:
            if len(row) != len(header):
                raise ValueError(f"expected {len(header)} values, got {len(row)}; {_ALTERED}")
            rows.append(row)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {lines.line_num}: {error}") from None
    if not text.endswith(("\n", "\r")):
        raise ValueError(
            f"{path}, line {lines.line_num}: the line has no end, so the file may be half-written; "
            "remove the line, or end it if it is complete"
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise ValueError(f"{path}: column {twice!r} is there twice; rename one of them")
    Schema(required=required).check_names(header, str(path))
    columns = zip(*rows) if rows else ((),) * len(header)
    return {name: list(column) for name, column in zip(header, columns)}


class _NoTable(FileNotFoundError):
    def __str__(self) -> str:
        return f"{self.filename} does not exist; expected a table"


def _text(path: Path) -> str:
    if not path.is_file():
        raise _NoTable(errno.ENOENT, "no such table", str(path))
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is half-written or altered ({error}): write or copy the file again"
        ) from None


def write_rows(
    path: str | Path,
    rows: Iterable[Row],
    columns: Sequence[str] | None = None,
    *,
    digits: int | None = None,
) -> Path:
    """Write rows as `write_csv` does.

    Args:
        path: The file.
        rows: Values by column; what a row lacks is left empty.
        columns: Their order; None for all that occur, in order of appearance.
        digits: Significant digits of numbers; None for those that give the same number again.

    Raises:
        OSError, ValueError: See `write_csv`.
    """
    rows = list(rows)
    names = list(dict.fromkeys(n for row in rows for n in row)) if columns is None else columns
    return write_csv(path, {n: [row.get(n) for row in rows] for n in names}, digits=digits)


def write_csv(
    path: str | Path, columns: Mapping[str, Iterable[Any]], *, digits: int | None = None
) -> Path:
    """Write columns of one length as a `.csv` or `.csv.gz` file, whole or not at all.

    Args:
        path: The file.
        columns: Values by column; None and NaN are left empty.
        digits: Significant digits of numbers; None for those that give the same number again.

    Raises:
        OSError: See `write_atomic`.
        ValueError: Columns of unequal lengths.
    """
    path = Path(path)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    cells = ([cell_text(value, digits) for value in column] for column in columns.values())
    writer.writerows(zip(*cells, strict=True))
    data = text.getvalue().encode()
    packed = gzip.compress(data, mtime=0) if path.suffix == ".gz" else data
    return write_atomic(path, lambda file: file.write(packed))


def cell_text(value: Any, digits: int | None = None) -> str:
    """Return a value as text: None and NaN as nothing.

    Numbers get so many significant digits, or the shortest form that reads back as the same number.
    """
    value = _plain(value)
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    return str(value)


def _plain(value: Any) -> Any:
    """A value of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
