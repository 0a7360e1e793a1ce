"""Search where two things count: fronts, hypervolume, strategies, and a comparison on a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graph2nn.cells.sampling import sample_cells
from predictors.search import (
    ParetoEvolution,
    ParetoGuided,
    RandomSearch,
    Strategy,
    TableSpace,
    compare_two_on_table,
    hypervolume,
    pareto_front,
    run_search,
)
from predictors.search.pareto import front_ranks, hypervolume_gains, spacing
from predictors.tables import Table


def table(count: int = 120) -> Table:
    """Convolutions cost time and bring accuracy; skips bring a little for nothing."""
    graphs = sample_cells("nb201", count, np.random.default_rng(0))
    ops = [graph.op_names() for graph in graphs]
    time = np.array([4 * o.count("conv_3x3") + o.count("conv_1x1") for o in ops], dtype=float)
    good = np.array([4.0 * o.count("conv_3x3") + 2 * o.count("conv_1x1") for o in ops])
    good += [2 * o.count("skip_connect") for o in ops]
    noise = np.random.default_rng(1).uniform(size=(2, count)) / 100
    good[5] = np.nan
    return Table(
        name="mine", graphs=graphs, targets={"good": good + noise[0], "time": 1 + time + noise[1]},
        default="good", minimise=frozenset({"time"}),
    )  # fmt: skip


STRATEGIES: dict[str, Strategy] = {
    "random": RandomSearch(),
    "evolution": ParetoEvolution(population=6),
    "guided": ParetoGuided(predictor="ridge", initial=6, candidates=10, generations=1),
    "thompson": ParetoGuided(initial=6, candidates=10, acquisition="thompson"),
}


def area(values: np.ndarray, reference: np.ndarray) -> float:
    """By counting points of a fine grid."""
    ticks = (np.arange(400) + 0.5) / 100
    x, y = (grid.ravel() for grid in np.meshgrid(*(ticks + r for r in reference)))
    inside = [(x <= a) & (y <= b) for a, b in values if np.isfinite([a, b]).all()]
    return float(np.any(inside, axis=0).mean() * 16)


@pytest.mark.parametrize("seed", range(4))
def test_hypervolume_and_gains_are_areas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, reference = rng.uniform(-1, 3, size=(9, 2)), np.array([-0.5, 0.0])
    values[3] = np.nan
    assert hypervolume(values, reference) == pytest.approx(area(values, reference), abs=0.05)
    more = rng.uniform(-1, 3.4, size=(6, 2))
    before = hypervolume(values, reference)
    grown = [hypervolume(np.concatenate([values, one[None]]), reference) for one in more]
    found = hypervolume_gains(values, more, reference)
    np.testing.assert_allclose(found, np.array(grown) - before, atol=1e-9)
    np.testing.assert_allclose(  # of nothing
        hypervolume_gains(values[:0], more, reference),
        [hypervolume(one[None], reference) for one in more],
    )


def test_fronts_by_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, size=(40, 2)).astype(float)
    values[7] = np.nan
    better = (values[:, None] >= values[None]).all(2) & (values[:, None] > values[None]).any(2)
    best = np.flatnonzero(~better.any(0) & np.isfinite(values).all(1))
    front = pareto_front(values)
    assert {tuple(v) for v in values[front]} == {tuple(v) for v in values[best]}
    ranks = front_ranks(values)
    assert ranks[7] == ranks.max() and (ranks[front] == 0).all()
    for rank in range(1, ranks.max()):
        rest = np.flatnonzero(ranks >= rank)
        assert set(rest[pareto_front(values[rest])]) == set(np.flatnonzero(ranks == rank))
    room = spacing(values, ranks)
    assert np.isinf(room[front[[0, -1]]]).all() and np.isfinite(room[front[1:-1]]).all()


def test_two_values_a_network() -> None:
    with pytest.raises(ValueError, match=r"expected two values a network, \(N, 2\), got \(3, 3\)"):
        pareto_front(np.zeros((3, 3)))
    space = TableSpace(table(20), "good")
    with pytest.raises(ValueError, match="expected two values of each network, got 0 of"):
        run_search(space, ParetoEvolution(population=3), lambda words: [1.0] * len(words), budget=6)
    with pytest.raises(ValueError, match=r"ParetoEvolution.population: expected at least 2, got 1"):
        ParetoEvolution(population=1)
    with pytest.raises(ValueError, match=r"ParetoGuided.initial: expected at least 2, got 1"):
        ParetoGuided(initial=1)
    with pytest.raises(ValueError, match="acquisition: expected one of mean, thompson"):
        ParetoGuided(acquisition="best")


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_network_twice_stopped_or_not(name: str, tmp_path: Path) -> None:
    space, labels = TableSpace(table(40), "good"), table(40)
    rows = labels.label("good"), -labels.label("time")

    def evaluate(words: list[str]) -> list[tuple[float, float]]:
        return [
            (float(rows[0][int(w)]), np.nan if w == "3" else float(rows[1][int(w)])) for w in words
        ]

    how = {"batch": 4, "progress": False, "seed": 1}
    whole = run_search(space, STRATEGIES[name], evaluate, budget=39, **how)
    assert len({one.word for one in whole}) == 39
    run_search(space, STRATEGIES[name], evaluate, budget=18, folder=tmp_path / "a", **how)
    again = run_search(space, STRATEGIES[name], evaluate, budget=39, folder=tmp_path / "a", **how)
    assert [one.word for one in again] == [one.word for one in whole]
    np.testing.assert_array_equal([o.values for o in again], [o.values for o in whole])


def test_comparison_on_a_table(tmp_path: Path) -> None:
    found = compare_two_on_table(
        table(), {name: STRATEGIES[name] for name in ("random", "evolution", "guided")}, tmp_path,
        targets=("good", "time"), budget=40, batch=4, seeds=3, progress=False,
    )  # fmt: skip
    assert {path.name for path in found.figures} == {"hypervolume.png", "fronts.png"}
    assert all(path.stat().st_size for path in found.figures)
    lines = {line.split(" | ")[0].strip("| "): line for line in found.report.splitlines()}
    last = {n: float(lines[n].split(" | ")[-1].split()[0]) for n in found.histories}
    assert last["random"] < last["guided"] <= 1
    again = compare_two_on_table(
        table(), {"random": STRATEGIES["random"]}, tmp_path, targets=("good", "time"), budget=40,
        seeds=3, progress=False,
    )  # fmt: skip
    assert again.histories["random"] == found.histories["random"]


def test_targets_of_a_comparison(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected two different ones, got good, good"):
        compare_two_on_table(table(), STRATEGIES, tmp_path, targets=("good", "good"))
    with pytest.raises(ValueError, match="table mine has no target 'size'"):
        compare_two_on_table(table(), STRATEGIES, tmp_path, targets=("good", "size"))
    with pytest.raises(ValueError, match="expected at least one by name"):
        compare_two_on_table(table(), {}, tmp_path, targets=("good", "time"))
