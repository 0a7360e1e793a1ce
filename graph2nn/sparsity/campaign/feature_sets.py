"""Tables of numbers that describe sparse networks, by name, for models that predict accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graph2nn.names import choose
from graph2nn.sparsity.campaign.densities import DENSITY_FLOOR
from graph2nn.sparsity.campaign.results import METRICS, SparseTable

__all__ = ["FEATURE_SETS", "FeatureTable", "features"]

_METRIC_FLOOR = 1e-9  # below one edge of the largest dense network
_PROFILE = 8  # points in depth
_MGE = METRICS[2:]
_WEIGHTED = ("avg_node_strength", "spectral_gap", "spectral_radius")
_RAMANUJAN = ("delta_r", "imdb", "imsg")


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureTable:
    """Numbers of networks, without missing ones.

    Args:
        values: Numbers, one row a network.
        names: Names of the columns.

    Shapes:
        values (networks, features) float64.
    """

    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Set:
    """How a set of features is made: a function of a table, and what it is in a line."""

    build: Callable[[SparseTable], FeatureTable]
    meaning: str


def features(table: SparseTable, sets: str) -> FeatureTable:
    """Compute the features of every network of a table.

    Args:
        table: Table with the columns that the sets need, and layers where they are of layers.
        sets: Names of `FEATURE_SETS` joined by `+`, such as `density8+model`.

    Raises:
        ValueError: An unknown set, a table without what it needs, or networks that lack a metric.

    Examples:
        >>> features(read_sparse_table("digits"), "mge16+density8").values.shape
        (210, 24)
    """
    parts = []
    for name in sets.split("+"):
        parts.append(choose("set", name, FEATURE_SETS, where="features").build(table))
    values = np.concatenate([part.values for part in parts], axis=1)
    names = tuple(name for part in parts for name in part.names)
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{table.where}: {bad.any(axis=1).sum()} networks lack a feature of {sets}, such as "
            f"{names[column]} of row {row}; leave them out with "
            "table.take(~table.incomplete())"
        )
    return FeatureTable(values=values, names=names)


def _columns(*names: str) -> Callable[[SparseTable], FeatureTable]:
    def build(table: SparseTable) -> FeatureTable:
        absent = [name for name in names if name not in table]
        if absent:
            raise ValueError(f"{table.where}: no columns {', '.join(absent)}")
        return FeatureTable(values=np.stack([table[n] for n in names], axis=1), names=names)

    return build


def _logarithms(table: SparseTable) -> FeatureTable:
    """log |x| of the sixteen topometrics, zeros as 1e-9; counts below zero are biased zeros."""
    raw = _columns(*_MGE)(table)
    logs = np.log(np.maximum(np.abs(raw.values), _METRIC_FLOOR))
    return FeatureTable(values=logs, names=tuple(f"log {name}" for name in raw.names))


def _one(name: str, values: np.ndarray) -> FeatureTable:
    return FeatureTable(values=np.asarray(values, dtype=float)[:, None], names=(name,))


def _log_density(table: SparseTable) -> FeatureTable:
    layers = _layers(table, "log_density")
    kept, all_ = (_sums(table, layers[name]) for name in ("nnz", "numel"))
    return _one("log density", np.log(np.maximum(kept / all_, DENSITY_FLOOR)))


def _one_hot(column: str) -> Callable[[SparseTable], FeatureTable]:
    def build(table: SparseTable) -> FeatureTable:
        values = np.unique(table[column])[1:]  # the first follows from the others
        hot = table[column][:, None] == values
        return FeatureTable(values=hot.astype(float), names=tuple(map(str, values)))

    return build


def _ramanujan(table: SparseTable, *, keep_infinite: bool) -> FeatureTable:
    """Means over layers of the Ramanujan properties.

    A layer without a value is left out of its network's mean. `delta_r` is -inf where every node of
    a layer has one edge. `ramanujan3` leaves such layers out as well; `ramanujan3_inf` takes them
    as they are: the mean is then -inf, and the network gets the lowest finite mean less one
    standard deviation, so that it ranks last and trees can split it off. A network none of whose
    layers has a value gets the mean over networks.
    """
    layers = _layers(table, "ramanujan3")
    columns = []
    for name in _RAMANUJAN:
        values = layers[name]
        used = ~np.isnan(values) if keep_infinite else np.isfinite(values)
        count = np.bincount(layers["row"][used], minlength=table.num_rows)
        total = np.zeros(table.num_rows)
        np.add.at(total, layers["row"][used], values[used])
        with np.errstate(invalid="ignore"):
            mean = total / np.where(count, count, np.nan)
        finite = mean[np.isfinite(mean)]
        if not len(finite):
            raise ValueError(f"layers of {table.where}: no layer has a {name}")
        mean[np.isnan(mean)] = finite.mean()
        mean[np.isneginf(mean)] = finite.min() - finite.std()
        columns.append(mean)
    return FeatureTable(values=np.stack(columns, axis=1), names=_RAMANUJAN)


def _density8(table: SparseTable) -> FeatureTable:
    """What per-layer densities say in eight numbers, without any graph.

    Mean density; logarithms of the geometric mean, harmonic mean and minimum; standard deviation
    of the logarithms; logarithms of the densities of the first and last layer, and of all weights
    kept.
    """
    layers = _layers(table, "density8")
    density = layers["nnz"] / layers["numel"]
    logs = _log_densities(layers)
    count = _sums(table, np.ones(len(logs)))
    geometric = _sums(table, logs) / count
    spread = _sums(table, (logs - geometric[layers["row"]]) ** 2) / count
    starts = np.searchsorted(layers["row"], np.arange(table.num_rows))
    ends = starts + count.astype(int) - 1
    columns = {
        "mean density": _sums(table, density) / count,
        "log geometric mean density": geometric,
        "log harmonic mean density": -np.log(_sums(table, np.exp(-logs)) / count),
        "log min density": np.minimum.reduceat(logs, starts),
        "std of log density": np.sqrt(spread),
        "log density of first layer": logs[starts],
        "log density of last layer": logs[ends],
        "log weights kept": np.log(np.maximum(_sums(table, layers["nnz"]), 1)),
    }
    return FeatureTable(values=np.stack(list(columns.values()), axis=1), names=tuple(columns))


def _profile(table: SparseTable) -> FeatureTable:
    """Log-densities along the network at eight equally spaced depths, and their quantiles."""
    layers = _layers(table, "profile")
    logs = _log_densities(layers)
    starts = np.searchsorted(layers["row"], np.arange(table.num_rows + 1))
    at = np.linspace(0, 1, _PROFILE)
    rows = []
    for start, stop in zip(starts[:-1], starts[1:]):
        here = logs[start:stop]
        depth = np.interp(at, np.linspace(0, 1, len(here)), here)
        rows.append(np.concatenate([depth, np.quantile(here, at)]))
    names = [f"log density at depth {part:.2f}" for part in at]
    names += [f"log density, quantile {part:.2f}" for part in at]
    return FeatureTable(values=np.array(rows), names=tuple(names))


def _log_densities(layers: dict[str, np.ndarray]) -> np.ndarray:
    return np.log(np.maximum(layers["nnz"] / layers["numel"], DENSITY_FLOOR))


def _sums(table: SparseTable, of_layers: np.ndarray) -> np.ndarray:
    """Sums over the layers of each network."""
    assert table.layers is not None
    return np.bincount(table.layers["row"], of_layers, minlength=table.num_rows)


def _layers(table: SparseTable, name: str) -> dict[str, np.ndarray]:
    if table.layers is None:
        raise ValueError(f"{table.where}: features {name} need the table of layers beside it")
    count = np.bincount(table.layers["row"], minlength=table.num_rows)
    if not count.all():
        row = int((count == 0).argmax())
        raise ValueError(
            f"layers of {table.where}: {(count == 0).sum()} networks have none, such as "
            f"{', '.join(map(str, table.keys_of_rows()[row]))}"
        )
    return table.layers


FEATURE_SETS: dict[str, _Set] = {
    "sparsity": _Set(build=lambda t: _one("sparsity", t["sparsity"]), meaning="part removed"),
    "log_density": _Set(build=_log_density, meaning="log of the part kept"),
    "density8": _Set(build=_density8, meaning="eight numbers of per-layer densities, no graph"),
    "profile": _Set(build=_profile, meaning="log-densities along depth, and their quantiles"),
    "ramanujan3": _Set(
        build=lambda t: _ramanujan(t, keep_infinite=False),
        meaning="layer means of the bound difference, IMDB, IMSG; -inf left out",
    ),
    "ramanujan3_inf": _Set(
        build=lambda t: _ramanujan(t, keep_infinite=True),
        meaning="the same, where a layer at -inf puts its network last",
    ),
    "mge16": _Set(build=_columns(*_MGE), meaning="all sixteen topometrics, as published"),
    "mge13": _Set(
        build=_columns(*(name for name in _MGE if name not in _WEIGHTED)),
        meaning="the thirteen topometrics that masks alone determine",
    ),
    "mge_log": _Set(build=_logarithms, meaning="logarithms of the sixteen topometrics"),
    "model": _Set(build=_one_hot("model"), meaning="which model, one column each but the first"),
}
"""Sets of features by name; `features` joins several with `+`."""
