"""Reading tables of text into columns."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np

__all__ = ["integers", "numbers", "read_columns"]


def read_columns(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV file with a header, gzip-compressed or not, as text.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader)
            rows = list(reader)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise ValueError(f"cannot read {path}: {error}; copy the file again") from None
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path}: rows differ in length; copy the file again")
    return {name: [row[k] for row in rows] for k, name in enumerate(header)}


def numbers(column: Iterable[str]) -> np.ndarray:
    """Text as float64, NaN where it is empty."""
    return np.array([float(text) if text else np.nan for text in column])


def integers(text: str) -> tuple[int, ...]:
    """The integers of a printed tuple: "(4, 0, 3)" is (4, 0, 3)."""
    return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
