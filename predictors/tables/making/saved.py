"""How is a table of a user's kept? Labels as columns, graphs as arrays beside, in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs
from graph2nn.runs.tables import Facts, read_packed, write_packed

__all__ = ["content_checksum", "read_fields", "write_fields"]

_KIND, _VERSION = "networks with labels", 1
_MASKS = ("group", "split")
_NOTES = ("default", "test_size")


def write_fields(path: str | Path, fields: Mapping[str, Any]) -> Path:
    """Write the fields of a `Table` to a file, whole or not at all.

    Args:
        path: Path of the file, by custom `NAME.h5`.
        fields: Fields by name; `noise` as pairs of tau and meaning.

    Raises:
        OSError, ValueError: See `graph2nn.runs.tables.write_packed`.
    """
    columns = _columns(fields)
    notes = {name: fields[name] for name in _NOTES}
    notes |= {
        "kind": _KIND,
        "version": _VERSION,
        "minimise": sorted(fields["minimise"]),
        "noise": {name: list(pair) for name, pair in fields["noise"].items()},
    }
    facts = Facts(name=fields["name"], cite=fields["source"], notes=notes)
    return write_packed(path, columns, facts, pack_graphs(fields["graphs"]))


def read_fields(path: str | Path) -> dict[str, Any]:
    """Read the fields of a `Table` from a file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Another kind of file, another version, or damaged.
    """
    if Path(path).name.endswith((".csv", ".csv.gz")) and Path(path).is_file():
        raise ValueError(
            f"{path} is text: predictors.Table.from_csv makes a table of it, with a function from "
            "a row to a model"
        )
    packed = read_packed(path)
    notes = packed.facts.notes
    if notes.get("kind") != _KIND:
        raise ValueError(
            f"{path} holds columns, not networks with labels: expected a file of Table.save"
        )
    if notes.get("version") != _VERSION:
        raise ValueError(
            f"{path} has version {notes.get('version')} of tables, this package reads version "
            f"{_VERSION}: install the netwright that wrote it, or save the table again"
        )
    try:
        graphs = unpack_graphs(packed.arrays)
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); copy it or save the table again") from None
    return {
        "name": packed.facts.name,
        "source": packed.facts.cite,
        "graphs": graphs,
        "targets": _under("target", packed.columns),
        "subsets": _under("subset", packed.columns),
        **{name: packed.columns.get(name) for name in _MASKS},
        **{name: notes[name] for name in _NOTES},
        "minimise": frozenset(notes["minimise"]),
        "noise": {name: tuple(pair) for name, pair in notes["noise"].items()},
    }


def content_checksum(graphs: Sequence[ArchGraph], fields: Mapping[str, Any]) -> str:
    """Compute what tells tables apart: the SHA-256 of graphs and labels, hexadecimal.

    The names of the table and of its source do not count.
    """
    digest = hashlib.sha256()
    for name, values in {**pack_graphs(graphs), **_columns(fields)}.items():
        array = np.ascontiguousarray(values)
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    digest.update(repr((fields["default"], sorted(fields["minimise"]))).encode())
    return digest.hexdigest()


def _columns(fields: Mapping[str, Any]) -> dict[str, np.ndarray]:
    columns = {
        f"{kind}/{name}": np.asarray(values)
        for kind in ("target", "subset")
        for name, values in fields[f"{kind}s"].items()
    }
    return columns | {n: np.asarray(fields[n]) for n in _MASKS if fields[n] is not None}


def _under(kind: str, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    start = f"{kind}/"
    return {n.removeprefix(start): v for n, v in columns.items() if n.startswith(start)}
