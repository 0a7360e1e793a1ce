"""`GroundTruth`: networks with what training gave, in one HDF5 file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.storage import unpack_graphs
from graph2nn.families import Net, build_archgraph, family_of, net_from_json, net_to_json
from graph2nn.ground_truth.settings import TABLES, GroundTruthSettings
from graph2nn.names import choose
from graph2nn.runs import from_dict, to_dict, write_atomic
from graph2nn.runs.seals import SEAL, check_own, check_seal, sealed
from graph2nn.runs.shipped import named_data

__all__ = [
    "STATUS",
    "GroundTruth",
    "add_attributes",
    "holds_ground_truth",
    "read_ground_truth",
    "tau_of_both",
    "write_ground_truth",
]

STATUS = ("missing", "ok", "diverged")
"""What became of a training, by code."""

_FORMAT, _VERSION = "netwright-ground-truth", 3
_WITHOUT_GRAPHS = 2  # version of a file that holds no graphs
_COUNTS_ONCE = 2  # from this version on a multiply-add counts as one in `flops`, before as two
_NEVER = 2.0  # convergence time of a network that does not get there, as published
_STORED = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "fletcher32": True}


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundTruth:
    """N networks, trained with up to S seeds for E epochs each.

    Args:
        settings: Everything that determines the labels.
        made: Versions, hardware and time of generation.
        configs: Configurations of the networks, or blueprints of other families; `build_network`
            rebuilds one.
        names: Names of the networks: DeepNets-1M split and index, such as val17, or half and index.
        split: Half of each network, "train" or "test".
        keys: Structural hash of the graph of each.
        facts: Numbers known without training: `params`, `flops` (multiply-adds of one image),
            `nodes`, `edges`.
        status: Status of each run: 0 missing, 1 ok, 2 diverged.
        curves: Values an epoch from 0 (before training) on, by name; NaN where there is none.
        final: Values after the last epoch, by name; NaN where there is none.
        seconds: Time of training a run.
        timing: Milliseconds an image of inference in each round.
        attributes: Further numbers known without training, by name (`add_attributes`).
        packed: Graphs of the networks as `pack_graphs` lays them out, where building them takes
            long; empty otherwise.

    Shapes:
        Split, keys and every fact and attribute (N,); status, seconds and every final value (S, N);
        every curve (S, N, E + 1); timing (rounds, N).
    """

    settings: GroundTruthSettings
    made: Mapping[str, Any]
    configs: tuple[Net, ...]
    names: tuple[str, ...]
    split: np.ndarray
    keys: np.ndarray
    facts: Mapping[str, np.ndarray]
    status: np.ndarray
    curves: Mapping[str, np.ndarray]
    final: Mapping[str, np.ndarray]
    seconds: np.ndarray
    timing: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    packed: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.configs)

    def graphs(self) -> list[ArchGraph]:
        """Return the graph of every network, with its facts and attributes as attributes.

        They are built from the configurations, or read where they are `packed`.
        """
        known = {**self.facts, **self.attributes}
        found = unpack_graphs(self.packed) if self.packed else map(build_archgraph, self.configs)
        return [
            graph.replace(
                name=self.names[row],
                attributes={name: float(values[row]) for name, values in known.items()},
            )
            for row, graph in enumerate(found)
        ]

    @property
    def families(self) -> np.ndarray:
        """Name of the family of each network, (N,)."""
        return np.array([family_of(config) for config in self.configs])

    @property
    def targets(self) -> dict[str, np.ndarray]:
        """Labels that predictors learn, from the first seed; NaN where a network has diverged.

        The four published properties (arXiv:2110.13100, section 5.2) are `val_acc`,
        `val_acc_noise`, `inference_time` and `convergence_time`.
        """
        return self.targets_of(0)

    def targets_of(self, repeat: int) -> dict[str, np.ndarray]:
        """Return the targets from seed number `repeat`, (N,) each.

        In percent are `val_acc`, `val_acc_noise`, `test_acc` and `test_acc_CORRUPTION`. `val_loss`,
        `train_loss` and `train_acc` are those of the last epoch. `inference_time`, milliseconds an
        image, is the minimum over rounds. `convergence_time`: see `convergence`.
        """
        last = ("val_acc", "val_acc_noise", "val_loss", "train_acc", "train_loss")
        return {
            **{name: self.curves[name][repeat, :, -1] for name in last},
            **{name: values[repeat] for name, values in self.final.items()},
            "inference_time": self.timing.min(0),
            "convergence_time": self.convergence(repeat),
        }

    def convergence(self, repeat: int = 0, *, accuracy: float | None = None) -> np.ndarray:
        """Compute the part of the epochs after which the training accuracy reaches a threshold.

        It is read off the curve of the accuracy while training, linear between epochs, from chance
        at the beginning. Networks that never get there have 2, as in the published results, whose
        values are whole epochs over 50.

        Args:
            repeat: Number of the seed.
            accuracy: Threshold in percent; None takes that of the settings.

        Shapes:
            (N,); NaN for networks that were not trained or have diverged.
        """
        threshold = self.settings.converged if accuracy is None else accuracy
        curves = self.curves["train_acc"][repeat].astype(np.float64)
        curves[:, 0] = 100 / self.settings.images.num_classes
        times = np.array([_first_time(curve, threshold) for curve in curves])
        return np.where(self.status[repeat] == STATUS.index("ok"), times, np.nan)

    def noise(self, target: str) -> float:
        """Compute Kendall tau between two labellings: how well the table agrees with itself.

        They are those of the first two seeds, over the networks trained with both; for
        `inference_time`, between the minima over even and odd rounds; NaN where there is no second
        seed.

        Raises:
            ValueError: An unknown target.
        """
        if target == "inference_time":
            return tau_of_both(self.timing[::2].min(0), self.timing[1::2].min(0))
        first = self.targets
        choose("target", target, first)
        if len(self.status) < 2:
            return float("nan")
        return tau_of_both(first[target], self.targets_of(1)[target])


def _first_time(curve: np.ndarray, threshold: float) -> float:
    epochs = len(curve) - 1
    reached = np.flatnonzero(curve >= threshold)
    if not len(reached):
        return _NEVER
    at = int(reached[0])
    if at == 0:
        return 0.0
    low, high = curve[at - 1], curve[at]
    return (at - 1 + (threshold - low) / (high - low)) / epochs


def tau_of_both(one: np.ndarray, other: np.ndarray) -> float:
    """Compute Kendall's tau-b over the networks that both have a number for; NaN below two.

    Shapes: one, other (N,).
    """
    from scipy.stats import kendalltau  # takes half as long to import as torch

    both = np.isfinite(one) & np.isfinite(other)
    return float(kendalltau(one[both], other[both]).statistic) if both.sum() > 1 else float("nan")


def write_ground_truth(truth: GroundTruth, path: str | Path) -> int:
    """Write a table, completely or not at all, and return its size in bytes.

    Raises:
        OSError: The file cannot be written; says what to do.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=SEAL) as file:
        version = _VERSION if truth.packed else _WITHOUT_GRAPHS
        file.attrs["format"], file.attrs["version"] = _FORMAT, version
        file.attrs["settings"] = json.dumps(to_dict(truth.settings))
        file.attrs["made"] = json.dumps(dict(truth.made))
        texts = {
            "config": [json.dumps(net_to_json(c), separators=(",", ":")) for c in truth.configs],
            "name": truth.names,
            "split": truth.split,
            "key": truth.keys,
        }
        for name, values in texts.items():
            file.create_dataset(f"networks/{name}", data=np.array(values, "S"), **_STORED)
        for name, array in _arrays(truth).items():
            file.create_dataset(name, data=array, **_STORED)
    content = sealed(buffer.getvalue(), _FORMAT, version)
    write_atomic(path, lambda out: out.write(content))
    return len(content)


def _arrays(truth: GroundTruth) -> dict[str, np.ndarray]:
    grouped = {"facts": truth.facts, "curves": truth.curves, "final": truth.final}
    grouped |= {"graphs": truth.packed} if truth.packed else {}
    arrays = {f"{group}/{k}": v for group, values in grouped.items() for k, v in values.items()}
    arrays |= {f"attributes/{k}": v for k, v in truth.attributes.items()}
    arrays |= {"status": truth.status, "seconds": truth.seconds, "timing": truth.timing}
    return arrays


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Read a table of trained networks.

    Args:
        path: Path of a file that `generate` wrote, or one of `TABLES`, which come with the package.

    Raises:
        FileNotFoundError: No such file; says how to make it.
        ValueError: Another kind of file, damaged, or written by a newer version.

    Examples:
        >>> truth = read_ground_truth("deepnets_digits")
        >>> len(truth.graphs()), truth.targets["val_acc"].shape
        (1000, (1000,))
    """
    names = {name: f"ground_truth/{name}.h5" for name in TABLES}
    what = "a table (graph2nn.ground_truth.generate(settings, path) can make it)"
    path = named_data(path, names, what)
    check_seal(path, "table of trained networks", "copy or generate it again")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != _FORMAT:
                raise ValueError(f"{path} is no table of trained networks (format missing)")
            if file.attrs["version"] > _VERSION:
                raise ValueError(f"{path} was written by a newer version; update this package")
            return _read(file)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is damaged or cut off ({error}); copy or generate it again"
        ) from error


def _read(file: h5py.File) -> GroundTruth:
    check_own(file, file)
    check_own(file, (f"{k}/{n}" for k, v in file.items() if isinstance(v, h5py.Group) for n in v))
    text = {name: np.char.decode(values[()]) for name, values in file["networks"].items()}
    groups = {
        name: {key: values[()] for key, values in file[name].items()} if name in file else {}
        for name in ("facts", "curves", "final", "attributes")
    }
    if file.attrs["version"] < _COUNTS_ONCE and "flops" in groups["facts"]:
        groups["facts"]["flops"] = groups["facts"]["flops"] // 2
    return GroundTruth(
        settings=from_dict(GroundTruthSettings, json.loads(file.attrs["settings"])),
        made=json.loads(file.attrs["made"]),
        configs=tuple(net_from_json(json.loads(line)) for line in text["config"]),
        names=tuple(text["name"].tolist()),
        split=text["split"],
        keys=text["key"],
        status=file["status"][()],
        seconds=file["seconds"][()],
        timing=file["timing"][()],
        packed={name: values[()] for name, values in file.get("graphs", {}).items()},
        **groups,
    )


def holds_ground_truth(path: str | Path) -> bool:
    """Tell whether a file is, by its first lines, a table of trained networks."""
    try:
        found = check_seal(path, "table of trained networks", "copy or generate it again")
        with h5py.File(path, "r") as file:
            return (found is None or found[0] == _FORMAT) and file.attrs.get("format") == _FORMAT
    except (OSError, ValueError):
        return False


def add_attributes(path: str | Path, values: Mapping[str, Sequence[float] | np.ndarray]) -> None:
    """Add numbers known without training (zero-cost proxies) to a table, or replace them.

    Args:
        path: Path of the table.
        values: Numbers by name, one a network (N,); NaN where it could not be computed.

    Raises:
        ValueError: Another number of values than networks, or the name of a fact.
    """
    truth = read_ground_truth(path)
    added = {name: np.asarray(column, np.float64) for name, column in values.items()}
    for name, column in added.items():
        if column.shape != (len(truth),):
            raise ValueError(
                f"attribute {name}: expected {len(truth)} values, one a network, got an array of "
                f"shape {column.shape}"
            )
        if name in truth.facts:
            raise ValueError(f"attribute {name}: the table has a fact of this name")
    write_ground_truth(replace(truth, attributes={**truth.attributes, **added}), path)
