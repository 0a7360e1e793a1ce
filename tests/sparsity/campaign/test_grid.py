"""Grids of sparse networks: settings, tables, a killed run, damaged files, rows made again."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from repository import ROOT

from graph2nn.runs import from_dict, read_job, to_dict, write_job
from graph2nn.runs.summaries import format_rows
from graph2nn.runs.tables import cell_text
from graph2nn.sparsity import diverged_networks
from graph2nn.sparsity.campaign import training
from graph2nn.sparsity.campaign.figures import plot_grid
from graph2nn.sparsity.campaign.grid import (
    GRIDS,
    Setting,
    SparseGrid,
    find_grid,
    find_model,
)
from graph2nn.sparsity.campaign.pipeline import build_setting, prune_setting, run_setting
from graph2nn.sparsity.campaign.results import METRICS, accuracy_drop, read_sparse_table
from graph2nn.sparsity.campaign.tables import accuracy_rows
from graph2nn.sparsity.campaign.training import TABLE_COLUMNS, regenerate, run_grid, write_tables
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.vision import ImageSettings, dataset_name, load_sets

GRID = replace(
    find_grid("tiny", "digits"),
    images=ImageSettings(dataset="digits", train=128, test=100),
    sparsities=(0.95,),
    recipe=replace(GRIDS["tiny"]["digits"].recipe, epochs=1, test_batch_size=100),
)
ROW = Setting(model="Resnet-20", dataset="digits", pruning="uniform", sparsity=0.95, seed=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return run_grid(GRID, tmp_path_factory.mktemp("grid") / "run", progress=False)


def test_tables_of_a_run(made) -> None:
    table = read_sparse_table(made)
    assert table.keys_of_rows() == [
        ("Resnet-20", "digits", "snip", 0.95, 0),
        ("Resnet-20", "digits", "uniform", 0.95, 0),
    ]
    assert tuple(table) == TABLE_COLUMNS
    assert not table.incomplete().any() and set(METRICS) <= set(table)
    assert len(table.layers["row"]) == 44 and table.layers["layer_id"].max() == 21
    kept = np.bincount(table.layers["row"], table.layers["nnz"])
    assert (kept == round(0.05 * 270896)).all()
    assert np.allclose(table["density_log_nnz"], np.log(kept))
    assert (table["density"] == kept / 270896).all()
    assert len(np.unique(table["dense_accuracy"])) == 1
    assert np.isfinite(accuracy_drop(table)).all()
    assert (table["spectral_radius_init"] != table["spectral_radius"]).all()  # trained meanwhile
    delta = table.layers["delta_r"][table.layers["row"] == 0]
    assert table["delta_r"][0] == pytest.approx(delta[np.isfinite(delta)].mean())
    about = json.loads(made.with_suffix(".json").read_text())
    assert (about["rows"], about["planned"]) == (2, 2)
    assert from_dict(SparseGrid, about["grid"]) == GRID


def test_a_row_is_made_again_bit_for_bit(made, tmp_path) -> None:
    altered = tmp_path / "t.csv"
    with made.open(newline="") as file:
        lines = list(csv.reader(file))
    at = lines[0].index("edges")
    lines[2][at] = "7.0"
    altered.write_text("".join(",".join(line) + "\n" for line in lines))
    altered.with_suffix(".json").write_text(made.with_suffix(".json").read_text())
    (name, (stored, now)), *others = regenerate(altered, 1).items()
    assert not others  # all that was not altered is the same
    assert (name, stored, now) == ("edges", "7.0", f"{read_sparse_table(made)['edges'][1]:.0f}")
    with pytest.raises(ValueError, match="has the rows 0 to 1, not 2"):
        regenerate(made, 2)


@pytest.fixture
def remembered(made, monkeypatch) -> list[str]:
    """Networks are looked up in the run of `made` instead of computed; the names of those asked."""
    asked: list[str] = []

    def look_up(setting, grid, **how):
        asked.append(setting.name)
        row, *layers = read_job(made.parent / "results" / f"{setting.name}.jsonl")
        return row, layers

    monkeypatch.setattr(training, "run_setting", look_up)
    return asked


def test_a_network_killed_in_training_goes_on(made, tmp_path, monkeypatch) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (tmp_path / "config.json").write_text(made.with_name("config.json").read_text())
    for name in ("Resnet-20_digits_dense_0_s0", "Resnet-20_digits_snip_0.95_s0"):
        shutil.copy(made.parent / "results" / f"{name}.jsonl", results)
    steps: list[int] = []
    step = torch.optim.SGD.step

    def dying(self, *args, **how):
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return step(self, *args, **how)

    monkeypatch.setattr(torch.optim.SGD, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        run_grid(GRID, tmp_path, progress=False, save_seconds=0.0)
    assert len(list(results.iterdir())) == 2
    again = run_grid(GRID, tmp_path, progress=False, save_seconds=0.0, keep_checkpoints=True)
    assert len(steps) == 3  # the step that was interrupted is the only one made twice
    assert again.read_bytes() == made.read_bytes()
    layers = again.with_name("table_layers.csv").read_bytes()
    assert layers == made.with_name("table_layers.csv").read_bytes()
    assert (tmp_path / "jobs" / ROW.name / "last.pt").is_file()


def test_finished_networks_are_not_made_again(made, tmp_path, remembered) -> None:
    run_grid(replace(GRID, pruners=("uniform",)), tmp_path, progress=False, save_seconds=None)
    assert remembered == [ROW.dense.name, ROW.name]
    again = run_grid(GRID, tmp_path, progress=False, save_seconds=None)  # a larger grid
    assert remembered[2:] == [replace(ROW, pruning="snip").name]
    assert again.read_bytes() == made.read_bytes()
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run_grid(replace(GRID, freeze_bias=False), tmp_path, progress=False)
    with pytest.raises(ValueError, match="keep_checkpoints needs checkpoints"):
        run_grid(GRID, tmp_path, progress=False, save_seconds=None, keep_checkpoints=True)


def test_failures_and_damaged_files(made, tmp_path, remembered, monkeypatch) -> None:
    look_up = training.run_setting

    def failing(setting, grid, **how):
        if setting.pruning == "snip":
            raise ValueError("no luck")
        return look_up(setting, grid, **how)

    with monkeypatch.context() as patch:
        patch.setattr(training, "run_setting", failing)
        with pytest.raises(RuntimeError, match=r"1 of 3 networks failed.*no luck"):
            run_grid(GRID, tmp_path, progress=False)
    assert read_sparse_table(tmp_path / "table.csv").num_rows == 1  # the others are kept
    damaged = tmp_path / "results" / f"{ROW.name}.jsonl"
    damaged.write_text(damaged.read_text()[:-20])
    with pytest.warns(RuntimeWarning, match="uniform_0.95_s0 is made again"):
        path = run_grid(GRID, tmp_path, progress=False)
    assert path.read_bytes() == made.read_bytes()


def test_partial_tables_and_networks_that_diverged(made, tmp_path) -> None:
    part = write_tables(replace(GRID, pruners=("uniform", "er")), made.parent, tmp_path / "p.csv")
    assert read_sparse_table(part)["pruning"].tolist() == ["uniform"]
    about = json.loads(part.with_suffix(".json").read_text())
    assert (about["rows"], about["planned"]) == (1, 2)
    folder = tmp_path / "run"
    results = folder / "results"
    results.mkdir(parents=True)
    for setting in (ROW, ROW.dense, replace(ROW, pruning="snip")):
        row, *layers = read_job(made.parent / "results" / f"{setting.name}.jsonl")
        row["accuracy"] = None if setting.pruning == "snip" else row["accuracy"]
        write_job(results / f"{setting.name}.jsonl", setting.name, [row, *layers])
    with pytest.warns(RuntimeWarning, match="1 networks diverged.*snip_0.95_s0"):
        path = write_tables(GRID, folder, folder / "t.csv")
    assert read_sparse_table(path)["pruning"].tolist() == ["uniform"]
    assert diverged_networks(GRID, folder) == [replace(ROW, pruning="snip").name]
    with pytest.raises(ValueError, match=r"written as \.csv, got t\.txt"):
        write_tables(GRID, folder, folder / "t.txt")


def test_without_training_weights_are_the_initial_ones() -> None:
    grid = replace(GRID, training=False, ramanujan=False)
    row, layers = run_setting(ROW, grid)
    assert "accuracy" not in row and row["delta_r"] is None and len(layers) == 22
    model = build_setting(ROW, grid)
    masks = prune_setting(model, ROW, grid)
    graph = encode(model, masks, "unrolled", (3, 8, 8))
    metrics = topometrics(graph, normalise=True)
    assert {name: row[name] for name in metrics} == metrics
    assert row == run_setting(ROW, grid)[0]


def test_layers_without_weights_are_counted() -> None:
    setting = replace(ROW, pruning="snip", sparsity=0.995)
    row, layers = run_setting(
        setting, replace(GRID, training=False)
    )  # no warning: tests make it an error
    empty = [layer for layer in layers if layer["nnz"] == 0]
    assert row["collapsed"] == len(empty) > 0
    assert row["density_min"] == 0 and row["density_harmonic_mean"] < 1e-4
    assert {layer["delta_r"] for layer in empty} == {None}


def test_a_network_that_diverges_is_not_measured() -> None:
    wild = replace(GRID, recipe=replace(GRID.recipe, lr=1e30, warmup_epochs=0))
    row, layers = run_setting(ROW, wild)
    assert row["accuracy"] is None and row["collapsed"] == 0 and not layers


def test_random_pruners_need_no_images(monkeypatch, tmp_path) -> None:
    grid = replace(
        GRID, training=False, images=ImageSettings(dataset="CIFAR-10"), pruners=("uniform",)
    )
    setting = replace(ROW, dataset="CIFAR-10")
    masks = prune_setting(build_setting(setting, grid), setting, grid, data_dir=tmp_path)
    assert masks.num_kept == round(0.05 * masks.num_weights)
    with pytest.raises(FileNotFoundError, match=r"graph2nn\.vision\.download cifar10"):
        prune_setting(
            build_setting(setting, grid), replace(setting, pruning="snip"), grid, data_dir=tmp_path
        )
    with pytest.raises(FileNotFoundError, match="cifar10"):
        run_grid(replace(grid, pruners=("snip",)), tmp_path / "run", data_dir=str(tmp_path))


def test_synflow_is_told_the_shape_of_images(tmp_path) -> None:
    setting = replace(ROW, pruning="synflow")
    masks = prune_setting(build_setting(setting, GRID), setting, GRID, data_dir=tmp_path)
    assert masks.num_kept == round(0.05 * masks.num_weights) and not masks.collapsed()


def test_names_and_presets() -> None:
    assert find_model("wide-resnet-28-2") == "Wide-Resnet-28-2"
    assert ROW.name == "Resnet-20_digits_uniform_0.95_s0"
    published = find_grid("published", "tinyimagenet")
    assert len(published.settings()) == 420 and published.images.shape == (3, 32, 32)
    assert published.recipe_of("Wide-Resnet-28-2").weight_decay == 5e-4
    assert len(find_grid("small", "digits").settings()) == 210
    for name, grids in GRIDS.items():
        for dataset, grid in grids.items():
            assert from_dict(SparseGrid, json.loads(json.dumps(to_dict(grid)))) == grid, name
            assert dataset_name(grid.images.dataset) == dataset


def test_stored_images_are_read_and_stay_as_they_are() -> None:
    """Also where the size is not said, which means the native one, at most 32."""
    stored = {"dataset": "tiny_imagenet", "imsize": None, "train": 640, "test": None, "seed": 1}
    read = from_dict(SparseGrid, {"models": ["CONV-6"], "images": stored})
    assert read.images == ImageSettings(dataset="tiny_imagenet", train=640, seed=1)
    assert to_dict(read)["images"] == stored and read.sized_images.shape == (3, 32, 32)
    about = json.loads((ROOT / "data" / "sparse" / "cifar10.json").read_text())["grid"]
    assert to_dict(from_dict(SparseGrid, about))["images"] == about["images"]
    unusual = replace(read, images=replace(read.images, channels=3, crop=True))
    assert to_dict(unusual)["images"] == {**stored, "crop": True}
    assert from_dict(SparseGrid, to_dict(unusual)) == unusual


def test_text_and_figure_of_a_table(made, tmp_path) -> None:
    table = read_sparse_table(made)
    lines = format_rows(accuracy_rows(table)).splitlines()
    assert lines[0].split() == ["model", "dataset", "pruning", "0", "0.95"] and len(lines) == 4
    assert plot_grid(table, tmp_path / "new" / "a.png").stat().st_size > 10_000
    assert cell_text(0.1 + 0.2) == "0.30000000000000004" and cell_text(float("nan")) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ("VGG",)}, "unknown model 'VGG'; choose one of CONV-6"),
        ({"pruners": ("snip", "snip")}, "one or more different values"),
        ({"pruners": ("lottery",)}, "unknown pruner 'lottery'; choose one of"),
        ({"pruners": ("dense",)}, "dense networks come along with training"),
        ({"sparsities": ()}, "one or more different values"),
        ({"sparsities": (0.5, 1.0)}, r"the fraction removed is in \[0, 1\), got 1.0"),
        ({"sparsities": (float("nan"),)}, "got nan"),
        ({"seeds": (-1,)}, "must not be negative"),
    ],
)
def test_wrong_settings(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GRID, **change)


def test_wrong_names_and_images() -> None:
    with pytest.raises(ValueError, match="4000 images asked for, 1297 there"):
        load_sets(ImageSettings(train=4000))
    with pytest.raises(
        ValueError, match="unknown grid 'huge'; choose one of tiny, small, published"
    ):
        find_grid("huge", "digits")
    with pytest.raises(ValueError, match="small is not there for imagenet, only for digits"):
        find_grid("small", "imagenet")
    with pytest.raises(ValueError, match="unknown network 'VGG'"):
        find_model("VGG")
