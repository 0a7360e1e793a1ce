"""One sparse network from its name to its rows in the tables: build, prune, train, measure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graph2nn.runs import one_thread
from graph2nn.sparsity.campaign.densities import density_summary, layer_means
from graph2nn.sparsity.campaign.grid import Setting, SparseGrid
from graph2nn.sparsity.campaign.layer_table import layer_table
from graph2nn.sparsity.campaign.masked_training import train_sparse
from graph2nn.sparsity.campaign.results import LAYER_COLUMNS
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build, init_weights
from graph2nn.sparsity.networks.pruning.prune import PRUNERS, CollapsedWarning, prune
from graph2nn.training import DivergedWarning
from graph2nn.vision import load_sets

__all__ = [
    "INITIAL",
    "build_setting",
    "layer_rows",
    "prune_setting",
    "run_setting",
    "train_setting",
]

INITIAL = ("avg_node_strength", "spectral_gap", "spectral_radius")
"""Metrics that depend on the weights; also taken before training, as `NAME_init`."""

_COUNTS = ("nodes", "edges", "no_connected_components")  # which are not divided
Row = dict[str, Any]


def build_setting(setting: Setting, grid: SparseGrid) -> nn.Module:
    """Build the network of a setting at initialisation, by model, data set and seed."""
    images = grid.sized_images
    model = build(setting.model, images.num_classes, images.shape[0], images.side)
    init_weights(model, setting.seed)
    return model


def prune_setting(
    model: nn.Module,
    setting: Setting,
    grid: SparseGrid,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Masks:
    """Compute the masks of a setting; the model is not changed.

    Images are loaded only where the pruner looks at them.
    """
    if setting.pruning == "dense":
        return Masks.dense(model)
    # What looks at no images is told their shape by a blank one.
    data: Any = (torch.zeros(1, *grid.sized_images.shape), torch.zeros(1, dtype=torch.int64))
    if PRUNERS[setting.pruning].needs_data:
        data = load_sets(grid.sized_images, data_dir).train
    return prune(
        model,
        setting.pruning,
        sparsity=setting.sparsity,
        data=data,
        seed=setting.seed,
        compat=grid.compat,
        device=device,
        progress=progress,
    )


def train_setting(
    model: nn.Module,
    masks: Masks,
    setting: Setting,
    grid: SparseGrid,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    folder: Path | None = None,
    save_seconds: float = 60.0,
    progress: bool = False,
) -> Row:
    """Train the network of a setting in place.

    The row has `accuracy` (fraction), losses and `seconds`; None where it diverged.
    """
    sets = load_sets(grid.sized_images, data_dir)
    train, test = sets.train, sets.test
    last = train_sparse(
        model,
        masks,
        train,
        test,
        grid.recipe_of(setting.model),
        seed=setting.seed,
        freeze_bias=grid.freeze_bias,
        device=device,
        folder=folder,
        save_seconds=save_seconds,
        progress=progress,
    )
    model.cpu()
    error = last[-1]["top1_error"]
    return {
        "accuracy": None if error is None else round((100 - error) * len(test) / 100) / len(test),
        "test_loss": last[-1]["test_loss"],
        "train_loss": last[-1]["train_loss"],
        "seconds": sum(record["seconds"] for record in last),
    }


def run_setting(
    setting: Setting,
    grid: SparseGrid,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    folder: Path | None = None,
    save_seconds: float = 60.0,
    progress: bool = False,
) -> tuple[Row, list[Row]]:
    """Do everything about one network, on one thread.

    So it comes out the same on any number of cores.

    Args:
        setting: Setting of the network; a dense one is trained but not measured, nor is one that
            diverges.
        grid: Settings of the grid.
        data_dir: Folder of the images.
        device: Device of pruning and training; graphs are measured on the CPU.
        folder: Folder of checkpoints of the training; None keeps none.
        save_seconds: Time between checkpoints.
        progress: Whether to show bars.

    Returns:
        The row of the table of networks, and the rows of the table of layers. Values that are not
        known are None.
    """
    how: dict[str, Any] = {"data_dir": data_dir, "device": device, "progress": progress}
    with one_thread(), warnings.catch_warnings():
        # Both are in the table: layers without weights in `collapsed`, no accuracy.
        warnings.simplefilter("ignore", CollapsedWarning)
        warnings.simplefilter("ignore", DivergedWarning)
        model = build_setting(setting, grid)
        masks = prune_setting(model, setting, grid, **how)
        row: Row = {**_key(setting), "density": masks.density, "collapsed": len(masks.collapsed())}
        measured = setting.pruning != "dense"
        masks.apply_(model)
        if measured and grid.training:
            row |= {f"{k}_init": v for k, v in _metrics(model, masks, grid, INITIAL).items()}
        if grid.training:
            row |= train_setting(
                model, masks, setting, grid, **how, folder=folder, save_seconds=save_seconds
            )
        if not measured or (grid.training and row["accuracy"] is None):
            return _plain(row), []
        model.eval()
        row |= _metrics(model, masks, grid)
        layers = layer_rows(model, masks, grid)
    row |= {f"density_{k}": v for k, v in _densities(masks).items()}
    row |= layer_means({r["layer_name"]: {k: _nan(r[k]) for k in _RAMANUJAN} for r in layers})
    key = {**_key(setting), "accuracy": row.get("accuracy")}
    return _plain(row), [_plain({**key, **layer}) for layer in layers]


_RAMANUJAN = ("delta_r", "imdb", "imsg")


def layer_rows(model: nn.Module, masks: Masks, grid: SparseGrid) -> list[Row]:
    """Compute a row a layer of a grid's table: `LAYER_COLUMNS` of the rolled encoding."""
    rows = layer_table(model, masks, metrics=(), properties=grid.ramanujan, compat=grid.compat)
    return [{name: row.get(name) for name in LAYER_COLUMNS} for row in rows]


def _metrics(
    model: nn.Module, masks: Masks, grid: SparseGrid, names: tuple[str, ...] | None = None
) -> dict[str, float]:
    graph = encode(
        model,
        masks,
        "unrolled",
        grid.sized_images.shape,
        compat=grid.compat,
        identity_skips=grid.identity_skips,
    )
    assert isinstance(graph, MultipartiteGraph)
    values = topometrics(
        graph, engine=grid.engine, metrics=names, motif=grid.motif, normalise=True, seed=0
    )
    return {name: int(v) if name in _COUNTS else v for name, v in values.items()}


def _densities(masks: Masks) -> dict[str, float]:
    kept = np.array([int(mask.sum()) for mask in masks.values()])
    return density_summary(kept, np.array([mask.numel() for mask in masks.values()]))


def _key(setting: Setting) -> Row:
    return {
        "model": setting.model,
        "dataset": setting.dataset,
        "pruning": setting.pruning,
        "sparsity": setting.sparsity,
        "seed": setting.seed,
    }


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _plain(row: Mapping[str, Any]) -> Row:
    """Values that JSON has: numpy's become Python's, what is not finite its name or None."""
    plain: Row = {}
    for name, value in row.items():
        value = value.item() if isinstance(value, (np.generic, torch.Tensor)) else value
        if isinstance(value, float) and not np.isfinite(value):
            value = None if np.isnan(value) else str(value)  # -inf is a value of delta_r
        plain[name] = value
    return plain
