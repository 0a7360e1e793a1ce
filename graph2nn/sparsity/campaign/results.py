"""`SparseTable`: one row per pruned and trained network, with its layers, ours and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.seals import warn_unvouched
from graph2nn.runs.shipped import named_data
from graph2nn.runs.tables import ColumnTable, Schema, read_columns, read_shipped

__all__ = [
    "KEY",
    "LAYER_COLUMNS",
    "METRICS",
    "OWN_TABLES",
    "PUBLISHED_MODELS",
    "PUBLISHED_PRUNERS",
    "SparseTable",
    "accuracy_drop",
    "published_table",
    "read_sparse_table",
]

KEY = ("model", "dataset", "pruning", "sparsity", "seed")
"""What names a network in the table of networks and in the table of layers."""

METRICS = (
    "nodes",
    "edges",
    "sink_nodes",
    "source_nodes",
    "disc_nodes",
    "r-out",
    "r-in",
    "1-hop_nei",
    "2-hop_nei",
    "motif",
    "avg_node_strength",
    "k-core",
    "cut-edges",
    "cut-nodes",
    "no_connected_components",
    "mean_connected_components",
    "spectral_gap",
    "spectral_radius",
)
"""Topometrics by their published names: counts of nodes and edges, then the sixteen."""

LAYER_COLUMNS = ("layer_id", "layer_name", "nnz", "numel", "delta_r", "imdb", "imsg")
"""What a table of layers holds besides `KEY`."""

OWN_TABLES = ("digits", "cifar10")
"""Names of the tables of ours that come with the package."""

PUBLISHED_MODELS = ("CONV-6", "Resnet-20", "Resnet-32", "Wide-Resnet-28-2")
"""The models with per-layer data; the table also has MobileNetV2."""

PUBLISHED_PRUNERS = ("snip", "grasp", "synflow", "prospr", "uniform", "er", "erk")
"""Pruning at initialisation; the table also has the dynamic dsr, rigl, itop and snfs."""

_NUMBERS = dict.fromkeys(("accuracy", "sparsity", *METRICS, *LAYER_COLUMNS), float)
_KINDS: dict[str, type] = {
    **_NUMBERS,
    **dict.fromkeys(("model", "dataset", "pruning", "layer_name"), str),
    **dict.fromkeys(("seed", "layer_id"), int),
}
_REQUIRED = (*KEY, "accuracy")
_SCHEMA = Schema(kinds=_KINDS, required=_REQUIRED, filled=_REQUIRED)
_LAYER_SCHEMA = Schema(kinds=_KINDS, required=(*KEY, *LAYER_COLUMNS), filled=(*KEY, "layer_id"))


class SparseTable(ColumnTable):
    """Accuracies and metrics of pruned networks: a mapping from column to array, one row a network.

    `model`, `dataset` and `pruning` are str, `seed` int64, everything that is a number float64 with
    NaN where missing. Columns beyond the published ones are kept.

    Args:
        columns: Arrays; at least those of `KEY` and `accuracy`, a fraction.
        layers: Columns of a table of layers: `KEY` and `LAYER_COLUMNS`, one row a layer. Rows of
            networks that the table has not are left out.
        where: Name of the table in messages, such as its path.
        repeated: Number of rows that were left out because they repeat another one exactly.

    Attributes:
        layers: The columns of `LAYER_COLUMNS`, and `row`, the network of each layer; sorted by
            network, and within it as given. None without a table of layers.

    Raises:
        ValueError: A missing column, unequal lengths, an accuracy outside [0, 1] or a sparsity
            outside [0, 1), a network given twice with different values.

    Examples:
        >>> table = SparseTable(dict(model=["A"], dataset=["d"], pruning=["snip"], sparsity=[.9],
        ...                          seed=[0], accuracy=[.5]))
        >>> table["accuracy"]
        array([0.5])
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        layers: Mapping[str, Any] | None = None,
        *,
        where: str = "table",
        repeated: int = 0,
    ) -> None:
        super().__init__(columns, _SCHEMA, where=where)
        self.repeated = repeated
        self._drop_repeated()
        self._check()
        self.layers: dict[str, np.ndarray] | None = None
        if layers is not None:
            self.layers = self._joined(layers)

    def __repr__(self) -> str:
        layers = "no layers" if self.layers is None else f"{len(self.layers['row'])} layers"
        return f"SparseTable({self.where}: {self.num_rows} networks, {layers})"

    def keys_of_rows(self) -> list[tuple[Any, ...]]:
        """List (model, dataset, pruning, sparsity, seed) of each network."""
        return list(zip(*(self[name].tolist() for name in KEY)))

    def incomplete(self, names: Sequence[str] = METRICS) -> np.ndarray:
        """Find the rows where any of these columns is missing, (rows,) bool."""
        found = np.zeros(self.num_rows, dtype=bool)
        for name in names:
            if name in self:
                found |= np.isnan(self[name].astype(float))
        return found

    def with_column(self, name: str, values: np.ndarray) -> SparseTable:
        """Add a column, (rows,)."""
        return self._like({**self._columns, name: values}, self.layers)

    def take(self, keep: np.ndarray) -> SparseTable:
        """Select the networks that a mask (rows,) or an index array (k,) picks.

        Their layers come with them.
        """
        rows = np.arange(self.num_rows)[keep]
        columns = {name: column[rows] for name, column in self._columns.items()}
        if self.layers is None:
            return self._like(columns, None)
        starts = np.searchsorted(self.layers["row"], np.arange(self.num_rows + 1))
        parts = [np.arange(starts[row], starts[row + 1]) for row in rows]
        picked = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        layers = {name: column[picked] for name, column in self.layers.items()}
        layers["row"] = np.repeat(np.arange(len(rows)), [len(part) for part in parts])
        return self._like(columns, layers)

    def select(self, **values: Any) -> SparseTable:
        """Select the networks that agree with every column given.

        A sequence means any of its values.

        Raises:
            ValueError: No network has one of these values.

        Examples:
            >>> read_sparse_table("digits").select(model="CONV-6", pruning=("snip", "erk")).num_rows
            30
        """
        keep = np.ones(self.num_rows, dtype=bool)
        for name, value in values.items():
            wanted = [value] if isinstance(value, (str, int, float)) else list(value)
            for one in wanted:
                if one not in self[name]:
                    have = ", ".join(map(str, np.unique(self[name])))
                    raise ValueError(f"{self.where}: no network with {name} {one}; it has {have}")
            keep &= np.isin(self[name], wanted)
        return self.take(keep)

    def _like(
        self, columns: Mapping[str, np.ndarray], layers: dict[str, np.ndarray] | None
    ) -> SparseTable:
        made = SparseTable(columns, where=self.where, repeated=self.repeated)
        made.layers = layers
        return made

    def _drop_repeated(self) -> None:
        """Rows that are equal in every column count once; the same network twice is an error."""
        first: dict[tuple[Any, ...], int] = {}
        text = [[repr(value) for value in column.tolist()] for column in self._columns.values()]
        rows = list(zip(*text))
        keep = []
        for row, key in enumerate(self.keys_of_rows()):
            known = first.setdefault(key, row)
            if known == row:
                keep.append(row)
            elif rows[known] != rows[row]:
                raise ValueError(
                    f"{self.where}: rows {known} and {row} are the same network "
                    f"({', '.join(map(str, key))}) with different values: remove one of them"
                )
        self.repeated += self.num_rows - len(keep)
        self._columns = {name: column[keep] for name, column in self._columns.items()}

    def _check(self) -> None:
        accuracy, sparsity = self["accuracy"], self["sparsity"]
        for name, values, bad in (
            ("accuracy: expected a fraction in [0, 1]", accuracy, ~(abs(accuracy - 0.5) <= 0.5)),
            (
                "sparsity: expected a fraction in [0, 1)",
                sparsity,
                ~((sparsity >= 0) & (sparsity < 1)),
            ),
        ):
            if bad.any():
                row = int(bad.argmax())
                raise ValueError(f"{self.where}: row {row}: {name}, got {values[row]}")

    def _joined(self, layers: Mapping[str, Any]) -> dict[str, np.ndarray]:
        where = f"layers of {self.where}"
        arrays = _LAYER_SCHEMA.arrays(layers, where)
        row_of = {key: row for row, key in enumerate(self.keys_of_rows())}
        keys = zip(*(arrays[name].tolist() for name in KEY))
        rows = np.array([row_of.get(key, -1) for key in keys], dtype=np.int64)
        order = np.argsort(rows, kind="stable")[(rows < 0).sum() :]
        joined = {name: arrays[name][order] for name in LAYER_COLUMNS}
        joined["row"] = rows[order]
        bad = ~((joined["nnz"] >= 0) & (joined["nnz"] <= joined["numel"]))
        if bad.any():
            at = int(bad.argmax())
            raise ValueError(
                f"{where}: {joined['layer_name'][at]}: expected 0 to numel weights, got "
                f"{joined['nnz'][at]} of {joined['numel'][at]}"
            )
        return joined


def read_sparse_table(path: str | Path, layers: str | Path | None = None) -> SparseTable:
    """Read a table of networks from a `.csv` or `.csv.gz` file, or one of ours by name.

    Args:
        path: Path of the table of networks, or one of `OWN_TABLES`, which come with the package, or
            "published".
        layers: Path of the table of their layers. None looks for NAME_layers.csv or .csv.gz beside
            it.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As `SparseTable`, or a damaged file, or another checksum than `NAME.sha256`
            beside it says; without that file there is a warning.

    Examples:
        >>> read_sparse_table("digits").num_rows
        210
    """
    if str(path) == "published" and not Path(path).exists():
        return published_table()
    names = {name: f"sparse/{name}.csv" for name in OWN_TABLES}
    path = named_data(path, names, 'a table, "published"')
    if layers is None:
        stem = path.name.removesuffix(".gz").removesuffix(".csv")
        places = [path.with_name(f"{stem}_layers.csv{end}") for end in ("", ".gz")]
        layers = next((place for place in places if place.is_file()), None)
    columns = read_columns(path, _REQUIRED)
    more = None if layers is None else read_columns(layers)
    table = SparseTable(columns, more, where=str(path))
    for file in (path,) if layers is None else (path, layers):
        warn_unvouched(file)
    return table


def published_table() -> SparseTable:
    """Read the published table of 2290 pruned and trained networks (arXiv:2305.16886).

    It has accuracies, normalised topometrics and layers, as published with mge-snn.

    47 exact duplicates (Wide-Resnet-28-2 on tinyimagenet) are left out, which `repeated` counts. 4
    networks that were pruned to pieces lack the local metrics: `table.incomplete()` finds them.
    `accuracy_drop` wants the whole table; the studies of the specification then take
    `table.select(model=PUBLISHED_MODELS, pruning=PUBLISHED_PRUNERS)`, 1251 networks, 1247 of them
    complete.

    Raises:
        ValueError: A damaged file.

    Examples:
        >>> published_table().num_rows
        2290
    """
    networks, layers = (read_shipped(name).columns for name in ("sparse", "sparse_layers"))
    return SparseTable(networks, layers, where="published table")


def accuracy_drop(table: SparseTable) -> np.ndarray:
    """Compute the part of the accuracy that pruning costs.

    It is 1 - accuracy / accuracy of the dense network. The dense accuracy is that of the column
    `dense_accuracy`, or the mean of the rows of the same model and data set whose pruning is
    `dense`. Without either, as in the published table, the best accuracy among all pruned networks
    of the model and data set stands for it; call this before leaving out networks.

    Shapes: (rows,), at most 1; negative where the sparse network is better.
    """
    accuracy = table["accuracy"]
    if "dense_accuracy" in table:
        dense = table["dense_accuracy"]
    else:
        dense = np.empty(table.num_rows)
        pairs = np.char.add(np.char.add(table["model"], "|"), table["dataset"])
        for pair in np.unique(pairs):
            here = pairs == pair
            whole = here & (table["pruning"] == "dense")
            dense[here] = accuracy[whole].mean() if whole.any() else accuracy[here].max()
    if not (dense > 0).all():
        row = int((~(dense > 0)).argmax())
        raise ValueError(
            f"{table.where}: row {row}: the dense accuracy of {table['model'][row]} on "
            f"{table['dataset'][row]} is {dense[row]}; it must be above 0 and known"
        )
    return 1 - accuracy / dense
