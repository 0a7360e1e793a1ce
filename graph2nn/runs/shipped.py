"""Where are the files of `checkpoints/` and `data/` that come with the package?

In a clone, or an editable installation of one, they are the repository's own folders; a wheel holds
them in `graph2nn/shipped`. Where the wheel itself is imported, as a zip file, what is asked for is
copied to a temporary folder that ends with the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING

from graph2nn.runs.checkpoint import write_atomic
from graph2nn.runs.variables import user_path, variable

if TYPE_CHECKING:
    from importlib.abc import Traversable  # elsewhere from Python 3.11 on

__all__ = ["find_data", "named_data", "package_file", "shipped_file", "shipped_folder"]


def shipped_file(name: str) -> Path:
    """Return the path of a file that comes with the package. It is to be read, not written.

    Args:
        name: Path in the repository, such as `data/ground_truth/deepnets_digits.h5`.

    Raises:
        FileNotFoundError: No such file is shipped; the message lists what its folder has.

    Examples:
        >>> shipped_file("checkpoints/MANIFEST.json").name
        'MANIFEST.json'
    """
    place = _find(name)
    if not place.is_file():
        raise _missing(name)
    return _on_disk(place, name)


def shipped_folder(name: str) -> Path:
    """Return the path of a folder that comes with the package. It is to be read, not written.

    Args:
        name: Path in the repository, such as `data/relational/mlp_digits_52`.

    Raises:
        FileNotFoundError: No such folder is shipped; the message lists what is beside it.

    Examples:
        >>> sorted(path.name for path in shipped_folder("data/ground_truth").glob("*.h5"))
        ['deepnets_cifar10.h5', 'deepnets_digits.h5', 'graphs_digits.h5']
    """
    place = _find(name)
    if not place.is_dir():
        raise _missing(name)
    return _on_disk(place, name)


def package_file(package: str, name: str) -> Path:
    """Return the path of a file that stands beside the modules of a package, to be read.

    Args:
        package: Name of the package, such as `archtokens.grammar`.
        name: Name of the file.

    Examples:
        >>> package_file("graph2nn", "py.typed").is_file()
        True
    """
    return _on_disk(files(package).joinpath(name), f"{package}/{name}")


def find_data(name: str) -> Path:
    """Find a file or folder of `data/`: the user's own before what is shipped.

    It is looked for in `$NETWRIGHT_DATA`, in `./data`, and in what comes with the package.

    Args:
        name: Path within `data/`, such as `sparse/digits.csv`.

    Raises:
        FileNotFoundError: It is in none of them; the message lists what is shipped beside it.
    """
    named = variable("NETWRIGHT_DATA")
    for root in (*([user_path(named)] if named else []), Path("data")):
        if os.path.exists(root / name):  # a folder that may not be read holds nothing for us
            return root / name
    place = _find(f"data/{name}")
    if not (place.is_file() or place.is_dir()):
        raise _missing(f"data/{name}")
    return _on_disk(place, f"data/{name}")


def named_data(given: str | Path, names: Mapping[str, str], what: str) -> Path:
    """Find results by a path of the user's, or by the name of some that come with the package.

    Args:
        given: The path, which counts wherever it exists, or the name.
        names: Paths within `data/` by name, for `find_data`.
        what: What a path should lead to, for the message.

    Raises:
        FileNotFoundError: Neither exists; the message lists the names.
    """
    path = user_path(given)
    if os.path.exists(path):
        return path
    if str(given) in names:
        return find_data(names[str(given)])
    raise FileNotFoundError(
        f"{path} does not exist; expected {what}, or the name of what comes with netwright: "
        f"{', '.join(names)}"
    )


def _home() -> Traversable:
    """The folder that holds `checkpoints` and `data`."""
    inside = files("graph2nn").joinpath("shipped")
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2]


def _find(name: str) -> Traversable:
    parts = name.strip("/").split("/")
    if parts[0] not in ("checkpoints", "data") or ".." in parts:
        raise ValueError(f"shipped files are in checkpoints/ and data/, got {name!r}")
    place = _home()
    for part in parts:
        place = place.joinpath(part)
    return place


def _on_disk(place: Traversable, name: str) -> Path:
    return place if isinstance(place, Path) else _copied(place, _copies() / name)


def _copied(place: Traversable, target: Path) -> Path:
    if place.is_dir():
        for part in place.iterdir():
            _copied(part, target / part.name)
    elif not target.is_file():
        data = place.read_bytes()
        write_atomic(target, lambda file: file.write(data))
    return target


@cache
def _copies() -> Path:
    """The temporary folder of copies; a forked process shares its parent's."""
    folder = tempfile.mkdtemp(prefix="netwright-")
    # Unlike atexit, this runs in a worker's process too, and only in the one that made the folder.
    Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=0)
    return Path(folder)


def _missing(name: str) -> FileNotFoundError:
    folder, _, _ = name.strip("/").rpartition("/")
    while folder and not _find(folder).is_dir():
        folder, _, _ = folder.rpartition("/")
    if not folder:
        return FileNotFoundError(
            f"{name} is not there, nor is any file that should come with netwright: install it "
            "again, with pip install --force-reinstall --no-deps netwright"
        )
    inside = ", ".join(sorted(part.name for part in _find(folder).iterdir()))
    return FileNotFoundError(f"no file {name} comes with netwright; {folder}/ has {inside}")
