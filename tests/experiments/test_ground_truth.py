"""`experiments/ground_truth.py`: its three commands, and wrong flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph2nn.ground_truth import find_table, read_ground_truth

SMALL = ["--train-networks", "1", "--test-networks", "1", "--repeated", "1", "--epochs", "1"]
FAST = ["--train-images", "64", "--val-images", "40", "--test-images", "40"]


@pytest.fixture(scope="module")
def table(script, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    out = folder / "new" / "t.h5"
    flags = ["--out", str(out), "--folder", str(folder / "run"), "--timing-rounds", "2"]
    script.main(["generate", "deepnets_digits", *SMALL, *FAST, *flags])
    return out


def test_generate(table) -> None:
    truth = read_ground_truth(table)
    assert truth.split.tolist() == ["train", "test"] and truth.settings.recipe.epochs == 1
    assert truth.settings.images.train == 64
    assert truth.settings.recipe.lr == find_table("deepnets_digits").recipe.lr  # as shipped
    assert truth.status.tolist() == [[1, 1], [0, 1]]


def test_regenerate(script, table, capsys) -> None:
    script.main(["regenerate", str(table), "--row", "1", "--repeat", "1"])
    assert "row 1 (test0, seed 1): all 20 numbers are the same, bit for bit" in (
        capsys.readouterr().out
    )


def test_show(script, table, tmp_path, capsys) -> None:
    script.main(["show", str(table), "--out", str(tmp_path), "--formats", "svg"])
    assert "2 networks (1 train, 1 test), 3 trainings" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.svg"))) == 3


def test_wrong_flags(script, table, capsys) -> None:
    with pytest.raises(SystemExit):
        script.main(["generate", "nets"])
    assert "unknown table 'nets'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="has the rows 0 to 1, not 17"):
        script.main(["regenerate", str(table), "--row", "17"])
    with pytest.raises(FileNotFoundError, match="make it"):
        script.main(["show", "none.h5"])
