"""Sweeps of jobs: same rows however they are run, stopped or resumed; damaged results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from campaigns import send_through_pickle

from graph2nn.relational.campaign import training
from graph2nn.relational.campaign.job_results import diverged_runs, merge_results
from graph2nn.relational.campaign.results import (
    COLUMNS,
    ResultTable,
    published_results,
    read_results,
)
from graph2nn.relational.campaign.specs import NetworkSpec, build_network
from graph2nn.relational.campaign.training import run_jobs
from graph2nn.relational.graphs.graph_sets import GraphEntry, complete_entry
from graph2nn.relational.networks.matching import match_width
from graph2nn.runs import read_metrics
from graph2nn.runs.campaign import read_job, result_files, write_job
from graph2nn.training import Recipe
from graph2nn.vision import ImageSettings

RECIPE = Recipe(epochs=2, batch_size=256, test_batch_size=250, precise_bn=512)
DATA = ImageSettings(dataset="digits", channels=1)
SIZES = {"num_classes": 10, "image_size": 8, "in_channels": 1, "dim_first": 16}
VARYING = ("time_avg_s", "seconds")

pytestmark = pytest.mark.usefixtures("one_thread")  # loky and killed processes give the same bits


def entry(k: int, seed: int = 1) -> GraphEntry:
    return GraphEntry(kind="ws", num_nodes=8, sparsity=k / 8, p=0.2, seed=seed, C=0.5, L=1.5)


def spec(graph: GraphEntry) -> NetworkSpec:
    match = match_width("mlp", graph.graph(), base_dims=(16,), **SIZES)
    return NetworkSpec(
        entry=graph,
        model="mlp",
        dims=match.dims,
        options=(("dim_first", 16),),
        transform="talklinear",
        params=match.params,
        flops=match.flops,
    )


def specs() -> list[NetworkSpec]:
    return [spec(entry(k)) for k in (2, 3, 4, 5)] + [spec(complete_entry(8))]


def sweep(folder: Path, networks=None, seeds=(1, 2), **how) -> ResultTable:
    how = {"group_size": 2, "save_seconds": 0, "progress": False, **how}
    networks = specs() if networks is None else networks
    return run_jobs(folder, networks, seeds, RECIPE, task="mlp_digits", data=DATA, **how)


def comparable(table: ResultTable) -> list[dict]:
    rows = [{k: v for k, v in row.items() if k not in VARYING} for row in table.rows()]
    assert rows
    return [{k: v for k, v in row.items() if v == v} for row in rows]


def test_the_stored_images_are_as_they_were() -> None:
    """Folders of sweeps that began before there was one `ImageSettings` go on."""
    stored = training._stored_images(replace(DATA, data_dir="anywhere"))
    assert stored == {
        "name": "digits", "train_split": "trainval", "test_split": "test", "imsize": None,
        "channels": 1,
    }  # fmt: skip
    assert training._stored_images(replace(DATA, train=100)) == {**stored, "train": 100}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResultTable]:
    folder = tmp_path_factory.mktemp("sweep")
    return folder, sweep(folder)


def test_table(whole: tuple[Path, ResultTable]) -> None:
    folder, table = whole
    assert table.num_rows == 5 * 2 * 3
    assert set(COLUMNS) <= set(table)
    final = table.final()
    assert final.num_rows == 10 and set(final["epoch"]) == {2}
    assert set(table.select(is_baseline=True)["graph_id"]) == {"complete"}
    assert final["top1_error"].mean() < 85 < table.select(epoch=0)["top1_error"].mean()
    assert read_results(folder).num_rows == 10
    assert comparable(read_results(folder, by_epoch=True)) == comparable(table)
    row = table.select(graph_id="n8_s0.25_p0.2_g1").rows()[0]
    assert (row["n_nodes"], row["k_degree"], row["dim0"]) == (8, 2, specs()[0].dims[0])
    assert {path.name for path in folder.iterdir()} >= {"config.json", "environment.json"}
    assert not list(folder.glob("jobs/*/last.pt"))


def test_baseline_is_dense_and_seeds_differ() -> None:
    data = DATA.load("test")
    dense = build_network(specs()[-1], data, 1)
    assert dense.graph is None
    one, other = (build_network(specs()[0], data, seed).state_dict() for seed in (1, 2))
    again = build_network(specs()[0], data, 1, execution="masked").state_dict()
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("how", [{"jobs": 2, "backend": "threading"}, {"group_size": 5}])
def test_same_rows_however_they_are_run(how: dict, whole, tmp_path: Path) -> None:
    assert comparable(sweep(tmp_path, **how)) == comparable(whole[1])


def test_jobs_can_be_sent_to_other_processes(whole, tmp_path: Path, monkeypatch) -> None:
    """What processes and clusters do with a job is tested with the engine."""
    done = send_through_pickle(monkeypatch)
    assert comparable(sweep(tmp_path)) == comparable(whole[1])
    assert len(done) == 6 and done[0].startswith("seed1-")


def test_stacked_agrees(whole, tmp_path: Path) -> None:
    """In single precision a rounding may switch a ReLU, so some run may drift a little."""
    table = sweep(tmp_path, stacked=True, group_size=5)
    for name in ("graph_id", "seed", "epoch"):
        assert table[name].tolist() == whole[1][name].tolist()
    apart = np.abs(table["test_loss"] / whole[1]["test_loss"] - 1)
    assert np.median(apart) < 1e-5 and apart.max() < 0.05
    assert np.abs(table["top1_error"] - whole[1]["top1_error"]).max() < 5


KILLED = """
import importlib.util, os, signal
from pathlib import Path
spec = importlib.util.spec_from_file_location("sweep", {here!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from graph2nn.training.loop.learner import Learner

steps, plain = 0, Learner.train_step
def counted(*args):
    global steps
    steps += 1
    if steps == {last}:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(*args)

Learner.train_step = counted
module.sweep(Path({folder!r}))
"""


def test_killed_sweep_goes_on(whole, tmp_path: Path) -> None:
    """Killed in the second epoch of the second job: 2 epochs x 5 steps x 2 networks a job."""
    script = KILLED.format(here=__file__, folder=str(tmp_path), last=20 + 15)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert len(result_files(tmp_path)) == 1
    (checkpoint,) = tmp_path.glob("jobs/*/last.pt")
    first = result_files(tmp_path)[0].read_bytes()
    assert comparable(sweep(tmp_path)) == comparable(whole[1])
    assert first in [path.read_bytes() for path in result_files(tmp_path)]  # not done again
    assert not checkpoint.exists()


def test_grows_by_seeds_and_graphs(whole, tmp_path: Path) -> None:
    sweep(tmp_path, specs()[:3], (1,))
    before = {path: path.stat().st_mtime_ns for path in result_files(tmp_path)}
    table = sweep(tmp_path, group_size=3)
    assert comparable(table) == comparable(whole[1])
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_half_written_result_runs_again(whole, tmp_path: Path) -> None:
    table = sweep(tmp_path, specs()[:2], (1,))
    (path,) = result_files(tmp_path)
    text = path.read_text()
    changed = text[: len(text) // 2]
    path.write_text(changed)
    with pytest.raises(ValueError, match=f"{path.name} is half-written or altered"):
        merge_results(tmp_path)
    with pytest.warns(RuntimeWarning, match=f"{path.name} is half-written.*its job runs again"):
        again = sweep(tmp_path, specs()[:2], (1,))
    assert comparable(again) == comparable(table)
    assert path.with_suffix(".damaged").read_text() == changed


def test_damaged_checkpoint_starts_the_job_again(whole, tmp_path: Path) -> None:
    table = sweep(tmp_path, specs()[:2], (1,), keep_checkpoints=True)
    (checkpoint,) = tmp_path.glob("jobs/*/last.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    result_files(tmp_path)[0].unlink()
    with pytest.warns(RuntimeWarning, match="last.pt is truncated.*starts again"):
        again = sweep(tmp_path, specs()[:2], (1,))
    assert comparable(again) == comparable(table)


def test_a_result_in_two_files_counts_once(whole, tmp_path: Path) -> None:
    table = sweep(tmp_path, specs()[:2], (1,))
    (path,) = result_files(tmp_path)
    rows = read_job(path)
    write_job(path.with_name("copy.jsonl"), "copy", rows[:2])
    assert comparable(merge_results(tmp_path)) == comparable(table)
    write_job(path.with_name("copy.jsonl"), "copy", [{**rows[0], "top1_error": 1.0}])
    with pytest.raises(ValueError, match="copy.jsonl have different errors|different errors for"):
        merge_results(tmp_path)


@pytest.mark.parametrize("group_size", [1, 2])
def test_a_job_killed_between_its_results_and_its_line_gets_the_line(
    tmp_path: Path, group_size: int
) -> None:
    """Also where the networks are grouped otherwise than when it ran."""
    sweep(tmp_path, specs()[:2], (1, 2), group_size=1)
    log = tmp_path / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:1] + lines[3:]))
    sweep(tmp_path, specs()[:2], (1, 2), group_size=group_size)
    found = [row["job"] for row in read_metrics(tmp_path)]
    assert sorted(found) == sorted(path.stem for path in result_files(tmp_path))


def test_diverged_runs_are_named_and_left_out(tmp_path: Path) -> None:
    table = sweep(tmp_path, specs()[:2], (1,))
    (path,) = result_files(tmp_path)
    rows = read_job(path)
    lost = rows[0]["graph_id"]
    last = max(row["epoch"] for row in rows)
    changed = [
        {**r, "top1_error": None} if (r["graph_id"], r["epoch"]) == (lost, last) else r
        for r in rows
    ]
    write_job(path, "job", changed)
    assert [run[1:] for run in diverged_runs(tmp_path)] == [(lost, 1)]
    with pytest.warns(RuntimeWarning, match=rf"1 runs diverged.*{lost} \(seed 1\)"):
        rest = merge_results(tmp_path)
    assert rest.num_rows == table.num_rows // 2 and lost not in rest["graph_id"]
    assert last > 0, "the epochs before it stay out, too"


def test_failing_jobs_do_not_stop_the_others(whole, tmp_path: Path) -> None:
    networks = specs()
    broken = networks.copy()
    broken[1] = replace(networks[1], dims=(4,))
    with pytest.raises(RuntimeError, match="1 of 5 jobs failed.*ValueError.*8 nodes"):
        sweep(tmp_path, broken, (1,), group_size=1)
    assert len(result_files(tmp_path)) == 4
    line = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum(bool(report["error"]) for report in line) == 1
    table = sweep(tmp_path, networks, (1,), group_size=1)
    assert comparable(table) == comparable(whole[1].select(seed=1))


def test_bad_input(whole, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one network and one seed, got 0 and 2"):
        sweep(tmp_path, [])
    with pytest.raises(ValueError, match="graph n8_s0.25_p0.2_g1 is given twice"):
        sweep(tmp_path, specs()[:1] * 2)
    with pytest.raises(ValueError, match="seed 3 is given twice"):
        sweep(tmp_path, seeds=(3, 3))
    with pytest.raises(ValueError, match="group_size must be at least 1"):
        sweep(tmp_path, group_size=0)
    with pytest.raises(ValueError, match="holds a run with other settings: task"):
        run_jobs(whole[0], specs(), (1,), RECIPE, task="other", data=DATA)
    with pytest.raises(ValueError, match="holds a run already"):
        sweep(whole[0], resume=False)
    with pytest.raises(FileNotFoundError, match="no results of finished jobs"):
        merge_results(tmp_path)


def test_published_columns() -> None:
    """A row of our table has what the published row of the same graph says of it."""
    from graph2nn.relational.graphs.graph_sets import graph_set

    published = published_results().select(task="mlp_cifar10", seed=1)
    for position in (0, 17, 51):
        graph = graph_set("n64_52")[position]
        match = match_width("mlp", graph.graph(), num_classes=10, image_size=32)
        ours = NetworkSpec(
            entry=graph, model="mlp", dims=match.dims, transform="talklinear",
            params=match.params, flops=match.flops,
        ).columns()  # fmt: skip
        (theirs,) = published.select(graph_id=graph.graph_id).rows()
        for name, value in ours.items():
            if isinstance(value, float):
                close = 6e-4 if name in ("params_M", "gflops") else 1e-6  # published decimals
                np.testing.assert_allclose(value, theirs[name], atol=close, err_msg=name)
            else:
                assert (-1 if value is None else value) == theirs[name], name
