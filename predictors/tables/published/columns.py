"""Where are the columns of a published table read from: the shipped file, or the original?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graph2nn.names import choose
from graph2nn.runs.shipped import shipped_file
from graph2nn.runs.tables import PackedTable, read_packed
from predictors.tables.published.cells import CELLS
from predictors.tables.published.networks import NETWORKS
from predictors.tables.published.original import Columns, Published
from predictors.tables.published.sweeps import SWEEPS

__all__ = ["PUBLISHED", "published_columns", "published_notes"]

PUBLISHED: dict[str, Published] = {**CELLS, **NETWORKS, **SWEEPS}
"""Every published table that comes with the package, by the name of its file."""


def published_columns(name: str, folder: Path | None = None) -> Columns:
    """Read the columns of a published table.

    Args:
        name: One of `PUBLISHED`.
        folder: Path of a folder with the original file, whose columns may be more; None for the
            shipped one.

    Shapes:
        (rows,) each; curves (rows, epochs).

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: An unknown name, or a damaged file.

    Examples:
        >>> len(published_columns("nb101_500")["val_accuracy"])
        500
    """
    choose("published table", name, PUBLISHED)
    return _shipped(name).columns if folder is None else PUBLISHED[name].read(folder)


def published_notes(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the figures of a published table that do not follow from its shipped columns.

    Args:
        name, folder: Arguments of `published_columns`.

    Raises:
        FileNotFoundError, ValueError: See `published_columns`.
    """
    choose("published table", name, PUBLISHED)
    if folder is None:
        return dict(_shipped(name).facts.notes)
    return PUBLISHED[name].notes(PUBLISHED[name].read(folder))


def _shipped(name: str) -> PackedTable:
    return read_packed(shipped_file(f"data/published/{name}.h5"))
