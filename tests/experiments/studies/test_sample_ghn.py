"""`experiments/studies/sample_ghn.py`: samples, their ensemble, trained networks, files."""

from __future__ import annotations

import json

import pytest
import torch

from ghn import GHN, save_ghn

TINY = {"hid": 8, "max_shape": (8, 8, 11, 11), "layernorm": True, "image_size": 8}


@pytest.fixture
def checkpoint(tmp_path) -> str:
    torch.manual_seed(0)
    return str(save_ghn(tmp_path / "noisy.pt", GHN(**TINY, noise=4, dataset="digits")))


def test_samples_beside_trained_networks(script, checkpoint, tmp_path, capsys):
    flags = ["-n", "2", "--samples", "2", "--trained", "1", "-e", "1", "--num_images", "60"]
    results = script.main(["--ckpt", checkpoint, *flags, "--out", str(tmp_path / "out")])
    assert list(results) == [checkpoint, f"{checkpoint}, same 1", "trained"]
    assert [len(found) for found in results.values()] == [2, 1, 1]
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    for name, found in results.items():
        assert [e["together"] for e in stored["results"][name]] == [e.together for e in found]
        assert all(len(e.members) == 2 for e in found)
    printed = capsys.readouterr().out
    assert "disagreement" in printed and "likeness" in printed and "±" in printed
    assert "trained" in printed.splitlines()[3]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "torch"], "split: expected one of"),
        (["--samples", "0"], "num_nets, samples and epochs: expected at least 1 of each"),
        (["-n", "2", "--trained", "3"], "trained: expected 0 to 2 of the networks, got 3"),
    ],
)
def test_wrong_flags(script, capsys, flags, message):
    with pytest.raises(SystemExit) as stop:
        script.main(["--ckpt", "a.pt", *flags])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_a_hypernetwork_without_noise_or_data(script, tmp_path):
    plain = str(save_ghn(tmp_path / "plain.pt", GHN(**TINY, dataset="digits")))
    with pytest.raises(ValueError, match="no noise to draw from"):
        script.main(["--ckpt", plain, "-n", "1", "--out", str(tmp_path)])
    unknown = str(save_ghn(tmp_path / "unknown.pt", GHN(**TINY, noise=4)))
    with pytest.raises(ValueError, match="does not name its images"):
        script.main(["--ckpt", unknown, "-n", "1", "--out", str(tmp_path)])
