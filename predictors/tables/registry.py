"""`load_table`: every benchmark table behind one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.names import choose
from graph2nn.runs.variables import reference_folder
from predictors.tables import deepnets, nasbench, nlp, own, relational
from predictors.tables.table import Table

__all__ = ["TABLES", "load_table", "read_table"]


@dataclass(frozen=True)
class _Source:
    """Where a table's files are, and who reads them."""

    part: str  # of the reference data; empty for our own tables
    read: Callable[[Path], Table]

    def folder(self) -> Path:
        return reference_folder(self.part) if self.part else own.ground_truth_folder()

    def hint(self) -> str:
        if self.part:
            return (
                f"set NETWRIGHT_REFERENCE to the folder that holds data/{self.part}, or pass the "
                "folder of the file as data_dir"
            )
        return (
            "run from a clone of the repository, which has it in data/ground_truth, or make it: "
            "python experiments/ground_truth.py generate --help"
        )


_SOURCES = {
    "nb201": _Source("predictors", nasbench.nb201),
    "nb201_latency": _Source("predictors", nasbench.nb201_latency),
    "nb201_9x": _Source("predictors", nasbench.nb201_9x),
    "tnb101_micro": _Source("predictors", nasbench.tnb101_micro),
    "nas_bench_macro": _Source("predictors", nasbench.nas_bench_macro),
    "nb101_500": _Source("predictors", nasbench.nb101_500),
    "nb101_unlabelled": _Source("predictors", nasbench.nb101_unlabelled),
    "ec_nas": _Source("predictors", nasbench.ec_nas),
    "nb_nlp": _Source("predictors", nlp.nb_nlp),
    "relational": _Source("relational", relational.relational),
    **{
        name: _Source("", partial(own.own_table, name=name))
        for name in ("deepnets_digits", "deepnets_cifar10")
    },
    "deepnets_published": _Source("deepnets", deepnets.deepnets_published),
}

TABLES: tuple[str, ...] = tuple(_SOURCES)
"""Names of the tables."""


def read_table(name: str, *, data_dir: str | Path | None = None) -> Table:
    """Read a table with all its targets; kept in memory, so a second call costs nothing.

    Args:
        name: One of `TABLES`.
        data_dir: Folder with the table's files; by default the folder of reference data
            (`NETWRIGHT_REFERENCE`) for published tables, `data/ground_truth` for our own.

    Raises:
        ValueError: An unknown name, or files that are missing (the message says how to get them)
            or damaged.

    Examples:
        >>> read_table("nb201").higher_is_better("c10_val")     # doctest: +SKIP
        True
    """
    choose("table", name, TABLES)
    source = _SOURCES[name]
    try:
        folder = Path(data_dir) if data_dir is not None else source.folder()
    except ValueError as error:
        raise ValueError(f"the table {name} is not there: {error}") from None
    try:
        return _read(name, folder)
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else "file of it"
        raise ValueError(
            f"the table {name} is not there: no {missing} in {folder}; {source.hint()}"
        ) from None


@lru_cache(maxsize=4)
def _read(name: str, folder: Path) -> Table:
    return _SOURCES[name].read(folder)


def load_table(
    name: str,
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
        >>> X, y = load_table("nb201", target="c10_val")        # doctest: +SKIP
        >>> len(X)                                              # doctest: +SKIP
        15625
    """
    table = read_table(name, data_dir=data_dir)
    rows = table.rows(target, subset)
    return [table.graphs[k] for k in rows], table.label(target)[rows]
