"""Our own tables: DeepNets-1M networks trained on small images, shipped with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.ground_truth import GroundTruth, read_ground_truth
from graph2nn.runs.shipped import find_data
from predictors.tables.table import NoiseReference, Table

__all__ = ["PROPERTIES", "ground_truth_folder", "ground_truth_table", "trained_table"]

PROPERTIES = ("val_acc", "val_acc_noise", "inference_time", "convergence_time")
"""The four published properties (arXiv:2110.13100, section 5.2): accuracy on clean and on corrupted
images (percent), milliseconds an image, and part of the epochs until convergence."""

_LESS_IS_BETTER = ("inference_time", "convergence_time", "val_loss", "train_loss")


def ground_truth_folder(name: str) -> Path:
    """Find the folder of one of our own tables.

    It is `ground_truth` in `$NETWRIGHT_DATA`, in `./data` or in what comes with the package, the
    first that has the table.

    Raises:
        FileNotFoundError: None of them has it.
    """
    return find_data(f"ground_truth/{name}.h5").parent


def trained_table(folder: Path, name: str) -> Table:
    """Read the table `NAME.h5` of a folder.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It is no table of trained networks.
    """
    return ground_truth_table(read_ground_truth(folder / f"{name}.h5"), name=name)


def ground_truth_table(truth: GroundTruth, *, name: str) -> Table:
    """Make a benchmark table of trained networks.

    What is known without training becomes attributes, the training half its own split, and the
    second training seed its noise reference.
    """
    targets = {target: np.asarray(v, dtype=np.float64) for target, v in truth.targets.items()}
    noise = {target: truth.noise(target) for target in targets}
    minimise = [t for t in targets if t in _LESS_IS_BETTER or t.startswith("test_loss")]
    return Table(
        name=name,
        graphs=truth.graphs(),
        targets=targets,
        default="val_acc",
        minimise=frozenset(minimise),
        split=truth.split == "train",
        noise={
            target: NoiseReference(tau=tau, meaning=_meaning(target))
            for target, tau in noise.items()
            if np.isfinite(tau)
        },
        source="our own, data/ground_truth/README.md",
    )


def _meaning(target: str) -> str:
    if target == "inference_time":
        return "one half of the measurements against the other"
    return "one training seed against another"
