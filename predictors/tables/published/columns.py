"""Where are the columns of a published table read from: the shipped file, or the original?"""

from __future__ import annotations

from pathlib import Path

from graph2nn.names import choose
from graph2nn.runs.tables import PackedTable, read_shipped
from predictors.tables.published.cells import CELLS
from predictors.tables.published.networks import NETWORKS
from predictors.tables.published.original import Columns, Published
from predictors.tables.published.sweeps import SWEEPS

__all__ = ["PUBLISHED", "published_columns", "read_code", "read_published"]

PUBLISHED: dict[str, Published] = {**CELLS, **NETWORKS, **SWEEPS}
"""Every published table that comes with the package, by the name of its file."""


def read_published(name: str, folder: Path | None = None) -> PackedTable:
    """Read the columns of a published table, and what is known of it.

    Args:
        name: One of `PUBLISHED`.
        folder: Path of a folder with the original file, whose columns may be more; None for the
            shipped one.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: An unknown name, or a damaged file.

    Examples:
        >>> read_published("nb101_500").facts.licence
        'Apache-2.0'
    """
    choose("published table", name, PUBLISHED)
    if folder is None:
        return read_shipped(name)
    return PUBLISHED[name].original(name, folder)


def published_columns(name: str, folder: Path | None = None) -> Columns:
    """Read the columns of a published table alone.

    Args:
        name, folder: Arguments of `read_published`.

    Shapes:
        (rows,) each; curves (rows, epochs).

    Raises:
        FileNotFoundError, ValueError: See `read_published`.

    Examples:
        >>> len(published_columns("nb101_500")["val_accuracy"])
        500
    """
    return read_published(name, folder).columns


def read_code(text: str, separator: str = ",") -> tuple[int, ...]:
    """Read the whole numbers by which a published table codes a network.

    Args:
        text: The code, such as a printed tuple or list.
        separator: Character between the numbers.

    Examples:
        >>> read_code("(4, 0, 3)"), read_code("8_8_1", "_")
        ((4, 0, 3), (8, 8, 1))
    """
    return tuple(map(int, text.strip("()[], ").split(separator)))
