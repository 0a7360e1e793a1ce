"""`experiments/search.py`: a small search that trains, and wrong flags."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from graph2nn.cells.sampling import sample_cells
from graph2nn.ground_truth import GroundTruthSettings
from graph2nn.training import Recipe
from graph2nn.vision import ImageSettings
from predictors.search import GuidedSearch
from predictors.tables import Table


def test_a_small_search(
    script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tiny = GroundTruthSettings(
        name="tiny",
        images=ImageSettings(train=64, val=50, test=50),
        recipe=Recipe(epochs=1, batch_size=32, test_batch_size=50, precise_bn=0),
    )
    monkeypatch.setattr(script, "find_table", lambda name: tiny)
    monkeypatch.setattr(script, "small_enough", lambda graph: graph.num_params() < 30000)
    monkeypatch.setattr(script, "GuidedSearch", partial(GuidedSearch, candidates=10))
    flags = ["--no-known", "-n", "3", "-b", "2", "--final", "1", "-m", "ridge", "-o", str(tmp_path)]
    script.main([*flags, "--strategy", "random", "guided"])
    first = capsys.readouterr().out
    assert "| random | " in first and "| guided | " in first and "wrote" in first
    assert {p.name for p in tmp_path.iterdir()} == {
        "guided_0", "random_0", "networks", "report.md", "progress.png", "networks.png"
    }  # fmt: skip
    trained = len(list((tmp_path / "networks").iterdir()))
    script.main([*flags, "--strategy", "random", "guided"])  # all there already
    assert capsys.readouterr().out == first
    assert len(list((tmp_path / "networks").iterdir())) == trained


def test_the_guide_starts_from_the_shipped_table(script) -> None:
    found = script.strategies(script.SearchConfig(strategy=("guided",)))["guided"]
    assert isinstance(found, GuidedSearch) and len(found.known[0]) >= 300
    on_table = script.strategies(script.SearchConfig(table="nb201"))["guided"]
    assert len(on_table.known[0]) == 0


def test_two_objectives_on_a_table_of_ones_own(
    script, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    graphs = sample_cells("nb201", 40, np.random.default_rng(0))
    cost = np.array([graph.op_names().count("conv_3x3") for graph in graphs])
    drawn = np.random.default_rng(1).uniform(size=(2, 40))
    targets = {"error": 9 - cost + drawn[0], "time": 1 + cost + drawn[1]}
    minimise = frozenset(targets)
    mine = Table(name="mine", graphs=graphs, targets=targets, default="error", minimise=minimise)
    path = mine.save(tmp_path / "mine.h5")
    flags = ["-t", str(path), "--objectives", "error", "time", "-n", "24", "-s", "2", "-m", "ridge"]
    script.main([*flags, "-o", str(tmp_path / "run")])
    out = capsys.readouterr().out
    assert "hypervolume" in out and "| guided | " in out and "fronts.png" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-m", "oracle"], "unknown model 'oracle'"),
        (["-n", "0"], "--budget: expected at least 1, got 0"),
        (["--final", "-1"], "--final: expected at least 0"),
        (["--objectives", "a", "b"], "--objectives: expected two targets, and a --table"),
        (["-t", "hwgpt", "--objectives", "perplexity"], "--objectives: expected two targets"),
        (["-t", "hwgpt", "--attributes", "bias"], "--attributes: expected --objectives beside"),
        (
            ["-t", "x", "--target", "a", "--objectives", "a", "b"],
            "--target: the two --objectives say",
        ),
    ],
)
def test_wrong_flags(script, flags: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        script.main(flags)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"), [("nb101", "unknown table 'nb101'"), ("mnist", "unknown table 'mnist'")]
)
def test_unknown_tables(script, table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        script.main(["--table", table])
