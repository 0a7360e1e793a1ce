"""How are results stored as CSV, and read back without taking a damaged file for a whole one?"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graph2nn.runs.checkpoint import write_atomic
from graph2nn.runs.seals import check_beside, remove_beside, write_beside
from graph2nn.runs.tables.schema import (
    ALTERED,
    ColumnTable,
    Row,
    Schema,
    TableNotFoundError,
    plain,
)

__all__ = [
    "cell_text",
    "read_columns",
    "read_csv",
    "read_rows",
    "write_csv",
    "write_rows",
]


_ANY = Schema()


def read_csv(path: str | Path, schema: Schema = _ANY) -> ColumnTable:
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


def read_columns(
    path: str | Path, required: Sequence[str] = (), *, delimiter: str | None = ","
) -> dict[str, list[str]]:
    """Read a `.csv` or `.csv.gz` file with a header line as columns of text.

    Args:
        path: The file.
        required: Columns that have to be there.
        delimiter: Character between values; None for the comma, semicolon, tab or bar, whichever
            the header line has most of.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is empty or damaged, a column is missing or there twice, a row has another
            number of values than the header, or the last line has no end, as in a file that was
            cut off; with the line. Or it has another checksum than `NAME.sha256` beside it says.
    """
    path = Path(path)
    text = _text(path)
    if not text.strip():
        named = f" with {', '.join(required)}" if required else ""
        raise ValueError(f"{path} is empty: expected a header line{named}")
    if delimiter is None:
        header_line = text.splitlines()[0]
        delimiter = max(_DELIMITERS, key=header_line.count)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        header = next(lines)
        rows = []
        for row in lines:
            if len(row) != len(header):
                raise ValueError(f"expected {len(header)} values, got {len(row)}; {ALTERED}")
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


_DELIMITERS = ",;\t|"


def _text(path: Path) -> str:
    if not path.is_file():
        raise TableNotFoundError(path, "a table, a file such as NAME.csv or NAME.csv.gz")
    check_beside(path)
    data = path.read_bytes()
    try:
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8, or half-written or altered ({error}): save it as UTF-8, "
            "or write or copy the file again"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} is half-written or altered ({error}): write or copy the file again"
        ) from None


def write_rows(
    path: str | Path,
    rows: Iterable[Row],
    columns: Sequence[str] | None = None,
    *,
    digits: int | None = None,
    checksum: bool = False,
) -> Path:
    """Write rows as `write_csv` does.

    Args:
        path: The file.
        rows: Values by column; what a row lacks is left empty.
        columns: Their order; None for all that occur, in order of appearance.
        digits, checksum: Arguments of `write_csv`.

    Raises:
        OSError, ValueError: See `write_csv`.
    """
    rows = list(rows)
    names = list(dict.fromkeys(n for row in rows for n in row)) if columns is None else columns
    columns_ = {n: [row.get(n) for row in rows] for n in names}
    return write_csv(path, columns_, digits=digits, checksum=checksum)


def write_csv(
    path: str | Path,
    columns: Mapping[str, Iterable[Any]],
    *,
    digits: int | None = None,
    checksum: bool = False,
) -> Path:
    """Write columns of one length as a `.csv` or `.csv.gz` file, whole or not at all.

    Args:
        path: The file.
        columns: Values by column; None and NaN are left empty.
        digits: Significant digits of numbers; None for those that give the same number again.
        checksum: Whether `NAME.sha256` is written beside it, against which it is read.

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
    remove_beside(path)  # of an older file: a crash before the new one leaves none
    write_atomic(path, lambda file: file.write(packed))
    if checksum:
        write_beside(path)
    return path


def cell_text(value: Any, digits: int | None = None) -> str:
    """Return a value as text: None and NaN as nothing.

    Numbers get so many significant digits, or the shortest form that reads back as the same number.
    """
    value = plain(value)
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return repr(value) if digits is None else f"{value:.{digits}g}"
    return str(value)
