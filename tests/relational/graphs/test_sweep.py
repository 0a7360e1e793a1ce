"""Sweeps: the published sets from full sweeps, resuming, files and bad input."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from unsealed import unsealed

from graph2nn.relational.graphs import sweep as sweep_module
from graph2nn.relational.graphs.many_graphs import ws_flex_measures
from graph2nn.relational.graphs.published import PUBLISHED_GRAPHS, published_graphs
from graph2nn.relational.graphs.sweep import Sweep, SweepGrid, run_sweep
from graph2nn.relational.graphs.sweep_file import draw_sweep, read_sweep, sweep_to_file, write_sweep
from graph2nn.relational.graphs.thinning import ThinningRule, thin
from graph2nn.runs.engines import has_numba

SMALL = SweepGrid(nodes=16, k_min=4, k_max=14, degrees=7, probabilities=11, seeds=3)
WIDE = ThinningRule(cells=4, longest=2.5, centre_threshold=-1.0)
SETS = ("fine", "medium", "coarse")


@pytest.fixture
def tiny_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "_PART", 70)  # two degrees of SMALL


def published_sets(nodes: int) -> list[np.ndarray]:
    return [published_graphs(name) for name in PUBLISHED_GRAPHS if name.startswith(f"n{nodes}_")]


@pytest.mark.skipif(not has_numba(), reason="numba is not installed, the sweep takes minutes")
def test_published_sets_of_16_nodes() -> None:
    sweep, grid = run_sweep(SweepGrid.published(16), progress=False), SweepGrid.published(16)
    sparsity = np.repeat(grid.k / 16, grid.probabilities * grid.seeds)
    found = thin(sparsity, sweep.C, sweep.L, ThinningRule.published(16))
    for name, expected in zip(SETS, published_sets(16)):
        assert np.array_equal(sweep.rows(getattr(found, name)), expected), name


@pytest.mark.slow
@pytest.mark.skipif(not has_numba(), reason="numba is not installed, the sweep takes an hour")
def test_published_sets_of_64_nodes(tmp_path: Path) -> None:
    begin = time.monotonic()
    found = sweep_to_file(tmp_path / "s.h5", 64, jobs=2, progress=False)
    assert time.monotonic() - begin < 600
    again = read_sweep(tmp_path / "s.h5")
    for name, expected in zip(SETS, published_sets(64)):
        assert np.array_equal(found.graphs(name), expected), name
        assert np.array_equal(again.graphs(name), expected), name


def test_published_rows_are_rows_of_the_grid() -> None:
    """Without the sweep: degrees, probabilities and seeds of the published sets, to the bit."""
    for name in PUBLISHED_GRAPHS:
        rows = published_graphs(name)
        grid = SweepGrid.published(int(rows[0, 0]))
        assert np.isin(rows[:, 1], grid.k / grid.nodes).all()
        assert np.isin(rows[:, 2], grid.p).all()
        assert np.isin(rows[:, 3], range(grid.seeds)).all()


@pytest.mark.parametrize("engine", ["plain", "auto"])
def test_order_of_rows(engine: str) -> None:
    rows = run_sweep(SMALL, engine=engine, progress=False).rows()
    assert rows.shape == (SMALL.size, 6) == (231, 6)
    expected = [(16, k / 16, p, s) for k in SMALL.k for p in SMALL.p for s in range(3)]
    assert np.array_equal(rows[:, :4], np.array(expected))
    c, length = ws_flex_measures(16, 16 * rows[:, 1], rows[:, 2], rows[:, 3])
    assert np.array_equal(rows[:, 4:], np.stack([c, length], 1))
    assert np.array_equal(run_sweep(SMALL, progress=False).rows(np.array([5, 200])), rows[[5, 200]])


def test_processes_and_parts_change_nothing(tiny_parts, tmp_path: Path) -> None:
    expected = run_sweep(SMALL, progress=False)
    for found in (
        run_sweep(SMALL, jobs=2, backend="threading", progress=False),
        run_sweep(SMALL, parts=tmp_path, progress=False),
        run_sweep(SMALL, parts=tmp_path, progress=False),
    ):
        assert np.array_equal(found.C, expected.C)
        assert np.array_equal(found.L, expected.L)
    assert len(list(tmp_path.iterdir())) == 4


def test_goes_on_from_its_parts(tiny_parts, tmp_path: Path, monkeypatch) -> None:
    expected = run_sweep(SMALL, parts=tmp_path, progress=False)
    first, second, *rest = sorted(tmp_path.iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])  # as copied by hand, or a full disk
    measured = []
    original = ws_flex_measures

    def counting(nodes, k, p, seed, *, engine):
        measured.append(len(k))
        return original(nodes, k, p, seed, engine=engine)

    monkeypatch.setattr(sweep_module, "ws_flex_measures", counting)
    with pytest.warns(RuntimeWarning, match=f"{second.name} is half-written.*is made again"):
        found = run_sweep(SMALL, parts=tmp_path, engine="plain", progress=False)
    assert measured == [66, 66]
    assert np.array_equal(found.L, expected.L)
    other = replace(SMALL, seeds=2)  # its parts have other names
    assert run_sweep(other, parts=tmp_path, progress=False).C.shape == (other.size,)


SLOW_SWEEP = """
import sys, time
from graph2nn.relational.graphs import sweep
from graph2nn.relational.graphs.sweep_file import sweep_to_file

measure, sweep._PART = sweep._measured, 70

def slow(*arguments):
    time.sleep(0.3)
    return measure(*arguments)

sweep._measured = slow
grid = sweep.SweepGrid(nodes=16, k_min=4, k_max=14, degrees=7, probabilities=11, seeds=3)
sweep_to_file(sys.argv[1], 16, grid=grid, engine="plain", progress=False)
"""


def test_killed_and_started_again(tiny_parts, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", SLOW_SWEEP, str(tmp_path / "s.h5")])
    parts = tmp_path / "s.h5.parts"
    deadline = time.monotonic() + 60
    while len(list(parts.glob("*.npy"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.wait()
    kept = len(list(parts.glob("*.npy")))
    assert 2 <= kept < 4
    assert not (tmp_path / "s.h5").exists()
    found = sweep_to_file(tmp_path / "s.h5", 16, grid=SMALL, rule=WIDE, progress=False)
    assert np.array_equal(found.sweep.C, run_sweep(SMALL, progress=False).C)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.h5", "s.png"]


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    found = sweep_to_file(path, 16, grid=SMALL, rule=WIDE, progress=False)
    with h5py.File(path) as file:
        assert np.array_equal(file["graphs"][:], found.sweep.rows())
        assert list(file["graphs"].attrs["columns"]) == ["n", "sparsity", "p", "seed", "C", "L"]
        assert np.array_equal(file["thinned/coarse"][:], found.thinned.coarse)
    again = read_sweep(path)
    assert (again.sweep.grid, again.rule) == (SMALL, WIDE)
    for name in SETS:
        assert np.array_equal(again.graphs(name), found.graphs(name))
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError, match="choose another name"):
        write_sweep(found)
    with pytest.raises(ValueError, match="unknown set 'all'; choose one of fine, medium, coarse"):
        found.graphs("all")


def test_finished_file_is_not_measured_again(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "s.h5"
    sweep_to_file(path, 16, grid=SMALL, rule=WIDE, figure=False, progress=False)
    monkeypatch.setattr("graph2nn.relational.graphs.sweep_file.run_sweep", None)
    rule = replace(WIDE, cells=2)
    found = sweep_to_file(path, 16, grid=SMALL, rule=rule, figure=False, progress=False)
    assert read_sweep(path).rule == found.rule == rule
    with pytest.raises(ValueError, match="holds another sweep.*choose another file"):
        sweep_to_file(path, 16, grid=replace(SMALL, seeds=1), figure=False)


def test_half_written_file(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    sweep_to_file(path, 16, grid=SMALL, rule=WIDE, figure=False, progress=False)
    content = path.read_bytes()
    for part in (content[: len(content) // 2], b"", b"text"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="is (no sweep, or )?damaged.*delete it"):
            sweep_to_file(path, 16, grid=SMALL)
    path.write_bytes(content)
    unsealed(path)
    with h5py.File(path, "a") as file:
        rows = file["graphs"][:-1]
        del file["graphs"]
        file["graphs"] = rows
    with pytest.raises(ValueError, match="has 230 graphs, its grid 231"):
        read_sweep(path)
    with h5py.File(path, "a") as file:
        file.attrs["grid"] = "{"
    with pytest.raises(ValueError, match="is no sweep"):
        read_sweep(path)


def test_other_sizes(tmp_path: Path) -> None:
    grid = SweepGrid.for_nodes(24)
    assert (grid.k_min, grid.k_max, grid.size) == (4, 22, 2_700_000)
    small = replace(grid, degrees=4, probabilities=6, seeds=2)
    found = sweep_to_file(tmp_path / "s.h5", 24, grid=small, progress=False)
    assert found.rule.longest >= found.sweep.L.max()
    assert 0 < len(found.thinned.coarse) <= len(found.thinned.medium) <= len(found.thinned.fine)
    assert SweepGrid(nodes=5, k_min=2, k_max=5).k.max() == 5  # the root squared is above


def test_thinning_by_hand() -> None:
    """Cells of 1 / 9; the first of equals wins in permuted order; the centre is cell 5."""
    rule = ThinningRule(cells=1, longest=10.0, least_sparsity=0.2)
    c = np.array([0.5, 0.51, 0.05, 0.15, 0.5])
    length = np.array([5.5, 5.4, 1.5, 2.5, 5.5])
    sparsity = np.array([0.5, 0.5, 0.5, 0.5, 0.1])
    found = thin(sparsity, c, length, rule)
    order = np.random.RandomState(1).permutation(4).tolist()
    winner = min((0, 1), key=order.index)
    assert sorted(found.fine) == [winner, 2, 3]
    assert found.coarse.tolist() == [winner]
    assert sorted(found.medium) == [winner, 3]


def test_thinning_fills_empty_cells_of_high_clustering() -> None:
    rule = ThinningRule(cells=4, longest=37.0)  # 36 cells of 1 / 36 by 1
    column = 31.5 / 36  # cell 32, a centre, at C above 0.75
    neighbour = np.array([column]), np.array([1 + 3.5])  # cell 4 of L; the centre is 5
    found = thin(np.ones(1), *neighbour, rule)
    assert found.coarse.tolist() == [0]
    assert found.medium.tolist() == [0]
    low = thin(np.ones(1), neighbour[0] - 0.5, neighbour[1], rule)
    assert (low.coarse.size, low.medium.size, low.fine.size) == (0, 0, 1)
    beside = thin(np.ones(1), neighbour[0], np.array([1 + 2.5]), rule)  # cell 3, beside 2
    assert beside.medium.tolist() == [0, 0]  # once for the cell, once for the centre


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SweepGrid(nodes=16, k_min=1, k_max=8), "2 <= k_min <= k_max <= nodes = 16"),
        (lambda: SweepGrid(nodes=16, k_min=4, k_max=17), "k_max 17"),
        (lambda: SweepGrid(nodes=16, k_min=4, k_max=8, seeds=0), "seeds: expected at least 1"),
        (lambda: SweepGrid(nodes=1, k_min=4, k_max=8), "nodes: expected at least 2"),
        (lambda: SweepGrid.published(32), "have 64 or 16 nodes, got 32"),
        (lambda: SweepGrid.for_nodes(6), "at least 7 nodes, got 6"),
        (lambda: ThinningRule.published(32), "have 64 or 16 nodes, got 32"),
        (lambda: ThinningRule(cells=0), "cells: expected at least 1"),
        (lambda: ThinningRule(longest=1.0), "path length above 1"),
        (lambda: thin(np.ones(2), np.ones(2), np.ones(1), WIDE), "got 2, 2, 1"),
        (lambda: thin(np.zeros(1), np.ones(1), np.ones(1), ThinningRule.published(64)), "0.125"),
        (lambda: read_sweep("nowhere.h5"), "nowhere.h5 is no file"),
        (lambda: sweep_to_file("s.h5", 64, grid=SMALL), "grid has 16 nodes and 64 were asked for"),
        (lambda: sweep_to_file("nowhere/s.h5"), "nowhere does not exist; create it first"),
        (lambda: run_sweep(SMALL, engine="c"), "unknown engine"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        call()


def test_figure_of_a_sweep_without_medium(tmp_path: Path) -> None:
    grid = SweepGrid(nodes=16, k_min=4, k_max=4, degrees=1, probabilities=1, seeds=1)
    found = sweep_to_file(tmp_path / "s.h5", 16, grid=grid, figure=False, progress=False)
    assert isinstance(found.sweep, Sweep)
    assert draw_sweep(found, tmp_path / "s.png").stat().st_size > 1000
