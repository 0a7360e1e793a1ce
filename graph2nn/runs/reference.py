"""The folder of published reference tables, which are not part of this library."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["reference_folder"]

_VARIABLE = "GRAPH2NN_REFERENCE"


def reference_folder(part: str) -> Path:
    """The folder `data/<part>` of the reference tables.

    Args:
        part: `relational`, `deepnets`, `predictors` or `sparse`.

    Raises:
        ValueError: `GRAPH2NN_REFERENCE` is not set or names no folder with such data.
    """
    value = os.environ.get(_VARIABLE)
    if not value:
        raise ValueError(
            f"published tables are read from a folder of reference data: set {_VARIABLE} to the "
            f"folder that holds data/{part}"
        )
    folder = Path(value).expanduser() / "data" / part
    if not folder.is_dir():
        raise ValueError(
            f"{_VARIABLE}={value} has no folder data/{part}; set it to the folder that does"
        )
    return folder
