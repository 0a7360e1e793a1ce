"""Search: strategies against random, resuming, diverged networks, training for real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical_key
from graph2nn.cells.sampling import enumerate_space
from graph2nn.ground_truth import GroundTruthSettings
from graph2nn.runs import RunFolder, read_job, write_job
from graph2nn.training import Recipe
from graph2nn.vision import ImageSettings
from predictors.base import ArchPredictor
from predictors.search import (
    CellSpace,
    Evaluated,
    GrammarSpace,
    GuidedSearch,
    RandomSearch,
    RegularisedEvolution,
    Strategy,
    TrainedNetworks,
    best_so_far,
    compare_on_table,
    compare_trained,
    comparison,
    run_search,
    training,
)
from predictors.tables.table import Table

SPACE = CellSpace("nb201")
STRATEGIES = [RandomSearch(), RegularisedEvolution(population=10, sample=4), GuidedSearch()]


class Counts(ArchPredictor):
    """Least squares on numbers of operations, with a made-up uncertainty; fast."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self.weights_ = np.linalg.lstsq(self._counts(graphs), targets, rcond=None)[0]

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        mean = self._counts(graphs) @ self.weights_
        return mean, np.full_like(mean, 0.5)

    def _counts(self, graphs: Sequence[ArchGraph]) -> np.ndarray:
        return np.array([np.bincount(g.op, minlength=10) for g in graphs], dtype=np.float64)


def quick(**options: object) -> GuidedSearch:
    return GuidedSearch(predictor=Counts, initial=10, candidates=20, parents=4, **options)


def value(word: str) -> float:
    """Convolutions are good, better the later they come; code 1 is `none`."""
    return sum(
        (digit == "2") * (place + 3) - 2.0 * (digit == "1") for place, digit in enumerate(word)
    )


def values(words: Sequence[str]) -> list[float]:
    return [value(word) for word in words]


def final(strategy: Strategy, seeds: int = 5, **options: object) -> float:
    options = {"budget": 60, "batch": 5, "progress": False, **options}
    runs = [run_search(SPACE, strategy, values, seed=k, **options) for k in range(seeds)]
    return float(np.mean([best_so_far(run)[-1] for run in runs]))


def test_guidance_and_evolution_pay() -> None:
    random = final(RandomSearch())
    assert final(RegularisedEvolution(population=10, sample=4), batch=1) > random + 2
    assert final(quick()) > random + 4
    assert final(quick(acquisition="thompson", crossover=0.5)) > random + 4


@pytest.mark.parametrize(
    "strategy", [*STRATEGIES[:2], quick()], ids=["random", "evolution", "guided"]
)
def test_no_network_twice_and_seeds_decide(strategy: Strategy) -> None:
    def run(seed: int) -> list[Evaluated]:
        return run_search(SPACE, strategy, values, budget=43, batch=4, seed=seed, progress=False)

    found = run(0)
    assert len({one.word for one in found}) == len(found) == 43
    assert found == run(0) != run(1)
    merged = CellSpace("nb201", merge_isomorphic=True)
    cells = run_search(merged, strategy, values, budget=40, batch=4, progress=False)
    assert len({canonical_key(merged.graph(one.word)) for one in cells}) == 40


def test_predictions_are_remembered() -> None:
    found = run_search(SPACE, quick(), values, budget=30, batch=5, progress=False)
    assert [one.predicted is None for one in found] == [True] * 10 + [False] * 20
    assert [one.step for one in found] == np.repeat(range(6), 5).tolist()


def test_known_networks_guide_from_the_start() -> None:
    graphs = [SPACE.graph(SPACE.random(np.random.default_rng(k))) for k in range(60)]
    labels = [value(SPACE.word(graph)) for graph in graphs]
    strategy = quick(known=(graphs, labels))
    found = run_search(SPACE, strategy, values, budget=5, batch=5, progress=False)
    assert all(one.predicted is not None for one in found)
    assert np.mean([one.value for one in found]) > np.mean(labels) + 5


def test_a_stopped_search_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = run_search(SPACE, quick(), values, budget=40, batch=4, progress=False)
    calls = 0

    def failing(words: Sequence[str]) -> list[float]:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return values(words)

    options = {"budget": 40, "batch": 4, "folder": tmp_path / "run", "progress": False}
    with pytest.raises(KeyboardInterrupt):
        run_search(SPACE, quick(), failing, **options)
    settings = json.loads((tmp_path / "run" / "config.json").read_text())
    run = RunFolder(tmp_path / "run", settings, resume=True)
    run.log(5, word="000000", value=99.0, predicted=None)  # a batch that is not whole
    run.close()
    assert run_search(SPACE, quick(), values, **options) == whole
    assert run_search(SPACE, quick(), failing, **options) == whole  # nothing left to evaluate
    with pytest.raises(ValueError, match="a run with other settings: batch was 4, is 8"):
        run_search(SPACE, quick(), values, **{**options, "batch": 8})


@pytest.mark.parametrize(
    "strategy", [*STRATEGIES[:2], quick()], ids=["random", "evolution", "guided"]
)
def test_networks_that_diverge_do_not_count(strategy: Strategy, tmp_path: Path) -> None:
    def sometimes(words: Sequence[str]) -> list[float]:
        return [float("nan") if word[0] == "2" else value(word) for word in words]

    options = {"budget": 40, "batch": 4, "folder": tmp_path / "run", "progress": False}
    found = run_search(SPACE, strategy, sometimes, **options)
    best = best_so_far(found)
    assert np.isfinite(best[-1]) and (np.diff(best[np.isfinite(best)]) >= 0).all()
    again = run_search(SPACE, strategy, sometimes, **options)
    assert np.array_equal([a.value for a in again], [b.value for b in found], equal_nan=True)


def test_operations_that_the_guide_has_not_seen_come_last() -> None:
    words = ("222222", "222200", "002222", "020202")
    history = [Evaluated(word=word, value=value(word)) for word in words]
    strategy = replace(quick(), initial=0)
    found = strategy.propose(SPACE, history, 10, np.random.default_rng(0))
    judged = [word for word, expected in found if expected is not None]
    assert judged and all(set(word) <= {"0", "2"} for word in judged)
    assert [expected is None for _, expected in found] == sorted(e is None for _, e in found)


def test_equal_values_leave_the_guide_to_chance() -> None:
    found = run_search(
        SPACE, quick(), lambda words: [1.0] * len(words), budget=20, batch=5, progress=False
    )
    assert all(one.predicted is None for one in found)


def test_a_space_can_be_used_up() -> None:
    space = GrammarSpace(ArchGrammar("dag", ops=("skip",), max_nodes=3, canonical=True))
    with pytest.raises(ValueError, match="found no network that is new|found no other network"):
        run_search(space, RandomSearch(), lambda w: [0.0] * len(w), budget=9, progress=False)


def test_grammar_words() -> None:
    space = GrammarSpace(
        ArchGrammar("dag", max_nodes=12), accept=lambda graph: 4 <= graph.num_nodes <= 8
    )
    rng = np.random.default_rng(0)
    words = [space.random(rng) for _ in range(10)]
    words += [space.mutate(word, rng) for word in words]
    words += [space.crossover(a, b, rng) for a, b in zip(words, words[1:])]
    assert all(4 <= space.graph(word).num_nodes <= 8 for word in words)
    # Where no mutant is small enough, the search goes on from elsewhere.
    stuck = GrammarSpace(space.grammar, accept=lambda graph: graph.num_nodes <= 4)
    large = next(w for w in map(space.random, [rng] * 50) if space.graph(w).num_nodes == 8)
    assert stuck.graph(stuck.crossover(large, large, rng)).num_nodes <= 4
    nothing = GrammarSpace(ArchGrammar("dag"), accept=lambda graph: False, name="nothing")
    with pytest.raises(ValueError, match="nothing: none of 1000 networks was accepted"):
        nothing.random(rng)


def test_simulation_on_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = list(enumerate_space("tnb101_micro"))
    space = CellSpace("tnb101_micro")
    loss = np.array([10.0 - sum(int(d) for d in space.word(g)) / 6 for g in graphs])
    table = Table(
        name="tnb101_micro", graphs=graphs, targets={"loss": loss}, default="loss",
        minimise=frozenset({"loss"}),
    )  # fmt: skip
    monkeypatch.setattr(comparison, "read_table", lambda *a, **k: table)
    found = compare_on_table(
        "tnb101_micro",
        {"random": RandomSearch(), "guided": quick()},
        tmp_path,
        budget=40,
        batch=5,
        seeds=2,
        progress=False,
    )
    best = {name: [max(e.value for e in h) for h in runs] for name, runs in found.histories.items()}
    assert best["guided"] == [-7.0, -7.0] and max(best["random"]) < -7
    assert "| guided | " in found.report and "0.000 ± 0.000 |" in found.report
    assert (tmp_path / "report.md").read_text() == found.report
    assert all(path.stat().st_size > 5000 for path in found.figures)


def tiny() -> GroundTruthSettings:
    return GroundTruthSettings(
        name="tiny",
        images=ImageSettings(train=64, val=50, test=50),
        recipe=Recipe(epochs=1, batch_size=32, test_batch_size=50, precise_bn=0),
    )


def test_searches_that_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = ArchGrammar(
        "deepnets",
        canonical=True,
        cells=(4, 4),
        steps=(1, 1),
        widths=(8,),
        fc_dims=(32,),
        image_size=8,
    )
    space = GrammarSpace(grammar, accept=lambda graph: graph.num_params() < 50000)
    options = {"budget": 3, "batch": 2, "final": 1, "final_seeds": (1,), "progress": False}

    def run() -> comparison.Comparison:
        trained = TrainedNetworks(grammar, tiny(), tmp_path / "networks")
        return compare_trained(space, {"random": RandomSearch()}, trained, tmp_path, **options)

    found = run()
    history = found.histories["random"][0]
    assert len(history) == 3 and all(0 <= one.value <= 100 for one in history)
    assert len(list((tmp_path / "networks").glob("*.jsonl"))) == 4  # one of them with a new seed
    assert "| random | " in found.report
    monkeypatch.setattr(training, "train_group", None)  # everything is read from the folder now
    (tmp_path / "random_0" / "metrics.jsonl").unlink()
    assert run().histories["random"][0] == history


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        (
            ArchGrammar("deepnets", in_channels=1, num_classes=7),
            r"got a grammar with image_size=32, in_channels=1, num_classes=7; use ArchGrammar\("
            r'"deepnets", image_size=8, in_channels=3, num_classes=10, ...\)',
        ),
        (ArchGrammar("dag", ops=("skip",)), r"trains networks of ArchGrammar\(\"deepnets\""),
    ],
)
def test_networks_for_other_images(tmp_path: Path, grammar: ArchGrammar, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainedNetworks(grammar, tiny(), tmp_path)


def test_networks_that_cannot_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = ArchGrammar("deepnets", cells=(4, 4), steps=(1, 1), widths=(8,), image_size=8)
    words = [GrammarSpace(grammar).random(np.random.default_rng(seed)) for seed in (0, 1, 0)]

    def failing(entries: list, settings: object, seed: int, **how: object) -> list[dict]:
        if entries[0].key == broken:
            raise MemoryError("no room")
        return [{"curves": {"val_acc": [50.0]}}]

    broken = ""
    monkeypatch.setattr(training, "train_group", failing)
    evaluate = TrainedNetworks(grammar, tiny(), tmp_path)
    assert evaluate(words) == [50.0] * 3 and len(list(tmp_path.iterdir())) == 2
    path = sorted(tmp_path.iterdir())[0]
    broken = read_job(path)[0]["key"]
    path.write_text(path.read_text()[:50])
    with (
        pytest.warns(RuntimeWarning, match="half-written.*is trained again"),
        pytest.raises(RuntimeError, match="1 of 1 networks failed.*MemoryError: no room"),
    ):
        evaluate(words)
    broken = ""
    assert evaluate(words) == [50.0] * 3
    other = write_job(path, "other", [{**read_job(path)[0], "key": "another network's"}])
    assert evaluate(words) == [50.0] * 3 and read_job(other)[0]["key"] != "another network's"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RegularisedEvolution(population=3, sample=4), "1 <= sample <= population"),
        (lambda: GuidedSearch(candidates=0), "GuidedSearch.candidates: expected at least 1, got 0"),
        (lambda: GuidedSearch(crossover=1.5), "share of 0 to 1"),
        (lambda: GuidedSearch(acquisition="ei"), "mean or thompson, got 'ei'"),
        (lambda: CellSpace("darts"), "expected one of nb201"),
        (lambda: compare_on_table("nb101_500", {}, "unused"), "at least one by name, got none"),
        (lambda: CellSpace("nb101"), "NAS|nb101"),
        (lambda: run_search(SPACE, RandomSearch(), values, budget=0), "at least 1, got 0 and 1"),
        (
            lambda: run_search(SPACE, RandomSearch(), lambda w: [], budget=2, progress=False),
            "expected 1 values, one a word, got 0",
        ),
        (
            lambda: run_search(
                SPACE, GuidedSearch(predictor="oracle", initial=0), values, budget=9, progress=False
            ),
            "unknown model 'oracle'",
        ),
    ],
)
def test_bad_input(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
