"""How does a CSV file of a user's become a table? A function makes a graph of each row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.tracer import View
from graph2nn.names import choose
from graph2nn.runs.tables import read_columns
from predictors.tables.making.labels import MISSING, as_number, group_numbers
from predictors.tables.making.models import Architecture, graph_of

__all__ = ["CsvRows", "read_csv_rows"]

_WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)")
_PADDED = re.compile(r"[+-]?0\d+")  # a code such as 0213, which loses its zeros as a number


@dataclass(frozen=True, kw_only=True)
class CsvRows:
    """What a CSV file holds.

    Args:
        path: Path of the file.
        columns: Text by column.
    """

    path: Path
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def where(self, row: int, column: str = "") -> str:
        """Name a row for messages, by the line where it stands in the file."""
        return f"{self.path}, line {row + 2}" + (f", column {column}" if column else "")

    def check(self, names: Sequence[str]) -> None:
        """Check that columns are there.

        Raises:
            ValueError: One is not; the message lists all.
        """
        for name in names:
            choose("column", name, self.columns, where=str(self.path))

    def numbers(self, column: str) -> np.ndarray:
        """Return the numbers of a column, NaN where there is none, (N,) float64.

        Raises:
            ValueError: Text that is no number; names the line and the column.
        """
        values = self.columns[column]
        numbers = [as_number(text) for text in values]
        for row, number in enumerate(numbers):
            if number is None:
                raise ValueError(
                    f"{self.where(row, column)}: expected a number, got {values[row]!r}; leave it "
                    "empty where there is none, or name the column in ignore= if it is no label"
                )
        return np.array(numbers, dtype=np.float64)

    def label_columns(self, others: Sequence[str]) -> list[str]:
        """List the columns that hold numbers, most of them at least, but for the others."""
        found = []
        for name, values in self.columns.items():
            filled = [text for text in values if text.strip().lower() not in MISSING]
            right = sum(as_number(text) is not None for text in filled)
            if name not in others and filled and 2 * right > len(filled):
                found.append(name)
        if not found:
            raise ValueError(
                f"{self.path}: no column of numbers to predict; it has {', '.join(self.columns)} "
                "(numbers have a decimal point, as 91.5)"
            )
        return found

    def groups(self, column: str) -> np.ndarray:
        """Number the groups that a column names, (N,) int64."""
        return group_numbers(self.columns[column], [str(k) for k in range(len(self))])

    def graphs(
        self,
        arch: Callable[[Any], Architecture],
        column: str | None,
        *,
        inputs: Any = None,
        view: View = "full",
        progress: bool = True,
    ) -> list[ArchGraph]:
        """Make the graph of every row; equal values are made once.

        Args:
            arch: Function from a row, or from the text of a column, to an architecture.
            column: Name of that column; None for the row, text and numbers by column.
            inputs, view: Arguments of `graph_of`.
            progress: Whether a bar is shown.

        Raises:
            ValueError: A function that fails or makes no architecture; names the line.
        """
        given: Sequence[Any] = self.columns[column] if column is not None else self._rows()
        made: dict[str, ArchGraph] = {}
        graphs = []
        with tqdm(given, desc="graphs", unit="row", disable=not progress) as bar:
            for row, value in enumerate(bar):
                key = value if column is not None else repr(value)
                if key not in made:
                    made[key] = graph_of(
                        lambda: arch(value),  # noqa: B023 (it is called before the next turn)
                        name=value if column is not None else f"{_stem(self.path)} {row + 1}",
                        where=self.where(row, column or ""),
                        input=inputs,
                        view=view,
                    )
                graphs.append(made[key])
        return graphs

    def _rows(self) -> list[dict[str, Any]]:
        columns = [_typed(values) for values in self.columns.values()]
        return [dict(zip(self.columns, row)) for row in zip(*columns)]


def read_csv_rows(path: str | Path, delimiter: str | None = None) -> CsvRows:
    """Read a `.csv` file, or a `.csv.gz` file.

    Args:
        path: Path of the file.
        delimiter: What separates values; None for whichever of comma, semicolon, tab and bar the
            header has most of.

    Raises:
        FileNotFoundError, ValueError: See `graph2nn.runs.tables.read_columns`; or no rows.
    """
    columns = read_columns(path, delimiter=delimiter)
    rows = CsvRows(path=Path(path), columns=columns)
    if not len(rows):
        raise ValueError(f"{path}: expected rows below the header line, got none")
    return rows


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _typed(values: Sequence[str]) -> list[Any]:
    """The values of a column as whole numbers or floats, if all of them are, else as text."""
    stripped = [text.strip() for text in values]
    filled = [text for text in stripped if text.lower() not in MISSING]
    if not filled or any(_PADDED.fullmatch(t) or as_number(t) is None for t in filled):
        return list(values)
    whole = all(_WHOLE.fullmatch(text) for text in filled)
    kind: type = int if whole else float
    return [None if t.lower() in MISSING else kind(t) for t in stripped]
