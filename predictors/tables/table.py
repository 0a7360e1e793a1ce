"""`Table`: networks with labels, what is known of the labels, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.tracer import View
from graph2nn.names import choose
from predictors.tables.making import (
    Architecture,
    content_checksum,
    fields_of_csv,
    fields_of_models,
    read_fields,
    read_labels,
    write_fields,
)

__all__ = ["UNNAMED", "NoiseReference", "Table", "TableLike"]

UNNAMED = "own"
"""Name of a table whose maker gave none; one that is loaded is then named like its file."""


@dataclass(frozen=True, kw_only=True)
class NoiseReference:
    """How well one noisy label orders networks by another: a reference, not a hard ceiling.

    A predictor that comes close to the mean over many runs can be better than a single run is.

    Args:
        tau: Kendall tau-b between the two.
        meaning: What the two labels are.
    """

    tau: float
    meaning: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A table of networks with labels, to learn from and to benchmark on.

    Tables of one's own are made by `from_models` and `from_csv`, and kept by `save` and `load`.

    Args:
        name: Name of the table.
        graphs: Graphs, one a row; numbers known without training are in their `attributes`.
        targets: Label of every row for each target, NaN where there is none.
        default: The target meant when none is named.
        minimise: Targets of which less is better (errors, latencies, losses).
        subsets: Rows that a published protocol restricts itself to, as masks.
        group: Numbers of groups: rows with equal numbers must not be divided between training and
            test.
        split: The table's own training rows, as a mask, where it has such.
        test_size: Number of networks that the published protocol tests on.
        noise: References for the noise of targets.
        source: Publication to cite.

    Shapes:
        targets, subsets, group, split (N,) each.
    """

    name: str
    graphs: Sequence[ArchGraph]
    targets: Mapping[str, np.ndarray]
    default: str
    minimise: frozenset[str] = frozenset()
    subsets: Mapping[str, np.ndarray] = field(default_factory=dict)
    group: np.ndarray | None = None
    split: np.ndarray | None = None
    test_size: int = 2000
    noise: Mapping[str, NoiseReference] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        parts = {**self.targets, **self.subsets, "group": self.group, "split": self.split}
        for name, values in parts.items():
            if values is not None and len(values) != len(self.graphs):
                raise ValueError(
                    f"table {self.name}: expected {len(self.graphs)} values in {name}, one a "
                    f"network, got {len(values)}"
                )
        for what, names in (("default", [self.default]), ("minimise", sorted(self.minimise))):
            for name in names:
                choose("target", name, self.targets, where=f"table {self.name}, {what}")

    @classmethod
    def from_models(
        cls,
        models: Any,
        labels: Any,
        *,
        inputs: Any = None,
        name: str = UNNAMED,
        default: str | None = None,
        minimise: Collection[str] = (),
        groups: Any = None,
        attributes: Sequence[str] | Mapping[str, Any] = (),
        view: View = "full",
        source: str = "",
        progress: bool = True,
    ) -> Table:
        """Make a table of models of one's own.

        Args:
            models: Dictionary from name to model, or pairs of them. A model is a `torch.nn.Module`,
                an `ArchGraph`, a `NetConfig`, the string of a NAS-Bench-201 cell, or a function
                that makes one of these: it is called, traced and dropped before the next one.
            labels: Dictionary from target to numbers, in the order of the models or by name; a
                DataFrame; or the numbers of one target. NaN and None stand for no label.
            inputs: Example input of `graph2nn.archgraph.trace`, or its shape, the batch first; or a
                dictionary of these by name of the model. None for images.
            name: Name of the table.
            default: Target meant when none is named; None for the first.
            minimise: Targets of which less is better.
            groups: Group of each model, of any kind, in order or by name: a group is not divided
                between training and test. None makes a group of models with the same graph.
            attributes: Numbers known without training: some of `params` and `flops`
                (multiply-adds of one sample), which are counted, or a dictionary from name to
                numbers.
            view: Kind of graph, see `trace`.
            source: What to cite.
            progress: Whether a bar is shown.

        Raises:
            ValueError: Models, labels or inputs that do not fit; names the row.

        Examples:
            >>> from torch import nn
            >>> models = {f"linear{n}": nn.Linear(8, n) for n in (4, 9)}
            >>> Table.from_models(models, {"acc": [71.0, 78.5]}, inputs=(1, 8), progress=False)
            Table('own', rows=2, targets=1)
        """
        how: dict[str, Any] = {"groups": groups, "attributes": attributes, "view": view}
        made = fields_of_models(models, labels, inputs=inputs, progress=progress, **how)
        return cls._made(made, name, default, minimise, source)

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        arch: Callable[[Any], Architecture],
        *,
        column: str | None = None,
        labels: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        name: str | None = None,
        default: str | None = None,
        minimise: Collection[str] = (),
        groups: str | None = None,
        attributes: Sequence[str] = (),
        inputs: Any = None,
        view: View = "full",
        source: str = "",
        delimiter: str | None = None,
        progress: bool = True,
    ) -> Table:
        """Make a table of the rows of a `.csv` file, or a `.csv.gz` file.

        Args:
            path: Path of the file, whose first line names the columns.
            arch: Function that makes of a row what `from_models` takes as a model. A row is a
                dictionary by column of numbers where all of a column are some, else of text.
            column: Column whose text the function gets in place of the row.
            labels: Columns of targets; None for all columns of numbers that nothing else names. An
                empty value is no label.
            ignore: Columns that are no targets.
            name: Name of the table; None for the file's.
            groups: Column that names the group of each row, see `from_models`.
            attributes: Columns of numbers known without training.
            default, minimise, inputs, view, source, progress: Arguments of `from_models`.
            delimiter: Character between values; None to see for oneself.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A damaged file, unknown columns, values that are no numbers, a function that
                fails; names the line and the column.

        Examples:
            >>> from torch import nn
            >>> _ = Path("mine.csv").write_text("width,acc\\n4,71.0\\n9,78.5\\n")
            >>> make = lambda row: nn.Linear(8, int(row["width"]))
            >>> how = {"labels": ["acc"], "inputs": (1, 8), "progress": False}
            >>> Table.from_csv("mine.csv", make, **how)
            Table('mine', rows=2, targets=1)
        """
        made = fields_of_csv(
            path,
            arch,
            column=column,
            labels=labels,
            ignore=ignore,
            groups=groups,
            attributes=attributes,
            inputs=inputs,
            view=view,
            delimiter=delimiter,
            progress=progress,
        )
        return cls._made(made, name or Path(path).name.split(".")[0], default, minimise, source)

    @classmethod
    def _made(
        cls,
        made: dict[str, Any],
        name: str,
        default: str | None,
        minimise: Collection[str],
        source: str,
    ) -> Table:
        less = (minimise,) if isinstance(minimise, str) else minimise
        target = default or next(iter(made["targets"]))
        return cls(name=name, default=target, minimise=frozenset(less), source=source, **made)

    @classmethod
    def load(cls, path: str | Path) -> Table:
        """Load a table that `save` has written.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: Another kind of file, another version of it, or damaged; says what to do.
        """
        found = read_fields(path)
        found["noise"] = {
            n: NoiseReference(tau=t, meaning=m) for n, (t, m) in found["noise"].items()
        }
        if found["name"] == UNNAMED:
            found["name"] = Path(path).stem
        return cls(**found)

    def save(self, path: str | Path) -> Path:
        """Save the table to one file, graphs included; whole or not at all.

        Args:
            path: Path of the file, by custom `NAME.h5`; one that is there is replaced.

        Raises:
            OSError: The file cannot be written; says what to do.
            ValueError: A graph that cannot be kept.
        """
        return write_fields(path, self._fields())

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of graphs and labels, by which a table is known whatever its name."""
        return content_checksum(self.graphs, self._fields())

    def _fields(self) -> dict[str, Any]:
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**kept, "noise": {name: astuple(noise) for name, noise in self.noise.items()}}

    def select(self, rows: Any, *, name: str | None = None) -> Table:
        """Return a table of some of the rows, in the order given.

        Args:
            rows: Numbers of rows, a mask or a slice.
            name: Name of the new table; None for that of the old one.

        Raises:
            ValueError: No row, or rows that are not there.
        """
        try:
            index = np.arange(len(self))[rows]
        except IndexError as error:
            raise ValueError(f"table {self.name} has {len(self)} rows: {error}") from None
        if index.ndim != 1 or not len(index):
            raise ValueError(f"table {self.name}: expected rows to select, got {rows!r}")
        return replace(
            self,
            name=name or self.name,
            graphs=[self.graphs[k] for k in index],
            targets={n: values[index] for n, values in self.targets.items()},
            subsets={n: values[index] for n, values in self.subsets.items()},
            group=None if self.group is None else self.group[index],
            split=None if self.split is None else self.split[index],
            noise={},  # it was measured on all rows
        )

    def with_labels(self, labels: Any, *, minimise: Collection[str] = ()) -> Table:
        """Return a table with more targets, or with others in place of those of the same name.

        Args:
            labels: Labels as `from_models` takes them; by name means by the names of the graphs.
            minimise: Those of the new targets of which less is better.

        Raises:
            ValueError: Labels that do not fit.
        """
        new = read_labels(labels, [graph.name for graph in self.graphs])
        less = (self.minimise - set(new)) | set(minimise)
        noise = {name: found for name, found in self.noise.items() if name not in new}
        targets = {**self.targets, **new}
        return replace(self, targets=targets, minimise=frozenset(less), noise=noise)

    def __len__(self) -> int:
        return len(self.graphs)

    def label(self, target: str | None = None) -> np.ndarray:
        """Return the labels of a target, (N,), NaN where there is none.

        Raises:
            ValueError: Unknown target (the message lists the known ones).
        """
        name = target or self.default
        if name not in self.targets:
            raise ValueError(
                f"table {self.name} has no target {name!r}; it has {', '.join(self.targets)}"
            )
        return self.targets[name]

    def rows(self, target: str | None = None, subset: str | None = None) -> np.ndarray:
        """Number the labelled rows, in the order of the table, (M,).

        Raises:
            ValueError: Unknown target or subset.
        """
        keep = np.isfinite(self.label(target))
        if subset is not None:
            if subset not in self.subsets:
                known = ", ".join(self.subsets) or "none"
                raise ValueError(f"table {self.name} has no subset {subset!r}; it has {known}")
            keep &= self.subsets[subset]
        return np.flatnonzero(keep)

    def higher_is_better(self, target: str | None = None) -> bool:
        """Tell whether larger values of the target are better."""
        return (target or self.default) not in self.minimise

    def __repr__(self) -> str:
        return f"Table({self.name!r}, rows={len(self)}, targets={len(self.targets)})"


TableLike: TypeAlias = str | Path | Table
"""What stands for a table: name of a shipped one, path of a file of one's own, or the table."""
