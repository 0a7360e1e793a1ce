"""Rows of results as CSV files and as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.checkpoint import write_atomic

__all__ = ["cell_text", "format_rows", "write_rows"]

Row = Mapping[str, Any]


def write_rows(path: str | Path, rows: Iterable[Row], columns: Sequence[str] | None = None) -> Path:
    """Writes a CSV file, whole or not at all.

    Args:
        path: of the file.
        rows: by column; what a row lacks, or None, is left empty.
        columns: None for all that occur, in order of appearance.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(n for row in rows for n in row)) if columns is None else columns
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell_text(row.get(name)) for name in columns] for row in rows)
    return write_atomic(path, lambda file: file.write(text.getvalue().encode()))


def cell_text(value: Any) -> str:
    """Floats in the shortest form that reads back as the same number; NaN and None as nothing."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or value != value:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def format_rows(rows: Sequence[Row]) -> str:
    """Rows as aligned columns of text, numbers with five digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_short(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
    padded = ("  ".join(text.ljust(w) for text, w in zip(line, widths)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def _short(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    return "" if value is None else str(value)
