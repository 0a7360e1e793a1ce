"""timm's networks: published ImageNet accuracies and speeds, and graphs that need no timm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.runs.shipped import shipped_file
from predictors.tables.making.fields import with_attributes
from predictors.tables.networks.timm_graphs import read_network_graphs
from predictors.tables.published import PUBLISHED, published_columns
from predictors.tables.table import Table

__all__ = ["timm_models"]

_KNOWN = ("img_size", "params_m", "gmacs", "activations_m")
_TARGETS = ("top1", "top5")


def timm_models(folder: Path | None = None) -> Table:
    """Read 987 pairs of model and image size of timm, with ImageNet-1k accuracies and speeds.

    `top1` (the default) and `top5` are validation accuracies (percent) of the best published
    weights. **Training data, length and recipe differ from row to row**, so they are no property
    of the architecture alone: parameters and multiply-adds belong beside every result.
    `ms_per_image_*` are milliseconds an image, missing where nobody published any.

    Graphs come with the package, traced in eval mode; rows of models that the same module of timm
    defines share a group. Attributes: `img_size` (which the graph of a convolutional network does
    not tell), `params_m`, `gmacs` and `activations_m`, where published.
    """
    columns = published_columns("timm_models", folder)
    known = read_network_graphs(shipped_file("data/networks/timm_models.h5"))
    names = list(zip(columns["arch"].tolist(), columns["img_size"].tolist()))
    absent = [name for name in names if name not in known]
    if absent:
        arch, size = absent[0]
        raise ValueError(
            f"timm_models: no graph comes with the package for {len(absent)} rows, such as {arch} "
            f"at {size} pixels; leave out data_dir for the rows that come with it, or make a table "
            "of your own with Table.from_models"
        )
    graphs, modules = zip(*(known[name] for name in names))
    targets = {n: v for n, v in columns.items() if n in _TARGETS or n.startswith("ms_per_image_")}
    attributes = {name: np.asarray(columns[name], dtype=np.float64) for name in _KNOWN}
    return Table(
        name="timm_models",
        graphs=with_attributes(graphs, attributes),
        targets=targets,
        default="top1",
        minimise=frozenset(name for name in targets if name not in _TARGETS),
        group=np.unique(modules, return_inverse=True)[1],
        test_size=500,
        source=f"{PUBLISHED['timm_models'].cite}: recipes and training data differ from row to row",
    )
