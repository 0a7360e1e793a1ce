"""What is a user's table made of? Models or rows of a file, with labels, as fields of `Table`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph, structural_hash
from graph2nn.archgraph.tracer import View
from predictors.tables.making.csv_rows import read_csv_rows
from predictors.tables.making.labels import group_numbers, read_columns_of, read_labels
from predictors.tables.making.models import Architecture, graphs_of, named_models

__all__ = ["fields_of_csv", "fields_of_models", "with_attributes"]


def fields_of_models(
    models: Any,
    labels: Any,
    *,
    inputs: Any = None,
    groups: Any = None,
    attributes: Sequence[str] | Mapping[str, Any] = (),
    view: View = "full",
    progress: bool = True,
) -> dict[str, Any]:
    """Make the fields of a table of models, see `Table.from_models`.

    Raises:
        ValueError: See `Table.from_models`.
    """
    pairs = named_models(models)
    names = [name for name, _ in pairs]
    targets = read_labels(labels, names)  # before the models are built, which may take long
    numbers = attributes if isinstance(attributes, Mapping) else {}
    given = read_columns_of(numbers, names, "attribute")
    group = None if groups is None else group_numbers(groups, names)
    counted = [name for name in attributes if name not in given]
    graphs = graphs_of(pairs, inputs=inputs, attributes=counted, view=view, progress=progress)
    graphs = with_attributes(graphs, given)
    return {"graphs": _one_vocabulary(graphs), "targets": targets, "group": _grouped(graphs, group)}


def fields_of_csv(
    path: str | Path,
    arch: Callable[[Any], Architecture],
    *,
    column: str | None = None,
    labels: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    groups: str | None = None,
    attributes: Sequence[str] = (),
    inputs: Any = None,
    view: View = "full",
    delimiter: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Make the fields of a table from a file, see `Table.from_csv`.

    Raises:
        FileNotFoundError, ValueError: See `Table.from_csv`.
    """
    rows = read_csv_rows(path, delimiter)
    named = [name for name in (column, groups) if name is not None]
    rows.check([*named, *(labels or ()), *ignore, *attributes])
    if labels is None:
        labels = rows.label_columns([*named, *ignore, *attributes])
    targets = {name: rows.numbers(name) for name in labels}
    group = None if groups is None else rows.groups(groups)
    how: dict[str, Any] = {"inputs": inputs, "view": view, "progress": progress}
    known = {name: rows.numbers(name) for name in attributes}
    graphs = with_attributes(rows.graphs(arch, column, **how), known)
    return {"graphs": _one_vocabulary(graphs), "targets": targets, "group": _grouped(graphs, group)}


def with_attributes(
    graphs: Sequence[ArchGraph], columns: Mapping[str, np.ndarray]
) -> list[ArchGraph]:
    """Copy the graphs with the finite numbers of their row among their attributes.

    Shapes:
        columns (N,) each.
    """
    if not columns:
        return list(graphs)
    found = []
    for row, graph in enumerate(graphs):
        own = {n: float(values[row]) for n, values in columns.items() if np.isfinite(values[row])}
        found.append(graph.replace(attributes={**graph.attributes, **own}))
    return found


def _one_vocabulary(graphs: Sequence[ArchGraph]) -> list[ArchGraph]:
    """The graphs with all operations of the table in their vocabulary.

    A predictor that learns from some of them then knows the names of the operations of the others.
    """
    vocabularies = dict.fromkeys(graph.ops for graph in graphs)
    if len(vocabularies) == 1:
        return list(graphs)
    ops = tuple(dict.fromkeys(op for known in vocabularies for op in known))
    place = {known: np.array([ops.index(op) for op in known]) for known in vocabularies}
    return [graph.replace(op=place[graph.ops][graph.op], ops=ops) for graph in graphs]


def _grouped(graphs: Sequence[ArchGraph], group: np.ndarray | None) -> np.ndarray | None:
    """The groups given; else those of equal graphs, where there are any."""
    if group is not None:
        return group
    numbers: dict[str, int] = {}
    keys = [structural_hash(graph) for graph in graphs]
    found = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return found if len(numbers) < len(graphs) else None
