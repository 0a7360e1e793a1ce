"""How does a table of known origin fit into one small file that gives exactly its values back?"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from graph2nn.runs.checkpoint import write_atomic
from graph2nn.runs.seals import SEAL, check_seal, sealed
from graph2nn.runs.shipped import shipped_file
from graph2nn.runs.tables.layouts import Layout, Stored, pack_column, unpack_column
from graph2nn.runs.tables.schema import TableNotFoundError

__all__ = ["Facts", "PackedTable", "read_packed", "read_shipped", "write_packed"]

_FORMAT, _VERSION = "netwright-columns", 1
_PARTS = ("columns", "distinct", "arrays")
_FILTERS = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
_DAMAGE = (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError)
_AGAIN = "install netwright again, or copy or write the file again"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of its table.

    Args:
        name: Name of the table.
        title: One line on what the rows are.
        source: Origin of the values: a repository as owner/name, and the path in it.
        cite: Publication to cite.
        licence: Licence of the source.
        units: Unit or meaning of each column.
        notes: Anything else of JSON's types, such as the default target.
    """

    name: str
    title: str = ""
    source: str = ""
    cite: str = ""
    licence: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class PackedTable:
    """The columns of a file of `write_packed`, and what it says of them.

    Args:
        facts: What the file says.
        columns: Arrays by name, in the order of writing: str, int64, float64 or bool.
        arrays: Further arrays of numbers, of the types they were written with.

    Shapes:
        columns (rows,) each; numbers also (rows, width). arrays any.
    """

    facts: Facts
    columns: Mapping[str, np.ndarray]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Length of the columns."""
        return len(next(iter(self.columns.values()), ()))


def write_packed(
    path: str | Path,
    columns: Mapping[str, np.ndarray],
    facts: Facts,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write columns of one length as a compressed HDF5 file, whole or not at all.

    The same columns and facts give the same bytes; every column is read back while writing and
    compared bit for bit.

    Args:
        path: Path of the file, by custom `NAME.h5`.
        columns: Whole numbers, floats, bools or str by name, (rows,); numbers also (rows, width).
        facts: What the file says of them.
        arrays: Numbers of any other lengths to keep beside the columns, as they are.

    Raises:
        OSError: See `write_atomic`.
        ValueError: Columns of unequal lengths or of another kind, units of columns that are not
            there; with the column.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"table {facts.name}: columns of unequal lengths, {lengths}")
    unknown = [name for name in facts.units if name not in columns]
    if unknown:
        raise ValueError(f"table {facts.name}: units of unknown columns {', '.join(unknown)}")
    layouts, stored = _packed(columns, facts)
    for name, array in (arrays or {}).items():
        stored.setdefault(name, {})["arrays"] = array
    said: dict[str, Any] = {"facts": asdict(facts), "columns": layouts}
    if arrays:
        said["arrays"] = list(arrays)
    header = json.dumps(said, ensure_ascii=False)
    buffer = io.BytesIO()
    options = {"libver": ("v110", "v110"), "userblock_size": SEAL}
    with h5py.File(buffer, "w", **options) as file:
        file.attrs["format"], file.attrs["version"] = _FORMAT, _VERSION
        _put(file, "header", np.frombuffer(header.encode(), np.uint8))
        for name, parts in stored.items():
            for part, array in parts.items():
                _put(file, f"{part}/{_key(name)}", array)
    content = sealed(buffer.getvalue(), _FORMAT, _VERSION)
    return write_atomic(path, lambda out: out.write(content))


def _packed(
    columns: Mapping[str, np.ndarray], facts: Facts
) -> tuple[dict[str, Layout], dict[str, Stored]]:
    layouts: dict[str, Layout] = {}
    stored: dict[str, Stored] = {}
    for name, values in columns.items():
        try:
            layouts[name], stored[name] = pack_column(np.asarray(values))
        except ValueError as error:
            raise ValueError(f"table {facts.name}, column {name}: {error}") from None
    return layouts, stored


def read_packed(path: str | Path) -> PackedTable:
    """Read a file of `write_packed`.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another kind of file, of another version, or damaged; says what to do.

    Examples:
        >>> import tempfile
        >>> columns = {"arch": np.array(["a", "b"]), "acc": np.array([93.25, np.nan])}
        >>> file = write_packed(f"{tempfile.mkdtemp()}/mine.h5", columns, Facts(name="mine"))
        >>> read_packed(file).columns["acc"].tolist()
        [93.25, nan]
    """
    path = Path(path)
    if not path.is_file():
        raise TableNotFoundError(path, "a table, a file such as NAME.h5")
    _check_seal(path)
    try:
        with h5py.File(path, "r") as file:
            said = json.loads(bytes(file["header"][()]))
            others = said.get("arrays", ())
            stored = {name: _parts(file, name) for name in (*said["columns"], *others)}
        facts = Facts(**said["facts"])
        columns = {n: unpack_column(layout, stored[n]) for n, layout in said["columns"].items()}
        arrays = {name: stored[name]["arrays"] for name in others}
    except _DAMAGE as error:
        raise ValueError(f"{path} is damaged or cut off ({error}); {_AGAIN}") from None
    return PackedTable(facts=facts, columns=columns, arrays=arrays)


def read_shipped(name: str) -> PackedTable:
    """Read a published table that comes with the package, from `data/published/NAME.h5`.

    Raises:
        FileNotFoundError: No such table is shipped; the message lists those that are.
        ValueError: See `read_packed`.

    Examples:
        >>> read_shipped("relational").num_rows
        20496
    """
    return read_packed(shipped_file(f"data/published/{name}.h5"))


def _check_seal(path: Path) -> None:
    kind = f"table of columns: expected a file of the format {_FORMAT}"
    found = check_seal(path, kind, _AGAIN, newest=(_FORMAT, _VERSION))
    if found is None or found[0] != _FORMAT:
        raise ValueError(f"{path} is no {kind}; {_AGAIN}")


def _parts(file: h5py.File, name: str) -> Stored:
    places = {part: f"{part}/{_key(name)}" for part in _PARTS}
    return {part: file[place][()] for part, place in places.items() if place in file}


def _put(file: h5py.File, place: str, array: np.ndarray) -> None:
    options = {**_FILTERS, "chunks": array.shape} if array.size else {}
    file.create_dataset(place, data=array, **options)


def _key(name: str) -> str:
    """The name of a column as one part of a path in the file."""
    return "%2E" if name == "." else name.replace("%", "%25").replace("/", "%2F")
