"""Our own table, and the published DeepNets-1M labels for whoever has their networks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from graph2nn.deepnets import EndlessNets, PublishedNets, write_published
from predictors.tables import load_table, read_table
from predictors.tables.trained import PROPERTIES


def test_digits_is_shipped() -> None:
    table = read_table("deepnets_digits")
    assert len(table) >= 300
    assert table.split is not None and 0.4 < table.split.mean() < 0.6
    assert set(PROPERTIES) <= set(table.targets)
    assert all(0.5 < table.noise[target].tau <= 1 for target in PROPERTIES)
    assert not table.higher_is_better("inference_time") and table.higher_is_better("val_acc")
    graph = table.graphs[0]
    assert graph.attributes["params"] == graph.num_params()
    X, y = load_table("deepnets_digits", target="val_acc")
    assert len(X) == len(y) and np.ptp(y) > 50


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder as the publication has it, with networks and labels of our own."""
    records = {}
    configs = {}
    for seed, split in enumerate(("val", "test")):
        nets = EndlessNets("train", seed=seed)
        configs[split] = [nets[k].with_(C=16, fc_dim=64) for k in range(4)]
    write_published(tmp_path / "deepnets1m_eval.hdf5", configs)
    for split in configs:
        found = PublishedNets(tmp_path, split)
        records[split] = {
            str(k): {
                **{name: [10.0, 20.0 + k] for name in ("val_acc", "val_acc_noise", "test_acc")},
                **{"time": 5.0 - k, "converge_time": 0.5 + k, "ghn2_val_acc": 30.0 + k},
                "params": found.item(k)[1].num_params(),
            }
            for k in range(4)
        }
    with gzip.open(tmp_path / "results_cifar10_extended.json.gz", "wt") as file:
        json.dump(records, file)
    return tmp_path


def test_published_networks_and_labels_meet(published: Path) -> None:
    table = read_table("deepnets_published", data_dir=published)
    assert len(table) == 8 and table.split is not None
    assert table.split.tolist() == [True] * 4 + [False] * 4
    assert table.label("val_acc").tolist() == [20, 21, 22, 23] * 2
    assert table.label("time").tolist() == [5, 4, 3, 2] * 2
    assert table.graphs[5].attributes["ghn2_val_acc"] == 31
    assert not table.higher_is_better("converge_time")


def test_other_networks_are_refused(published: Path) -> None:
    path = published / "results_cifar10_extended.json.gz"
    with gzip.open(path, "rt") as file:
        records = json.load(file)
    records["test"]["2"]["params"] += 1
    with gzip.open(path, "wt") as file:
        json.dump(records, file)
    with pytest.raises(ValueError, match="1 of 8 parameter counts differ"):
        read_table("deepnets_published", data_dir=published)
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot read .*results_cifar10_extended"):
        read_table("deepnets_published", data_dir=published)


def test_a_folder_of_other_runs_does_not_hide_what_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETWRIGHT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "ground_truth").mkdir(parents=True)
    assert len(read_table("deepnets_cifar10")) == 100
