"""The tables of our own sweeps in `data/relational/`: whole, and with their run configuration."""

from __future__ import annotations

import json

import numpy as np
import pytest
from repository import DATA, ROOT

from graph2nn.relational import TASKS, graph_set, read_results
from graph2nn.relational.campaign.results import published_results

FOLDER = DATA / "relational"
GRAPHS = {entry.graph_id for entry in graph_set("n64_52")} | {"complete"}


@pytest.mark.parametrize(
    ("name", "task", "graphs", "seeds", "epochs"),
    [
        ("mlp_digits_52", "mlp_digits", 53, 5, 30),
        ("mlp_cifar10_52", "mlp_cifar10", 53, 2, 6),
        ("mlp_cifar10_13_long", "mlp_cifar10", 13, 1, 24),
    ],
)
def test_whole(name: str, task: str, graphs: int, seeds: int, epochs: int) -> None:
    final, table = read_results(FOLDER / name), read_results(FOLDER / name, by_epoch=True)
    assert final.num_rows == read_results(name).num_rows == graphs * seeds
    assert table.num_rows == graphs * seeds * (epochs + 1)
    assert set(table["task"]) == {task} and task in TASKS
    assert set(final["graph_id"]) <= GRAPHS and "complete" in final["graph_id"]
    assert set(final["epoch"]) == {epochs} and len(set(final["seed"])) == seeds
    last = table.final()
    order = np.lexsort((last["seed"], last["graph_id"]))
    mine = np.lexsort((final["seed"], final["graph_id"]))
    assert np.array_equal(last["top1_error"][order], final["top1_error"][mine])
    config = json.loads((FOLDER / name / "config.json").read_text())
    assert config["task"] == task and config["recipe"]["epochs"] == epochs
    assert "command" in json.loads((FOLDER / name / "environment.json").read_text())


def test_all_are_described() -> None:
    text = (ROOT / "docs" / "results" / "relational.md").read_text(encoding="utf-8")
    for folder in FOLDER.iterdir():
        if folder.is_dir():
            assert f"`{folder.name}`" in text, folder.name


def test_published_results_by_name() -> None:
    for by_epoch in (False, True):
        found, known = (
            read_results("published", by_epoch=by_epoch),
            published_results(by_epoch=by_epoch),
        )
        assert found.num_rows == known.num_rows and found.tasks == known.tasks
    with pytest.raises(FileNotFoundError, match="a run folder, .published., or the name of"):
        read_results("publshed")
