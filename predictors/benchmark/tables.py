"""Which table is a trial's? A shipped one by name; one of the user's own has a copy in the run.

The copy is what worker processes read, what the leaderboard looks noise up in, and what tells when
a table under the same name has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from predictors.tables import TABLES, NoiseReference, Table, TableLike, is_file_name, read_table

__all__ = ["keep_tables", "label_noise", "table_copy", "table_name"]


def table_name(table: TableLike, *, data_dir: str | Path | None = None) -> str:
    """Return the name under which records keep a table's results.

    Args:
        table: Name of a shipped table, or a table of one's own or the path of its file.
        data_dir: Folder of the files of shipped tables.

    Raises:
        ValueError: A table of one's own that is called like a shipped one, or that is not there.
    """
    if not isinstance(table, Table) and not is_file_name(table):
        return str(table)
    own = read_table(table)
    if own.name in TABLES:
        shipped = read_table(own.name, data_dir=data_dir)
        if own is not shipped and own.checksum != shipped.checksum:
            raise ValueError(
                f"table {own.name}: a shipped table with other contents has this name; give yours "
                "another one: table.select(slice(None), name='mine'), or rename its file"
            )
    return own.name


def keep_tables(
    folder: Path, tables: Iterable[TableLike], *, data_dir: str | Path | None = None
) -> dict[str, Path]:
    """Keep a copy of each table of one's own in the folder of a run.

    Args:
        folder: Folder of the run.
        tables: Tables of the trials, in any form.
        data_dir: Folder of the files of shipped tables.

    Returns:
        Path of the copy, by name.

    Raises:
        ValueError: Another table, or other contents, under the same name: results would be mixed.
    """
    copies: dict[str, Path] = {}
    for table in tables:
        name = table_name(table, data_dir=data_dir)
        if name in TABLES or not (isinstance(table, Table) or is_file_name(table)):
            continue
        own, path = read_table(table), table_copy(folder, name)
        if not path.is_file():
            own.save(path)
        elif read_table(path).checksum != own.checksum:
            raise ValueError(
                f"{folder} holds results of a table {name} with other contents: take another "
                "folder, or give the table another name"
            )
        copies[name] = path
    return copies


def table_copy(folder: str | Path, name: str) -> Path:
    """Return the path of the copy of a table of one's own, which may not be there."""
    return Path(folder) / "tables" / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}.h5"


def label_noise(
    table: str, target: str, *, folder: str | Path | None, data_dir: str | Path | None
) -> NoiseReference | None:
    """Look up the noise reference of a target; None where there is none.

    Args:
        table: Name of the table in the records.
        target: Name of the target.
        folder: Folder of the run, for tables of one's own; None where there are none.
        data_dir: Folder of the files of shipped tables.
    """
    if table in TABLES:
        return read_table(table, data_dir=data_dir).noise.get(target)
    copy = None if folder is None else table_copy(folder, table)
    return read_table(copy).noise.get(target) if copy and copy.is_file() else None
