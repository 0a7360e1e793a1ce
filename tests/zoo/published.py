"""Published tables that come with the package, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graph2nn.runs.tables import read_shipped


def published_rows(name: str, *columns: str) -> Iterator[dict[str, Any]]:
    """The rows of a table, of these columns or of all, as plain Python values."""
    found = read_shipped(name).columns
    names = columns or tuple(found)
    for values in zip(*(found[column].tolist() for column in names)):
        yield dict(zip(names, values))
