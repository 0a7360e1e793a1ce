"""What is known of a published table, and how are its original files read into columns?"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.tables import Facts, PackedTable, Schema, read_csv

__all__ = ["Columns", "Published", "csv_file", "json_curves", "read_json"]

Columns = Mapping[str, np.ndarray]
"""Arrays by name: str, int64, float64 or bool, (rows,); curves (rows, epochs)."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published table: where it comes from, and what its values mean.

    Args:
        title: One line on what the rows are.
        part: Folder of the original in the reference data: `predictors`, `relational`, ...
        file: Name of the original file there.
        read: Reader of the folder with the original: its columns, as they are shipped.
        source: Repository that the original comes from, as owner/name, and the path in it.
        cite: Publication to cite.
        licence: Licence of the source.
        units: Unit or meaning by pattern of the name of a column; the first that fits counts.
        pitfalls: Sentences on what to know before a number is quoted.
        notes: Figures of the original that the shipped file keeps, from its columns.
        left_out: Columns of the original that are not shipped.
    """

    title: str
    part: str
    file: str
    read: Callable[[Path], Columns]
    source: str
    cite: str
    licence: str
    units: Mapping[str, str]
    pitfalls: str = ""
    notes: Callable[[Columns], dict[str, Any]] = field(default=lambda columns: {})
    left_out: Sequence[str] = ()

    def original(self, name: str, folder: Path) -> PackedTable:
        """Read the original, with the columns that are not shipped.

        Args:
            name: Name of the table.
            folder: Path of the folder with the original.

        Raises:
            FileNotFoundError: The file is not in the folder.
            ValueError: It is damaged, or a column has no unit.
        """
        found = self.read(folder)
        kept = [column for column in found if column not in self.left_out]
        facts = Facts(
            name=name,
            title=self.title,
            source=self.source,
            cite=self.cite,
            licence=self.licence,
            units={column: self._unit(name, column) for column in kept},
            notes={"pitfalls": self.pitfalls, **self.notes(found)},
        )
        return PackedTable(facts=facts, columns=found)

    def _unit(self, name: str, column: str) -> str:
        for pattern, unit in self.units.items():
            if fnmatchcase(column, pattern):
                return unit
        raise ValueError(f"published table {name}: no unit of column {column}")


def csv_file(
    name: str, *, text: Sequence[str] = (), whole: Sequence[str] = ()
) -> Callable[[Path], Columns]:
    """Make a reader of a CSV file of numbers.

    Args:
        name: Name of the file.
        text, whole: Columns of text and of whole numbers, -1 where missing; others are float64.
    """
    kinds = {**dict.fromkeys(text, str), **dict.fromkeys(whole, int)}
    return partial(_read_csv, name=name, schema=Schema(kinds=kinds, others=float))


def _read_csv(folder: Path, name: str, schema: Schema) -> Columns:
    return dict(read_csv(folder / name, schema))


def read_json(path: Path, *, lines: bool = False) -> Any:
    """Read a `.json.gz` file.

    Args:
        path: Path of the file.
        lines: Whether each line is a value of its own.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file] if lines else json.load(file)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"cannot read {path}: {error}; copy the file again") from None


def json_curves(lists: Sequence[Sequence[float]]) -> np.ndarray:
    """Join lists of numbers as rows, NaN behind the end of the shorter ones.

    Shapes:
        (rows, longest) float64.
    """
    longest = max((len(row) for row in lists), default=0)
    return np.array([[*row, *[np.nan] * (longest - len(row))] for row in lists], dtype=np.float64)
