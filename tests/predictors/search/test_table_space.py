"""Search among the rows of any table: what is proposed, that all can be found, and resuming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph2nn.cells.sampling import sample_cells
from predictors.search import (
    GuidedSearch,
    RandomSearch,
    RegularisedEvolution,
    TableSpace,
    compare_on_table,
    run_search,
)
from predictors.tables import Table

STRATEGIES = {
    "random": RandomSearch(),
    "evolution": RegularisedEvolution(population=6, sample=3),
    "guided": GuidedSearch(predictor="ridge", initial=6, candidates=10, crossover=0.5),
}
QUIET: dict[str, Any] = {"batch": 4, "progress": False}


def cells(count: int = 60, shift: float = 0.0) -> Table:
    graphs = sample_cells("nb201", count, np.random.default_rng(0))
    loss = np.array([5.0 - graph.op_names().count("conv_3x3") for graph in graphs]) + shift
    loss += np.random.default_rng(1).uniform(size=count) / 100
    loss[7] = np.nan
    return Table(
        name="mine", graphs=graphs, targets={"loss": loss}, default="loss",
        minimise=frozenset({"loss"}),
    )  # fmt: skip


def test_mutants_are_much_alike_and_all_rows_can_be_reached() -> None:
    space, rng = TableSpace(cells(), far=0.0), np.random.default_rng(0)
    assert len(space.words()) == 59 and "7" not in space.words()

    def distance(one: str, other: str) -> int:
        counts = [
            np.bincount(space.graph(word).op, minlength=len(space.graph(one).ops))
            for word in (one, other)
        ]
        return int(np.abs(counts[0] - counts[1]).sum())

    words = [space.random(rng) for _ in range(100)]
    mutants = [space.mutate(word, rng) for word in words]
    assert all(one != other for one, other in zip(words, mutants))
    near = np.mean([distance(*pair) for pair in zip(words, mutants)])
    assert near < 0.6 * np.mean([distance(*pair) for pair in zip(words, words[1:])])
    children = [space.crossover(*pair, rng) for pair in zip(words, words[1:])]
    assert set(children) <= set(space.words())


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_can_use_a_table_up(name: str) -> None:
    table = cells(30)
    space = TableSpace(table)

    def look_up(words: list[str]) -> list[float]:
        return [-table.label()[int(word)] for word in words]

    found = run_search(space, STRATEGIES[name], look_up, budget=29, **QUIET)
    assert len({one.word for one in found}) == 29
    with pytest.raises(ValueError, match="mine, loss, .*: expected a budget of at most 29, got 30"):
        run_search(space, STRATEGIES[name], look_up, budget=30, **QUIET)


def test_comparison_by_path(tmp_path: Path) -> None:
    path = cells().save(tmp_path / "file.h5")
    options: dict[str, Any] = {"budget": 20, "seeds": 2, **QUIET}
    found = compare_on_table(path, STRATEGIES, tmp_path / "run", **options)
    assert "mine, loss: regret" in found.report
    regret = {
        name: np.mean([np.nanmin(cells().label()) + max(e.value for e in run) for run in runs])
        for name, runs in found.histories.items()
    }
    assert all(-1.5 < value <= 0 for value in regret.values()) and regret["guided"] > -0.1
    again = compare_on_table(cells(), STRATEGIES, tmp_path / "run", **options)
    assert again.report == found.report
    with pytest.raises(ValueError, match="holds a run with other settings: space"):
        compare_on_table(cells(shift=1.0), STRATEGIES, tmp_path / "run", **options)


def test_a_budget_is_at_most_the_table(tmp_path: Path) -> None:
    random = {"random": RandomSearch()}
    found = compare_on_table(cells(10), random, tmp_path, budget=150, seeds=1, progress=False)
    assert len(found.histories["random"][0]) == 9


def test_a_table_without_labels(tmp_path: Path) -> None:
    table = Table(
        name="mine", graphs=cells().graphs, targets={"acc": np.full(60, np.nan)}, default="acc"
    )
    with pytest.raises(ValueError, match="table mine: no network has a label acc"):
        compare_on_table(table, STRATEGIES, tmp_path)
