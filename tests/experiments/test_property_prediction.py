"""`experiments/property_prediction.py` on a small table, and wrong flags."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from graph2nn.deepnets import build_graph, eval_nets
from graph2nn.ground_truth import (
    GroundTruth,
    GroundTruthSettings,
    read_ground_truth,
    write_ground_truth,
)
from graph2nn.vision import ImageSettings
from predictors.proxies import add_proxies


def write_table(path: Path, train: int, test: int) -> Path:
    """A table of drawn networks with labels that follow from their size."""
    n, rng = train + test, np.random.default_rng(0)
    configs = tuple(eval_nets("val", n, seed=2, image_size=8))
    graphs = [build_graph(config) for config in configs]
    sizes = np.log([float(g.num_params()) for g in graphs])
    curves = {
        name: np.stack([0 * sizes + 10, 5 * sizes + rng.normal(size=n)], axis=1)[None]
        for name in ("val_acc", "val_acc_noise", "val_loss", "train_acc", "train_loss")
    }
    curves["train_acc"][0, :, 1] = rng.uniform(91, 99, n)
    images = ImageSettings(train=100, val=64, test=20)
    truth = GroundTruth(
        settings=GroundTruthSettings(
            name="tiny", images=images, train_networks=train, test_networks=test, seeds=(0,)
        ),
        made={},
        configs=configs,
        names=tuple(f"val{k}" for k in range(n)),
        split=np.array(["train"] * train + ["test"] * test),
        keys=np.array([f"{k}" for k in range(n)]),
        facts={"params": np.exp(sizes), "flops": np.exp(sizes) * 64},
        status=np.ones((1, n), np.int8),
        curves=curves,
        final={"test_acc": curves["val_acc"][:, :, -1]},
        seconds=np.ones((1, n), np.float32),
        timing=np.exp(sizes)[None] * rng.uniform(0.9, 1.1, (2, n)),
    )
    write_ground_truth(truth, path)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "tiny.h5", 12, 8)


def test_run(script, table: Path, tmp_path: Path) -> None:
    flags = ["--table", str(table), "--seeds", "1", "--folds", "2", "--search", "6"]
    scores = script.main(["digits", "ghn2-digits", *flags, "--out", str(tmp_path / "r")])
    with (tmp_path / "r" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(scores) == 4 * 11
    found = {(r["method"], r["property"]): float(r["tau"]) for r in rows}
    assert found["params alone", "inference time"] > 0.6  # times were made of sizes
    assert {r["method"] for r in rows} >= {
        *("GHN embedding", "initial GHN", "ghn_acc alone", "ghn_loss alone", "flops alone")
    }
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert len(best) == 4 and all(0 <= row["index"] < 6 for row in best["clean accuracy"])
    assert "clean accuracy" in (tmp_path / "r" / "report.md").read_text()
    assert (tmp_path / "r" / "properties.png").stat().st_size > 1000


def test_fewer_networks_than_folds(script, tmp_path: Path) -> None:
    small = write_table(tmp_path / "small.h5", 4, 6)
    with pytest.raises(ValueError, match="5-fold .* at least 5 networks, the train half has 4"):
        script.main(["digits", "--table", str(small), "--out", str(tmp_path / "r")])
    assert not (tmp_path / "r").exists()


def test_a_table_that_is_not_there(script, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing.h5 does not exist; expected a table"):
        script.main(["digits", "--table", str(tmp_path / "nothing.h5"), "--out", str(tmp_path)])


def test_wrong_flags(script, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["digits", "--folds", "1"])
    assert "folds: expected at least 2, got 1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no hypernetwork 'ghn2-mnist'"):
        script.main(["mnist"])


def test_proxies_of_a_table(table: Path, tmp_path: Path) -> None:
    table = Path(shutil.copy(table, tmp_path))  # the other tests read it without proxies
    names = ["params", "snip", "synflow", "ghn_acc"]
    columns = add_proxies(table, ghn="ghn2-digits", names=names, batch_size=16, progress=False)
    truth = read_ground_truth(table)
    assert list(columns) == [f"zc_{name}" for name in names]
    assert all(np.isfinite(column).all() for column in columns.values())
    np.testing.assert_allclose(truth.attributes["zc_params"] * 1e6, truth.facts["params"])
    assert np.array_equal(truth.attributes["zc_snip"], columns["zc_snip"])
    assert truth.graphs()[3].attributes["zc_ghn_acc"] == columns["zc_ghn_acc"][3]
