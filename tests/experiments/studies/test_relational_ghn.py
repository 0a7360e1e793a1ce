"""`experiments/studies/relational_ghn.py`: scores of predicted networks beside labels."""

from __future__ import annotations

import json

import pytest
import torch

from ghn import GHN, save_ghn

TINY = {"hid": 8, "max_shape": (8, 8, 3, 3), "image_size": 8, "dataset": "digits"}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("ckpt")
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        found.append(str(save_ghn(folder / f"{seed}.pt", GHN(**TINY))))
    return found


def test_two_seeds_beside_our_labels(script, checkpoints, tmp_path, capsys):
    flags = ["--labels", "mlp_digits_52", "--num_images", "64", "-o", str(tmp_path)]
    (first, *others) = script.main(["--ckpt", *checkpoints, *flags, "--depths", "1"])
    assert first.target == "mlp_digits_52: mlp_digits: error" and len(others) == 3
    printed = capsys.readouterr().out
    assert "over 53 graphs" in printed and "surface C, L" in printed and "predicted loss" in printed
    content = json.loads((tmp_path / "results.json").read_text())
    assert set(content["networks"]) == {"hypernetwork 1", "hypernetwork 2"}
    assert len(content["networks"]["hypernetwork 1"]["error"]) == 53
    assert content["labels"][0]["taus"]["-L"] == pytest.approx(first.taus["-L"])


def test_labels_that_are_none(script, checkpoints):
    with pytest.raises((ValueError, FileNotFoundError), match="nowhere"):
        script.main(["--ckpt", checkpoints[0], "--labels", "nowhere"])
