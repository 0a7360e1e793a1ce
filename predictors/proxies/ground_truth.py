"""Zero-cost proxies as columns of a table of trained networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghn import GHN, from_pretrained
from graph2nn.ground_truth import add_attributes, read_ground_truth
from graph2nn.vision import Batches, load_sets
from predictors.proxies.compute import check_names
from predictors.proxies.sets import PREFIX, proxy_attributes

__all__ = ["add_proxies"]


def add_proxies(
    path: str | Path,
    *,
    ghn: GHN | str | None = None,
    names: Sequence[str] | None = None,
    batch_size: int = 64,
    seed: int = 0,
    data_dir: str | Path | None = None,
    **how: Any,
) -> dict[str, np.ndarray]:
    """Compute proxies of every network of a table and store them as attributes `zc_NAME`.

    The batch is the first training images of the table in the order of the seed; accuracy under
    predicted parameters is measured on its validation images.

    Args:
        path: Path of a table that `experiments/ground_truth.py` made.
        ghn, names, seed: Arguments of `compute_proxies`.
        batch_size: Number of images of the batch.
        data_dir: Folder of the images.
        how: Arguments `jobs`, `backend` and `progress` of `proxy_attributes`.

    Returns:
        Values by name of the attribute, NaN where a proxy failed. Shapes: (N,) each.

    Raises:
        ValueError, FileNotFoundError: As `compute_proxies` and `read_ground_truth`.

    Examples:
        >>> import shutil
        >>> from graph2nn.runs.shipped import shipped_file
        >>> path = shutil.copy(shipped_file("data/ground_truth/deepnets_cifar10.h5"), "mine.h5")
    """
    truth = read_ground_truth(path)
    ghn = from_pretrained(ghn) if isinstance(ghn, str) else ghn
    chosen = check_names(names, ghn is not None)
    sets = load_sets(truth.settings.images, data_dir)
    images, labels = next(
        iter(Batches(sets.train, batch_size, train=False, seed=seed, shuffle=True))
    )
    test = next(iter(Batches(sets.val, len(sets.val), train=False)))
    how |= {"names": chosen, "seed": seed, "ghn": ghn, "test": test}
    values = list(proxy_attributes(truth.configs, images, labels, **how))
    columns = {PREFIX + name: np.array([v[name] for v in values]) for name in chosen}
    add_attributes(path, columns)
    return columns
