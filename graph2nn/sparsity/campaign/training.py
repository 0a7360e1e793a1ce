"""`run_grid`: the networks of a grid as independent, restartable jobs, and one table of them."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph2nn.runs import (
    RunFolder,
    describe_environment,
    from_dict,
    to_dict,
    write_text,
)
from graph2nn.runs.campaign import Files, Job, Report, read_job, run_campaign
from graph2nn.runs.tables import cell_text, read_rows, write_rows
from graph2nn.sparsity.campaign.densities import DENSITY_NAMES
from graph2nn.sparsity.campaign.grid import Setting, SparseGrid
from graph2nn.sparsity.campaign.pipeline import INITIAL, Row, run_setting
from graph2nn.sparsity.campaign.results import KEY, LAYER_COLUMNS, METRICS
from graph2nn.sparsity.networks.pruning.prune import PRUNERS
from graph2nn.vision import load_sets

__all__ = ["TABLE_COLUMNS", "diverged_networks", "regenerate", "run_grid", "write_tables"]

TABLE_COLUMNS = (
    *("accuracy", "pruning", "sparsity", "model", "dataset", "seed"),
    *METRICS,
    *("dense_accuracy", "test_loss", "train_loss", "density", "collapsed"),
    *(f"density_{name}" for name in DENSITY_NAMES),
    *("delta_r", "imdb", "imsg"),
    *(f"{name}_init" for name in INITIAL),
)
"""Columns of a table of networks: the published ones first, topometrics divided as published."""

_MAY_GROW = ("models", "pruners", "sparsities", "seeds")


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A setting of a grid, and how it is computed."""

    setting: Setting
    grid: SparseGrid
    folder: Path
    data_dir: str | None
    device: str
    save_seconds: float | None
    keep: bool
    progress: bool

    def job(self) -> Job:
        """As a part of a campaign."""
        return Job(
            name=self.setting.name,
            work=_compute,
            payload=self,
            results=(_result_path(self.folder, self.setting),),
            scratch=None if self.keep else self.scratch,
        )

    @property
    def scratch(self) -> Path | None:
        """Folder of checkpoints."""
        return None if self.save_seconds is None else self.folder / "jobs" / self.setting.name


def run_grid(
    grid: SparseGrid,
    folder: str | Path,
    *,
    data_dir: str | None = None,
    jobs: int = 1,
    backend: str | None = None,
    device: str = "cpu",
    save_seconds: float | None = 60.0,
    keep_checkpoints: bool = False,
    resume: bool = True,
    progress: bool = True,
) -> Path:
    """Prune, train, encode and measure every network of a grid that has no result yet.

    A job leaves `results/NAME.jsonl`, whole or not at all, and has a checkpoint while it trains. A
    run that was killed loses no finished network, computes none twice and goes on within an
    unfinished training; a larger grid in the same folder computes what is new. At the end the
    folder has `table.csv` and `table_layers.csv` (see `write_tables`), also where jobs failed.

    Args:
        grid: Settings of the grid.
        folder: Folder of the run; where jobs run on several machines, one that all of them reach.
        data_dir: Folder of the images.
        jobs, backend: Number of processes, and joblib's way to run them (see `parallel_map`).
        device: Device of pruning and training.
        save_seconds: Time between a job's checkpoints; None for no checkpoints, which pays where a
            network takes seconds.
        keep_checkpoints: Whether each trained network stays in `jobs/NAME/last.pt`; networks
            without a result are then measured again without training.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        progress: Whether to show a bar over networks.

    Returns:
        The table of the finished networks, for `read_sparse_table` (which wants accuracies).

    Raises:
        ValueError: A folder of another grid, or settings that cannot be used.
        RuntimeError: Networks that failed, after all others are done.

    Examples:
        >>> from graph2nn.vision import ImageSettings
        >>> images = ImageSettings(dataset="digits", image_size=8)
        >>> grid = SparseGrid(models=("Resnet-20",), images=images, pruners=("uniform",),
        ...                   sparsities=(0.9,), seeds=(0,), training=False)
        >>> len(run_grid(grid, "runs/one", progress=False).read_text().splitlines())
        2
    """
    run = RunFolder(folder, to_dict(grid), resume=resume, may_differ=_MAY_GROW)
    if keep_checkpoints and save_seconds is None:
        raise ValueError("run_grid: keep_checkpoints needs checkpoints; give save_seconds")
    if grid.training or any(PRUNERS[name].needs_data for name in grid.pruners):
        load_sets(grid.sized_images, data_dir)  # what is missing is said before anything is started
    settings = _planned(grid)
    left = sum(not _result_path(run.path, setting).is_file() for setting in settings)
    common: dict[str, Any] = {"grid": grid, "folder": run.path, "data_dir": data_dir}
    common |= {"device": device, "save_seconds": save_seconds, "keep": keep_checkpoints}
    shown = progress and left == 1 and jobs == 1
    campaign = run_campaign(
        run,
        [_Task(setting=setting, progress=shown, **common).job() for setting in settings],
        jobs=jobs,
        backend=backend,
        report=_told,
        progress=progress,
    )
    table = write_tables(grid, run.path, run.path / "table.csv")
    campaign.check("networks")
    return table


def write_tables(grid: SparseGrid, folder: str | Path, path: str | Path) -> Path:
    """Write what a run has finished as two tables and their settings, and return `path`.

    Networks that diverged have no accuracy; a warning names them, and they stay out.

    Args:
        grid: Settings of the grid; results of networks outside it are left out.
        folder: Folder of the run.
        path: Path of the table of networks, NAME.csv: one row a network, `TABLE_COLUMNS`. Beside it
            come NAME_layers.csv, one row a layer, and NAME.json with the settings and the number of
            rows. Numbers are written so that reading gives the same ones; what is unknown is empty.

    Raises:
        ValueError: Another suffix, or a damaged result.
    """
    path, folder = Path(path), Path(folder)
    if path.suffix != ".csv":
        raise ValueError(f"tables of sparse networks are written as .csv, got {path.name}")
    rows, layers, lost = _collect(grid, folder)
    if lost:
        warnings.warn(
            f"{folder}: {len(lost)} networks diverged and stay out of the table: "
            + ", ".join(lost[:5]),
            RuntimeWarning,
        )
    columns = [name for name in TABLE_COLUMNS if any(row.get(name) is not None for row in rows)]
    columns = columns or list(TABLE_COLUMNS)
    write_rows(path, rows, columns, checksum=True)
    beside = path.with_name(f"{path.stem}_layers.csv")
    write_rows(beside, layers, [*KEY, "accuracy", *LAYER_COLUMNS], checksum=True)
    about = {
        "rows": len(rows),
        "planned": len(grid.settings()),
        "grid": to_dict(grid),
        "environment": {k: v for k, v in describe_environment().items() if k != "command"},
    }
    text = json.dumps(about, indent=2) + "\n"
    write_text(path.with_suffix(".json"), text)
    return path


def regenerate(
    path: str | Path, row: int, *, data_dir: str | None = None
) -> dict[str, tuple[str, str]]:
    """Make a row of a table again from nothing but the table and its settings, and compare.

    On the same machine and versions nothing differs. Other processors add in another order, which
    training amplifies: expect accuracies to differ as between two seeds, masks and what follows
    from them alone not at all.

    Args:
        path: Path of the table, NAME.csv, with NAME.json beside it.
        row: Number of the network.
        data_dir: Folder of the images.

    Returns:
        The columns that differ: (stored, now), as text; empty where all are the same.

    Raises:
        ValueError: No such row.
        FileNotFoundError: No table or no settings.
    """
    path = Path(path)
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    grid: SparseGrid = from_dict(SparseGrid, about["grid"])
    stored = read_rows(path)
    if not 0 <= row < len(stored):
        raise ValueError(f"{path} has the rows 0 to {len(stored) - 1}, not {row}")
    old = stored[row]
    setting = Setting(
        model=old["model"],
        dataset=old["dataset"],
        pruning=old["pruning"],
        sparsity=float(old["sparsity"]),
        seed=int(old["seed"]),
    )
    new, _ = run_setting(setting, grid, data_dir=data_dir)
    if "dense_accuracy" in old:
        new["dense_accuracy"] = run_setting(setting.dense, grid, data_dir=data_dir)[0]["accuracy"]
    now = {name: cell_text(new.get(name)) for name in old}
    return {name: (old[name], now[name]) for name in old if old[name] != now[name]}


def _planned(grid: SparseGrid) -> list[Setting]:
    """Dense networks first, if anything is trained."""
    settings = grid.settings()
    return (
        [*dict.fromkeys(setting.dense for setting in settings), *settings]
        if grid.training
        else settings
    )


def _result_path(folder: Path, setting: Setting) -> Path:
    return folder / "results" / f"{setting.name}.jsonl"


def _compute(task: _Task) -> list[list[Row]]:
    row, layers = run_setting(
        task.setting,
        task.grid,
        data_dir=task.data_dir,
        device=task.device,
        folder=task.scratch,
        save_seconds=task.save_seconds or 0.0,
        progress=task.progress,
    )
    return [[row, *layers]]


def _told(files: Files) -> Report:
    row = files[0][0]
    return {"accuracy": row.get("accuracy"), "seconds": row.get("seconds")}


def diverged_networks(grid: SparseGrid, folder: str | Path) -> list[str]:
    """Name the networks of a run whose loss stopped being finite.

    Args:
        grid: Settings of the grid.
        folder: Folder of the run.

    Raises:
        ValueError: A damaged result.
    """
    return _collect(grid, Path(folder))[2]


def _collect(grid: SparseGrid, folder: Path) -> tuple[list[Row], list[Row], list[str]]:
    """Rows of networks, rows of layers, and names of networks that diverged."""
    found: dict[Setting, list[Row]] = {}
    for setting in _planned(grid):
        path = _result_path(folder, setting)
        if path.is_file():
            found[setting] = read_job(path)
    rows, layers, lost = [], [], []
    for setting in grid.settings():
        if setting not in found:
            continue
        row, *own = found[setting]
        if grid.training:
            dense = found.get(setting.dense)
            row["dense_accuracy"] = dense[0]["accuracy"] if dense else None
            if row["accuracy"] is None:
                lost.append(setting.name)
                continue
        rows.append(row)
        layers += own
    return rows, layers, lost
