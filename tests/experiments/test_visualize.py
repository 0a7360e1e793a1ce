"""`experiments/visualize.py`: every command as a user runs it, its files, and wrong input."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
import torch
from repository import EXPERIMENTS

from ghn import GHN, save_ghn
from ghn.evaluation import NetResult, result_rows
from ghn.finetuning import named_network, train
from graph2nn.runs import save_checkpoint
from graph2nn.training import Recipe
from graph2nn.vision import load_images

SCRIPT = EXPERIMENTS / "visualize.py"
TINY = "ws:n=8,k=4,dims=16-16,depths=1-1,model=mlp"
NET = """
from torch import nn

def small(num_classes, image_size, in_channels):
    layers = [nn.Conv2d(in_channels, 24, 3), nn.BatchNorm2d(24), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, num_classes))
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> str:
    """A network of one's own that trains in a moment, by its name on the command line."""
    path = tmp_path_factory.mktemp("net") / "net.py"
    path.write_text(NET)
    return f"{path}:small"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("ckpt") / "tiny.pt"
    kind = {"hid": 8, "max_shape": (8, 8, 11, 11), "image_size": 8, "dataset": "digits"}
    return str(save_ghn(path, GHN(**kind)))


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def refusal(script, capsys, *flags: str) -> str:
    """The message of a wrong command line, which draws nothing."""
    with pytest.raises((SystemExit, ValueError, OSError)) as stop:
        script.main(list(flags))
    return capsys.readouterr().err + str(stop.value)


@pytest.mark.parametrize("arch", ["test-0", "resnet18", "ws:n=8,k=4,p=0.1", "small/static_dnw"])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_network(script, tmp_path, capsys, arch, suffix):
    out = tmp_path / f"net.{suffix}"
    assert script.main(["network", arch, "-o", str(out)]) == [out]
    printed = capsys.readouterr().out
    assert "ArchGraph(" in printed and "parameters" in printed and f"wrote {out}" in printed
    assert out.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_a_network_for_images_that_are_not_there(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path / "nothing"))
    out = str(tmp_path / "net.pdf")
    script.main(["network", "resnet18", "-d", "cifar100", "--view", "full", "-o", out])
    assert "resnet18" in capsys.readouterr().out


def test_default_names_of_pictures(script, tmp_path, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    script.main(["network", small])
    script.main(["tokens", small])
    made = sorted(path.name for path in (tmp_path / "runs" / "visualize").iterdir())
    assert made == ["small.png", "small_tokens.csv", "small_tokens.png"]


def test_tokens(script, tmp_path, capsys):
    out = tmp_path / "tokens.png"
    assert script.main(["tokens", "test-0", "-o", str(out), "--most", "20"]) == [
        out,
        tmp_path / "tokens.csv",
    ]
    graph = named_network("test-0", load_images("digits")).archgraph(load_images("digits"))
    rows = read(tmp_path / "tokens.csv")
    assert [row["token"] for row in rows if row["kind"] == "node"] == graph.op_names()
    edges = [(int(row["u"]), int(row["v"])) for row in rows if row["kind"] == "edge"]
    assert edges == list(zip(*graph.edges.tolist()))
    printed = capsys.readouterr().out
    assert "string: [CELLS:8][STEPS:2]" in printed and "314 tokens of the graph" in printed


def test_tokens_of_a_network_without_a_string(script, tmp_path, capsys, small):
    script.main(["tokens", small, "-o", str(tmp_path / "t.svg"), "--preset", "dag-nodes"])
    assert "no string: Sequential has no string" in capsys.readouterr().out
    assert {row["kind"] for row in read(tmp_path / "t.csv")} == {"special", "node"}


def test_weights(script, tmp_path, capsys, checkpoint, small):
    before = torch.random.get_rng_state()
    out = str(tmp_path / "w.png")
    flags = ["--ckpt", checkpoint, "-e", "1", "--fine_tuned", "--layers", "2", "-o", out]
    made = script.main(["weights", small, *flags])
    assert torch.equal(before, torch.random.get_rng_state())
    assert [path.name for path in made] == [
        *("w_histograms.png", "w_layers.png", "w_spectra.png", "w_rows.png"),
        *("w_layers.csv", "w_spectra.csv", "w_histograms.csv"),
    ]
    assert all(path.stat().st_size for path in made)
    printed = capsys.readouterr().out
    assert "training: 1 epochs of 1297 images" in printed and "fine-tuned (" in printed
    rows = {(row["layer"], row["weights"]): row for row in read(tmp_path / "w_layers.csv")}
    assert len(rows) == 2 * 4
    assert float(rows["0.weight", "predicted"]["copies"]) == 1  # 24 rows of blocks of 8
    assert float(rows["0.weight", "initial"]["copies"]) == 0
    first = [r for r in read(tmp_path / "w_spectra.csv") if r["layer"] == "0.weight"]
    squares = sum(float(r["singular_value"]) ** 2 for r in first if r["weights"] == "trained")
    assert squares**0.5 == pytest.approx(float(rows["0.weight", "trained"]["norm"]), rel=1e-4)


def test_weights_that_were_trained_before(script, tmp_path, capsys, checkpoint, small):
    images = load_images("digits")
    model = named_network(small, images, seed=5).model
    run = tmp_path / "run"
    run.mkdir()
    save_checkpoint(run / "network.pt", {"kind": "network", "state_dict": model.state_dict()})
    expected = model[0].weight.detach().norm().item()
    for trained in (run, run / "network.pt"):
        flags = ["--ckpt", checkpoint, "--trained", str(trained), "-o", str(tmp_path / "w.png")]
        script.main(["weights", small, *flags])
        assert "training" not in capsys.readouterr().out
        rows = read(tmp_path / "w_layers.csv")
        (row,) = [r for r in rows if (r["layer"], r["weights"]) == ("0.weight", "trained")]
        assert float(row["norm"]) == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def results(tmp_path) -> list[str]:
    """Two files as eval_ghn.py writes them, of two hypernetworks."""
    paths = []
    for run, top1 in (("one", 80.0), ("two", 90.0)):
        nets = {
            str(k): NetResult(index=k, top1=top1 + k, top5=99.0, num_params=10**k, num_nodes=9)
            for k in range(3)
        }
        start = {"0": NetResult(index=0, top1=10.0, top5=50.0, num_params=5, num_nodes=9)}
        found = {"test": {"initial weights": start, "ghn": nets}}
        path = tmp_path / run / "results.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"results": result_rows(found)}))
        paths.append(str(path))
    return paths


def test_accuracy(script, tmp_path, results):
    out = str(tmp_path / "acc.svg")
    made = script.main(["accuracy", results[0], str(tmp_path / "two"), "-o", out, "--title", "T"])
    names = [path.name for path in made]
    assert names == [
        *("acc.svg", "acc_initial_weights.svg", "acc_ghn_one.svg", "acc_ghn_two.svg"),
    ]


def test_learning_of_a_run(script, tmp_path, capsys, small):
    for seed in (1, 2):
        images = load_images("digits", split="val")
        model = named_network(small, images, seed=seed).model
        recipe = Recipe(epochs=1, batch_size=64)
        train(model, (images, images), recipe, folder=tmp_path / f"run{seed}", progress=False)
    out = tmp_path / "learning.png"
    runs = [str(tmp_path / "run1"), str(tmp_path / "run2")]
    assert script.main(["learning", *runs, "-o", str(out)]) == [out]
    assert out.stat().st_size and f"wrote {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["network", "resnet81"], "unknown network 'resnet81'"),
        (["network", "test-0", "-o", "net.gif"], r"ends in .png, .pdf, .svg"),
        (["network", "test-0", "-d", "letters"], "invalid choice: 'letters'"),
        (["network", "nowhere.py:net"], "nowhere.py does not exist"),
        (["tokens", "test-0", "--preset", "words"], "invalid choice: 'words'"),
        (["weights", TINY, "--ckpt", "nobody"], "nobody"),
        (["weights", "test-0", "--layers", "0"], "layers: expected at least 1, got 0"),
        (["weights", "test-0", "--trained", "nowhere"], "no trained weights at nowhere"),
        (["accuracy", "nowhere.json"], "nowhere.json does not exist"),
        (["accuracy"], "the following arguments are required: results"),
        (["learning", "nowhere"], "found no metrics.jsonl"),
        (["paint", "test-0"], "invalid choice: 'paint'"),
    ],
    ids=lambda value: value[0] + "-" + value[-1] if isinstance(value, list) else "",
)
def test_wrong_input(script, capsys, tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    assert message.replace("\\", "") in refusal(script, capsys, *flags)
    assert not list(tmp_path.iterdir())


def test_wrong_files(script, capsys, tmp_path, results):
    (tmp_path / "a.json").write_text("[1]")
    assert "does not hold results" in refusal(script, capsys, "accuracy", str(tmp_path / "a.json"))
    same = refusal(script, capsys, "accuracy", results[0], results[0])
    assert "folders of different names" in same
    twice = refusal(script, capsys, "learning", str(tmp_path / "a" / "run"), "run")
    assert "folders of different names" in twice
    other = tmp_path / "ghn"
    other.mkdir()
    (other / "metrics.jsonl").write_text('{"step": 0, "loss": 2.0}\n')
    assert "a run of another kind" in refusal(script, capsys, "learning", str(other))


def test_as_a_program():
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), "learning", "nowhere"], capture_output=True, text=True
    )
    assert ran.returncode == 1 and ran.stderr.startswith("visualize: nowhere: expected the folder")
