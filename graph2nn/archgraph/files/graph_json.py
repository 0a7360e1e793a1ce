"""How is a graph written so that people can read it? As JSON, a line a node.

The file says its format and version. A node is an object with the name of its operation and, where
it has them, its sources (`from`), shape, parameters with their shapes, cell and call. A reader
trusts nothing: every name, number and length is checked before a graph is made of it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph2nn import __version__
from graph2nn.archgraph.files.parsing import parsed_graph
from graph2nn.archgraph.files.writing import graph_lines
from graph2nn.runs.checkpoint import write_atomic

__all__ = ["FORMAT", "VERSION", "is_graph_file", "read_graph_fields", "write_graph_fields"]

FORMAT = "netwright graph"
"""What a file says that it is."""

VERSION = 1
"""Version of the format that is written; older ones are read."""

_LARGEST = 1 << 28  # bytes of text, two million nodes: what a small archive may unpack to
_GZIP = b"\x1f\x8b"


def write_graph_fields(path: str | Path, fields: Mapping[str, Any]) -> Path:
    """Write the fields of an `ArchGraph` to a file, whole or not at all.

    Args:
        path: Path of the file; one that ends in `.gz` is compressed.
        fields: Fields by name; arrays of nodes (N,) or (N, 4), edges (2, E).

    Raises:
        ValueError: A value that the file cannot hold.
        OSError: See `write_atomic`.
    """
    head = {"format": FORMAT, "version": VERSION, "netwright": __version__}
    lines = list(graph_lines(head, fields))
    lines.insert(len(head), f'"sha256": "{_digest(lines)}",')
    text = "\n".join(lines) + "\n"
    if str(path).endswith(".gz"):
        packed = gzip.compress(text.encode(), mtime=0)  # the same graph gives the same bytes
        return write_atomic(path, lambda file: file.write(packed))
    return write_atomic(path, lambda file: file.write(text.encode()))


def read_graph_fields(path: str | Path) -> dict[str, Any]:
    """Read the fields of an `ArchGraph` from a file, compressed or not.

    Returns:
        Fields by name; arrays of nodes (N,) or (N, 4), edges (2, E).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no graph, damaged, or of a newer format; says what is wrong where.
    """
    path = Path(path)
    data = _unpacked(path)
    try:
        found = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no graph: expected text (JSON), got other bytes") from None
    except RecursionError:
        raise ValueError(f"{path} is no graph: its values are nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is no graph, or is cut or altered: {error}") from None
    _check_head(path, found)
    _check_digest(path, data, found)
    try:
        return parsed_graph(found)
    except ValueError as error:
        raise ValueError(f"{path} is altered: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is altered: a call is nested too deeply") from None


def is_graph_file(path: str | Path) -> bool:
    """Tell whether a file looks like one of these, from its first bytes."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            return f'"format": "{FORMAT}"'.encode() in file.read(1000)
    except (OSError, EOFError, zlib.error):
        return False


def _unpacked(path: Path) -> bytes:
    """The bytes of the text; an archive that unpacks without end is refused."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged archive: {error}") from None
    if len(data) > _LARGEST:
        raise ValueError(
            f"{path} holds more than {_LARGEST} bytes of text, and no graph of a network is as "
            "large as that; write thousands of graphs as a table (Table.save) instead"
        )
    return data


def _check_head(path: Path, found: Any) -> None:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise ValueError(
            f"{path} is no graph: expected the format {FORMAT!r}, got {str(said)[:40]!r}; graphs "
            "are written by ArchGraph.save"
        )
    version = found.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f"{path} is altered: version {repr(version)[:40]} is no number from 1 on")
    if version > VERSION:
        writer = str(found.get("netwright", "of another version"))[:20]
        raise ValueError(
            f"{path} has version {version} of the format and netwright {__version__} reads up to "
            f"{VERSION}: update with pip install --upgrade netwright; it was written by "
            f"netwright {writer}"
        )


def _digest(lines: list[str]) -> str:
    """Checksum of the lines, without their ends."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _check_digest(path: Path, data: bytes, found: dict[str, Any]) -> None:
    """Compare the text with the checksum in it, which files of before it have not."""
    stated = found.pop("sha256", None)
    if stated is None:
        return
    lines = data.decode().removesuffix("\n").split("\n")
    rest = [line for line in lines if not line.startswith('"sha256": ')]
    if stated != _digest(rest):
        raise ValueError(
            f"{path} is altered, it has another checksum than it says: write it again, or remove "
            "its line 'sha256' if it was changed on purpose"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which no name is lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:80]!r} stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
