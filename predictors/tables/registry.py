"""`load_table`: every benchmark table behind one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.ground_truth import TABLES as TRAINED_TABLES
from graph2nn.ground_truth import holds_ground_truth, read_ground_truth
from graph2nn.names import choose
from graph2nn.runs.variables import reference_folder
from predictors.tables import deepnets, nasbench, networks, nlp, relational, trained
from predictors.tables.table import Table, TableLike

__all__ = ["TABLES", "is_file_name", "load_table", "read_table"]


@dataclass(frozen=True)
class _Source:
    """Who reads a table, and where its files are unless a user names a folder."""

    read: Callable[[Any], Table]  # of a folder; of None what comes with the package
    folder: Callable[[], Path | None] = lambda: None
    hint: str = "pass the folder of the file, or leave out data_dir for what comes with netwright"


_SOURCES = {
    "nb201": _Source(nasbench.nb201),
    "nb201_latency": _Source(nasbench.nb201_latency),
    "nb201_9x": _Source(nasbench.nb201_9x),
    "tnb101_micro": _Source(nasbench.tnb101_micro),
    "tnb101_macro": _Source(networks.tnb101_macro),
    "nas_bench_macro": _Source(nasbench.nas_bench_macro),
    "nb101_500": _Source(nasbench.nb101_500),
    "nb101_unlabelled": _Source(nasbench.nb101_unlabelled),
    "ec_nas": _Source(nasbench.ec_nas),
    "nb_nlp": _Source(nlp.nb_nlp),
    "fbnet": _Source(networks.fbnet),
    "hwgpt": _Source(networks.hwgpt),
    "timm_models": _Source(networks.timm_models),
    "relational": _Source(relational.relational),
    **{
        name: _Source(
            partial(trained.trained_table, name=name), partial(trained.ground_truth_folder, name)
        )
        for name in TRAINED_TABLES
    },
    "deepnets_published": _Source(
        deepnets.deepnets_published,
        partial(reference_folder, "deepnets"),
        "download deepnets1m_eval.hdf5 and deepnets1m_eval_meta.json, the networks of DeepNets-1M, "
        "as https://github.com/facebookresearch/ppuda says, and pass their folder as data_dir",
    ),
}

TABLES: tuple[str, ...] = tuple(_SOURCES)
"""Names of the tables."""


def read_table(name: TableLike, *, data_dir: str | Path | None = None) -> Table:
    """Read a table with all its targets; kept in memory, so a second call costs nothing.

    Args:
        name: One of `TABLES`, or the path of a file: a table of one's own (`Table.save`) or trained
            networks (`experiments/ground_truth.py`). A `Table` is given back.
        data_dir: Folder with the table's files: the originals of a published table, `NAME.h5` of
            our own; None for those that come with the package.

    Raises:
        ValueError: An unknown name, or files that are missing (the message says how to get them)
            or damaged.

    Examples:
        >>> read_table("nb101_500").higher_is_better("val_accuracy")
        True
    """
    if isinstance(name, Table):
        return name
    if is_file_name(name):
        return _read_path(Path(name))
    name = choose("table", name, TABLES, more="or the path of a table of your own, such as a.h5")
    source = _SOURCES[name]
    try:
        folder = Path(data_dir) if data_dir is not None else source.folder()
    except FileNotFoundError as error:
        raise ValueError(f"the table {name} is not there: {error}") from None
    except ValueError as error:
        raise ValueError(f"the table {name} is not there: {error}; or {source.hint}") from None
    try:
        return _read(name, folder)
    except FileNotFoundError as error:
        if folder is None:
            raise ValueError(f"the table {name} is not there: {error}") from None
        missing = Path(error.filename).name if error.filename else "file of it"
        raise ValueError(
            f"the table {name} is not there: no {missing} in {folder}; {source.hint}"
        ) from None


@lru_cache(maxsize=4)
def _read(name: str, folder: Path | None) -> Table:
    return _SOURCES[name].read(folder)


def is_file_name(name: object) -> bool:
    """Tell whether a name means a file: no name of a table, and it looks like a path or is one."""
    if isinstance(name, str) and name in TABLES:
        return False
    if not isinstance(name, (str, Path)):
        return False
    path = Path(name)
    return isinstance(name, Path) or len(path.parts) > 1 or bool(path.suffix) or path.exists()


def _read_path(path: Path) -> Table:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise ValueError(
            f"the table {path} {what}; make one with predictors.Table.from_models or "
            "from_csv, and save it, or choose one of those that are shipped: "
            f"{', '.join(TABLES)}"
        )
    stamp = path.stat()
    return _read_file(path.resolve(), stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _read_file(path: Path, changed: int, size: int) -> Table:
    """The table of a file as it is now; the time of its last change and its size tell it apart."""
    if holds_ground_truth(path):
        return trained.ground_truth_table(read_ground_truth(path), name=path.stem)
    return Table.load(path)


def load_table(
    name: TableLike,
    *,
    target: str | None = None,
    subset: str | None = None,
    data_dir: str | Path | None = None,
) -> tuple[list[ArchGraph], np.ndarray]:
    """Load the labelled networks of a table, in the order of its file.

    Args:
        name, data_dir: Arguments of `read_table`.
        target: Target to predict; None is the table's own default (accuracy).
        subset: Rows of a published protocol, such as `valid` of nb201.

    Returns:
        X, a list of graphs, and y, in the units of the table. Rows without a label are left out.

    Shapes:
        y (N,).

    Raises:
        ValueError: Unknown names, or files that are not there.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> len(X)
        500
    """
    table = read_table(name, data_dir=data_dir)
    rows = table.rows(target, subset)
    return [table.graphs[k] for k in rows], table.label(target)[rows]
