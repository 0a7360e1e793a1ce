"""What a user says in variables of the environment: `NETWRIGHT_DATA` and the others."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["VARIABLES", "reference_folder", "user_path", "variable"]

VARIABLES = {
    "NETWRIGHT_DATA": "folder of image data and tables, in place of ./data",
    "NETWRIGHT_REFERENCE": "folder of original files and golden figures, no part of the library",
    "NETWRIGHT_CHECKPOINTS": "folder of checkpoints, in place of those shipped",
    "NETWRIGHT_HUB": "Hugging Face repository that holds the files of the checkpoints' manifest",
    "NETWRIGHT_LAUNCHER": "number and port of the process that started others; set by itself",
}
"""Every variable that the library reads by itself."""

_OLDER = {
    "NETWRIGHT_DATA": "GRAPH2NN_DATA",
    "NETWRIGHT_REFERENCE": "GRAPH2NN_REFERENCE",
}


def variable(name: str) -> str | None:
    """Return the value of a variable; None where it is not set, or empty.

    Where it is not, its older name counts: `GRAPH2NN_DATA`, `GRAPH2NN_REFERENCE`.

    Args:
        name: One of `VARIABLES`.

    Raises:
        KeyError: Another name.
    """
    if name not in VARIABLES:
        raise KeyError(f"no variable {name}; there are {', '.join(VARIABLES)}")
    return os.environ.get(name) or os.environ.get(_OLDER.get(name, "")) or None


def user_path(given: str | Path) -> Path:
    """Return a path with the home folder in place of a leading `~`, as shells put it.

    Args:
        given: What the user says; of `~nobody/x`, where there is no such user, it stays as it is.
    """
    return Path(os.path.expanduser(given))


def reference_folder(part: str) -> Path:
    """Return the folder `data/<part>` of the reference data.

    Args:
        part: One of `relational`, `deepnets`, `predictors` and `sparse`.

    Raises:
        ValueError: `NETWRIGHT_REFERENCE` is not set or names no folder with such data.
    """
    name = "NETWRIGHT_REFERENCE"
    value = variable(name)
    if not value:
        raise ValueError(
            f"these files do not come with the package but from reference data: set {name} to the "
            f"folder that holds data/{part}"
        )
    folder = user_path(value) / "data" / part
    if not folder.is_dir():
        raise ValueError(
            f"{name}={value} has no folder data/{part}; set it to the folder that does"
        )
    return folder
