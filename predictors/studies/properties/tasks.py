"""`PropertyTask`: networks, their four properties, and which half they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.families import Net
from graph2nn.ground_truth import read_ground_truth
from graph2nn.vision import ImageSettings
from predictors.tables import read_table

__all__ = ["PROPERTIES", "PropertyTask", "own_task", "published_task"]

PROPERTIES: dict[str, tuple[str, str]] = {
    "clean accuracy": ("val_acc", "val_acc"),
    "corrupted accuracy": ("val_acc_noise", "val_acc_noise"),
    "inference time": ("inference_time", "time"),
    "convergence time": ("convergence_time", "converge_time"),
}
"""The published properties: their column in tables of our own and in the published results."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PropertyTask:
    """Networks of two halves with their properties.

    Args:
        name: Name of the table.
        graphs: Graphs of the networks.
        train: Mask of the networks to learn from; the others are predicted.
        targets: Values by property, NaN where a network has none.
        scalars: Numbers of each network known without training it.
        noise: Kendall tau between two measurements by property, where that is known.
        configs: Configurations of the networks, where they can be built.
        images: Images on which they were trained, where the table says so.

    Shapes:
        train, targets, scalars (N,) each.
    """

    name: str
    graphs: list[ArchGraph]
    train: np.ndarray
    targets: Mapping[str, np.ndarray]
    scalars: Mapping[str, np.ndarray]
    noise: Mapping[str, float] = field(default_factory=dict)
    configs: tuple[Net, ...] = ()
    images: ImageSettings | None = None

    def rows(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Number the labelled networks to learn from and to predict, (train,) and (test,)."""
        known = np.isfinite(self.targets[name])
        return np.flatnonzero(known & self.train), np.flatnonzero(known & ~self.train)


def own_task(path: str | Path) -> PropertyTask:
    """Read a table of trained networks.

    Args:
        path: File or name, as of `graph2nn.ground_truth.read_ground_truth`.

    Raises:
        FileNotFoundError: No such file; says how to make it.
        ValueError: It is no such table.
    """
    truth = read_ground_truth(path)
    # Accuracy under predicted parameters goes by one name, whoever measured it.
    stored = {n.replace("zc_ghn", "ghn"): column for n, column in truth.attributes.items()}
    known = {**truth.facts, **stored}
    return PropertyTask(
        name=truth.settings.name,
        graphs=truth.graphs(),
        train=truth.split == "train",
        targets={name: np.asarray(truth.targets[own]) for name, (own, _) in PROPERTIES.items()},
        scalars={name: np.asarray(column, np.float64) for name, column in known.items()},
        noise={name: truth.noise(own) for name, (own, _) in PROPERTIES.items()},
        configs=truth.configs,
        images=truth.settings.images,
    )


def published_task(folder: str | Path) -> PropertyTask:
    """Read the published networks and results, for whoever has both.

    The files are `deepnets1m_eval.hdf5`, `deepnets1m_eval_meta.json` and
    `results_cifar10_extended.json.gz` in one folder. The results name networks by their place in
    the published file, so any other file of networks is refused: their parameters do not fit.

    Raises:
        ValueError: A file is missing, or the networks are not those of the results.
    """
    place = Path(folder)
    table = read_table("deepnets_published", data_dir=place if place.is_dir() else place.parent)
    assert table.split is not None  # the published table has halves
    names = sorted({name for graph in table.graphs for name in graph.attributes})
    scalars = {n: np.array([g.attributes.get(n, np.nan) for g in table.graphs]) for n in names}
    scalars["nodes"] = np.array([float(g.num_nodes) for g in table.graphs])
    return PropertyTask(
        name="deepnets_published",
        graphs=list(table.graphs),
        train=table.split,
        targets={name: table.label(column) for name, (_, column) in PROPERTIES.items()},
        scalars=scalars,
        noise={"clean accuracy": table.noise["val_acc"].tau},
    )
