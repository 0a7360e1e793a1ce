"""`analyze` on whole and on poor tables: files, notes, no surprises."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational.campaign.results import ResultTable, write_results
from predictors.studies.relational import Findings, analyze


def _table(
    graphs: int = 30, seeds: int = 3, *, task: str = "made", n: int = 32, epochs: int = 1,
    degree: bool = True, complete: bool = True,
) -> ResultTable:  # fmt: skip
    rng = np.random.default_rng(0)
    rows = []
    k = np.exp(rng.uniform(np.log(4), np.log(n - 4), graphs))
    C, L = rng.uniform(0.1, 0.9, graphs), rng.uniform(1.1, 3.2, graphs)
    for i in range(graphs + complete):
        dense = i == graphs
        base = 20 + (5 if dense else 8 * (C[i] - 0.4) ** 2 + (L[i] - 2) ** 2)
        for seed in range(1, seeds + 1):
            for epoch in range(epochs + 1):
                row = {"task": task, "seed": seed, "epoch": epoch, "is_baseline": dense}
                row["top1_error"] = base + 20 * (epochs - epoch) + rng.normal(0, 0.2)
                row |= {"C": 1 if dense else C[i], "L": 1 if dense else L[i], "n_nodes": n}
                row["graph_id"] = "complete" if dense else f"n{n}_s{k[i] / n:.4f}_p0.1_g{i}"
                if degree:
                    row |= {"k_degree": n if dense else k[i], "dim0": 512 if dense else 900 + i}
                rows.append(row)
    return ResultTable.from_rows(rows)


def _connectome(task: str) -> ResultTable:
    common = {"task": task, "epoch": 1, "C": 0.63, "L": 1.59, "is_baseline": 0, "k_degree": 13.0}
    rows = [
        {**common, "seed": s, "top1_error": 21.0 + s, "graph_id": "cat", "n_nodes": 52, "dim0": 9}
        for s in (1, 2)
    ]
    return ResultTable.from_rows(rows)


def _check_files(found: Findings, out: Path) -> None:
    text = found.page.read_text()
    listed = [path.name for paths in found.figures.values() for path in paths]
    listed += [path.name for path in found.tables.values()]
    assert sorted([*listed, "report.md"]) == sorted(path.name for path in out.iterdir())
    assert all(f"({name})" in text for name in listed)
    assert all(note in text for note in found.notes)
    for name in found.tables.values():
        with name.open() as file:
            rows = list(csv.reader(file))
        assert len(rows) > 1 and len({len(row) for row in rows}) == 1
        assert not any(value.lower() in ("nan", "inf") for row in rows for value in row)


def test_full_report(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    table = _table(epochs=3).joined(_table(task="other"))
    write_results(run / "results.csv.gz", table.final())
    write_results(run / "results_by_epoch.csv", table)
    found = analyze(run, out)
    _check_files(found, out)
    assert set(found.figures) == {
        "heatmap_made", "slices_made", "control_made", "heatmap_other", "slices_other",
        "control_other", "sweet_spots", "correlations", "correlations_scatter", "epochs",
    }  # fmt: skip
    assert found.pairs["made", "other"].r > 0.9
    assert found.epochs["made"].epochs.tolist() == [1, 2, 3]  # never epoch 0
    assert found.studies["made"].spots["published"].size < 30
    assert found.notes == ["other: a curve over epochs needs two epochs and three graphs, got 1 "
                            "and 31"]  # fmt: skip


def test_one_task_of_a_file_in_other_formats(tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.csv", _table().joined(_table(task="other")))
    found = analyze(path, tmp_path / "out", task="other", formats=("pdf", "svg"))
    assert list(found.studies) == ["other"]
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".pdf", ".svg", ".csv", ".md"}
    with pytest.raises(ValueError, match="no rows of task mine; its tasks are made, other"):
        analyze(path, tmp_path / "out", task="mine")
    with pytest.raises(ValueError, match="expected a list of png, pdf, svg"):
        analyze(path, tmp_path / "out", formats=("gif",))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table(seeds=1), "train with at least two seeds"),
        (_table(seeds=2), "needs a seed to choose on and two to test with"),
        (_table(graphs=3), "needs five graphs"),
        (_table(graphs=1), "needs five graphs"),
        (_table(graphs=0), "no generated graphs"),
        (_table(degree=False), "different known degrees"),
        (_table(complete=False), "no complete graph"),
        (_table(graphs=1, seeds=1, complete=False), "no complete graph"),
    ],
)
def test_poor_tables_say_what_is_missing(tmp_path: Path, table: ResultTable, message: str) -> None:
    found = analyze(table, tmp_path / "out")
    assert any(message in note for note in found.notes)
    _check_files(found, tmp_path / "out")


def test_constant_errors(tmp_path: Path) -> None:
    table = _table()
    flat = ResultTable({**table, "top1_error": np.full(table.num_rows, 20.0)})
    found = analyze(flat, tmp_path / "out")
    assert found.studies["made"].spots["published"].size == 30
    _check_files(found, tmp_path / "out")


def test_nothing_but_epoch_zero(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results after epoch 0"):
        analyze(_table(epochs=0), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["made", "made_bio"])
def test_connectomes_are_marked_and_not_counted(tmp_path: Path, task: str) -> None:
    """Whether they come with the task or as the task that trains connectomes only."""
    plain = analyze(_table(), tmp_path / "plain", formats=()).studies["made"]
    found = analyze(_table().joined(_connectome(task)), tmp_path / "out")
    study = found.studies["made"]
    assert study.named.graph_id.tolist() == ["cat"]
    assert study.named.mean.tolist() == [22.5]
    assert study.spots["published"].c_range == plain.spots["published"].c_range
    assert "connectome" in found.tables["graphs"].read_text()
    _check_files(found, tmp_path / "out")


def test_comparison_with_other_results(tmp_path: Path) -> None:
    other = _table(seeds=2)
    found = analyze(_table(), tmp_path / "out", compare=other, formats=())
    assert list(found.others) == ["made (other)"]
    assert found.pairs["made", "made (other)"].r > 0.9
    assert "made (other)" in found.page.read_text()
    _check_files(found, tmp_path / "out")


def test_same_table_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        analyze(_table(graphs=20, n=64), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_published_report(tmp_path: Path) -> None:
    names = ["resnet34_imagenet", "resnet50_imagenet"]
    found = analyze("published", tmp_path / "out", task=names)
    _check_files(found, tmp_path / "out")
    assert found.pairs[names[0], names[1]].r == pytest.approx(0.757, abs=5e-4)
    assert found.studies[names[0]].spots["published"].size == 15


@pytest.mark.slow
def test_published_report_of_all_tasks(tmp_path: Path) -> None:
    found = analyze("published", tmp_path / "out")
    _check_files(found, tmp_path / "out")
    assert found.pairs["mlp_cifar10", "resnet34_imagenet"].r == pytest.approx(0.658, abs=5e-4)
    assert found.studies["mlp_cifar10"].main_spots["published"].size == 12
    assert {"graph_counts", "epochs", "heatmap_mlp_cifar10"} <= set(found.figures)
