"""`experiments/sparse_topology.py`: one network in every encoding, a grid, wrong flags."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from graph2nn.sparsity.masks import Masks

DIGITS = ["--dataset", "digits", "--sparsity", "0.95"]
FAST = ["--train-images", "128", "--test-images", "100", "--epochs", "1"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_of_the_readme_needs_no_images_for_random_masks(
    script, tmp_path, capsys
) -> None:
    flags = ["--model", "Resnet-20", "--dataset", "CIFAR-10", "--pruning", "uniform"]
    flags += ["--sparsity", "0.98", "--encoding", "unrolled", "--graph_metrics", "topometrics"]
    script.main([*flags, "--out", str(tmp_path), "--data-dir", str(tmp_path)])
    (row,) = rows(tmp_path / "topometrics_unrolled.csv")
    assert row["nodes"] == "191498" and row["model"] == "Resnet-20" and "motif" in row
    assert Masks.load(tmp_path / "masks.pt").num_kept == round(0.02 * 270896)
    assert (tmp_path / "unrolled.png").stat().st_size > 10_000
    assert "5418 of 270896 weights, 2.0000%" in capsys.readouterr().out


def test_compat_and_the_edge_free_engine(script, tmp_path) -> None:
    flags = ["--dataset", "CIFAR-10", "--pruning", "uniform", "--compat", "--engine", "edge-free"]
    script.main([*flags, "--normalise", "--out", str(tmp_path), "--data-dir", str(tmp_path)])
    (row,) = rows(tmp_path / "topometrics_unrolled.csv")
    assert float(row["nodes"]) == 191894 and "motif" not in row  # padding nodes are counted
    assert 0 < float(row["sink_nodes"]) < 1


def test_a_dense_network(script, tmp_path) -> None:
    flags = ["--dataset", "digits", "--pruning", "dense", "--engine", "edge-free"]
    script.main([*flags, "--out", str(tmp_path)])
    (row,) = rows(tmp_path / "topometrics_unrolled.csv")
    assert (row["sparsity"], row["density"], row["sink_nodes"]) == ("0.0", "1.0", "0")


@pytest.mark.parametrize("spelling", ["ramanujan", "ramanunjan"])
@pytest.mark.parametrize("encoding", ["rolled", "rolled-channel"])
def test_ramanujan_properties_of_layers(script, tmp_path, capsys, encoding, spelling) -> None:
    flags = [*DIGITS, "--pruning", "erk", "--encoding", encoding, "--graph_metrics", spelling]
    script.main([*flags, "--out", str(tmp_path)])
    found = rows(tmp_path / f"ramanujan_{encoding}.csv")
    assert len(found) == 22 and found[0]["layer_name"] == "conv1"
    assert {"delta_r", "imdb", "imsg", "nnz"} <= set(found[0])
    assert "layer2.0.shortcut.0" in capsys.readouterr().out


def test_topometrics_of_layers_of_a_trained_network(script, tmp_path, capsys) -> None:
    flags = [*DIGITS, *FAST, "--pruning", "snip", "--training", "--out", str(tmp_path)]
    script.main([*flags, "--encoding", "rolled"])
    first = rows(tmp_path / "topometrics_rolled.csv")
    kept = sum(int(float(row["edges"])) for row in first)
    assert kept == round(0.05 * 270896)
    assert "test accuracy" in capsys.readouterr().out
    script.main([*flags, "--encoding", "rolled-channel"])  # the trained network is there already
    second = rows(tmp_path / "topometrics_rolled-channel.csv")
    assert second[0]["accuracy"] == first[0]["accuracy"]
    assert len(list((tmp_path / "training").glob("last.pt"))) == 1


def test_a_grid(script, tmp_path, capsys) -> None:
    flags = ["--grid", "tiny", "--dataset", "digits", "--training", *FAST, "--out", str(tmp_path)]
    flags += ["--sparsities", "0.9", "--pruners", "uniform", "er"]
    script.main(flags)
    found = rows(tmp_path / "table.csv")
    assert [row["pruning"] for row in found] == ["uniform", "er"]
    assert len(rows(tmp_path / "table_layers.csv")) == 44
    assert (tmp_path / "accuracy.png").is_file() and (tmp_path / "table.json").is_file()
    out = capsys.readouterr().out
    assert "Resnet-20  digits   dense" in out and "Resnet-20  digits   er" in out


def test_a_grid_without_training(script, tmp_path, capsys) -> None:
    flags = ["--grid", "tiny", "--dataset", "digits", "--pruners", "uniform"]
    script.main([*flags, "--sparsities", "0.9", "--out", str(tmp_path)])
    (row,) = rows(tmp_path / "table.csv")
    assert "accuracy" not in row and float(row["edges"]) > 0
    assert "table_layers.csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--graph_metrics", "ramanujan"], "not for --encoding unrolled; use --encoding rolled"),
        (["--graph_metrics", "ramanunjan"], "not for --encoding unrolled"),
        (["--dataset", "mnist"], "unknown data set 'mnist'"),
        (["--model", "VGG"], "unknown network 'VGG'"),
        (["--encoding", "folded"], "invalid choice: 'folded'"),
        (["--training", "True"], "unrecognized arguments: True"),
    ],
)
def test_wrong_flags(script, capsys, flags, message) -> None:
    with pytest.raises(SystemExit):
        script.main(flags)
    assert message in capsys.readouterr().err


def test_recipes(script) -> None:
    def recipe(*flags: str):
        return script.settings(script.parse_config(script.TopologyConfig, flags)).recipe

    assert recipe("--dataset", "CIFAR-100") is None  # the published one
    assert recipe("--dataset", "digits").epochs == 10
    assert recipe("--dataset", "digits", "--recipe", "published") is None
    assert recipe("--grid", "small", "--dataset", "digits", "--recipe", "published") is None
    assert recipe("--grid", "published", "--recipe", "short").epochs == 4
    published = recipe("--model", "Wide-Resnet-28-2", "--dataset", "CIFAR-100", "-e", "200")
    assert (published.epochs, published.weight_decay) == (200, 5e-4)
    with pytest.raises(ValueError, match="published recipes differ by model"):
        recipe("--grid", "published", "-e", "5")


def test_wrong_values_are_said_before_anything_is_written(script, tmp_path) -> None:
    out = tmp_path / "run"
    for flags, message in (
        (["--sparsity", "1"], r"the fraction removed is in \[0, 1\), got 1.0"),
        (["--pruning", "lottery"], "unknown pruner 'lottery'"),
        (["--grid", "small", "--dataset", "imagenet"], "small is not there for imagenet"),
        (["--recipe", "long"], "expected published or short, got 'long'"),
    ):
        with pytest.raises(ValueError, match=message):
            script.main([*flags, "--out", str(out)])
        assert not out.exists()
