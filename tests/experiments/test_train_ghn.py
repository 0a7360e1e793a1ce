"""`experiments/train_ghn.py`: from flags to figures, going on, wrong and published flags."""

from __future__ import annotations

import json
import os
import runpy
import shlex
import subprocess
import sys

import pytest
import torch
from repository import EXPERIMENTS, ROOT

from ghn import GHN, GHNConfig
from ghn.training import TrainConfig
from graph2nn.runs import from_dict, load_checkpoint, parse_config, to_dict

SCRIPT = EXPERIMENTS / "train_ghn.py"
# One step an epoch: 1024 of the 1167 training digits.
TINY = shlex.split(
    "-e 1 -b 1024 -m 1 --hid 8 --max_shape 8 8 --val_nets 1 --val_images 20 --test_nets 2"
    " --val_every 1 --processes 1 --device cpu --debug 0 --name tiny"
)


@pytest.fixture
def train(monkeypatch, capsys, tmp_path):
    """Runs the script as `python experiments/train_ghn.py FLAGS -S tmp_path` does."""

    def call(*flags: str) -> str:
        argv = [str(SCRIPT), *TINY, "-S", str(tmp_path), *flags]
        monkeypatch.setattr(sys, "argv", argv)
        capsys.readouterr()
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    return call


def refusal(train, *flags: str) -> str:
    """The message that the script ends with."""
    with pytest.raises(SystemExit) as stop:
        train(*flags)
    return str(stop.value.code)


def test_a_run_and_the_same_command_again(train, tmp_path):
    out, run = train(), tmp_path / "tiny"
    for name in ("ghn.pt", "training.png", "accuracy.png", "size.png"):
        assert str(run / name) in out and (run / name).stat().st_size
    for name in ("config.json", "environment.json", "metrics.jsonl", "last.pt", "best.pt"):
        assert (run / name).stat().st_size
    assert "1 steps of 1 networks x 1024 images" in out
    assert "test accuracy over 2 unseen networks" in out

    ghn = GHN.load(run / "ghn.pt")
    assert (ghn.config.dataset, ghn.config.image_size, ghn.config.hid) == ("digits", 8, 8)
    assert ghn.config.max_shape[:2] == (8, 8) and not ghn.training
    card = load_checkpoint(run / "ghn.pt", kind="ghn")["card"]
    tested = json.loads((run / "test.json").read_text())
    assert (card["dataset"], card["steps"]) == ("digits", 1)
    assert len(tested["networks"]) == 2 and card["test"] == tested["summary"]

    before = ghn.state_dict()
    again = train("--test_nets", "2")
    assert "going on from step 1" in again or "finished" in again
    for name, value in GHN.load(run / "ghn.pt").state_dict().items():
        assert torch.equal(value, before[name]), name

    assert "going on from step 1" in train("-e", "2")
    assert load_checkpoint(run / "last.pt")["progress"]["step"] == 2
    lines = (run / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps) and steps[-1] == 2

    message = refusal(train, "--lr", "0.5")
    assert message.startswith("train_ghn: ") and "lr was 0.006, is 0.5" in message
    assert "use these settings, or another folder" in message
    assert "holds a run already" in refusal(train, "--no-resume")


def test_two_processes_give_what_one_gives(train, tmp_path):
    """To the bit: the networks' gradients are summed in an order that does not depend on them."""
    flags = shlex.split("-m 4 -b 380 -e 1 --test_nets 0 --val_every 0 -l 9")
    train(*flags, "--processes", "1", "--name", "one")
    argv = [*TINY, "-S", str(tmp_path), *flags, "--name", "two", "--processes", "2"]
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *argv],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert "on 2 x cpu" in run.stdout
    one, two = (GHN.load(tmp_path / name / "ghn.pt").state_dict() for name in ("one", "two"))
    for name, value in one.items():
        assert torch.equal(two[name], value), name
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("one", "two")]
    losses = [json.loads(log.splitlines()[-1])["loss"] for log in logs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)


def test_shards_that_cannot_be_shared(train):
    message = refusal(train, "-m", "2", "--processes", "1", "--shards", "4")
    assert "2 networks a step in 4 parts" in message and "at most --meta_batch_size" in message


def test_missing_images_name_the_command_that_gets_them(train, tmp_path):
    message = refusal(train, "-d", "cifar10", "-D", str(tmp_path / "none"))
    assert "python -m graph2nn.vision.download cifar10" in message


def test_refused_settings_do_not_occupy_the_folder(train):
    message = refusal(train, "--amp", "--amp_dtype", "fp16")
    assert "fp16 needs a GPU" in message and "bf16" in message
    assert "training" in train("--test_nets", "0", "--val_every", "0")


def test_folders_that_cannot_be_used(train, tmp_path):
    (tmp_path / "tiny").write_text("thesis")
    assert "is a file, expected a folder for the run" in refusal(train)
    assert (tmp_path / "tiny").read_text() == "thesis"
    message = refusal(train, "-S", str(tmp_path / "tiny"))
    assert "cannot write" in message and "choose another folder" in message
    (tmp_path / "tiny").unlink()
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "thesis.tex").write_text("")
    assert "is not empty and holds no run" in refusal(train)


def test_a_checkpoint_of_something_else(train, tmp_path):
    torch.save({"kind": "net", "state_dict": {}}, tmp_path / "other.pt")
    assert "of kind 'net', expected 'ghn'" in refusal(train, "-C", str(tmp_path / "other.pt"))
    assert "does not exist" in refusal(train, "-C", str(tmp_path / "none.pt"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("-m 0", "meta_batch_size must be at least 1, got 0"),
        ("-d svhn", "invalid choice: 'svhn'"),
        ("-H transformer", "invalid choice: 'transformer'"),
        ("--multigpu", "torchrun --nproc_per_node"),
        ("--max_shape 1 2 3", "max_shape takes one, two or four integers"),
    ],
)
def test_wrong_flags(capsys, flags, message):
    with pytest.raises(SystemExit) as stop:
        parse_config(TrainConfig, shlex.split(flags))
    assert stop.value.code == 2 and message in capsys.readouterr().err


def parsed(flags: str) -> TrainConfig:
    return parse_config(TrainConfig, shlex.split(flags)).resolved()


def expect(config: TrainConfig, **values: object) -> None:
    assert {name: getattr(config, name) for name in values} == values


def test_published_ghn2_flags():
    c = parsed("-m 8 -n -v 50 --ln --name ghn2 -d cifar10")
    expect(c, dataset="cifar10", meta_batch_size=8, name="ghn2", hypernet="gatedgnn", image_size=32)
    expect(c, batch_size=64, lr=1e-3, wd=1e-5, epochs=300, scheduler="step", lr_steps=(200, 250))
    expect(c, opt="adam", gamma=0.1, grad_clip=5.0, augment=True, amp=False, label_smooth=0.0)
    g = c.ghn_config(num_classes=10, in_channels=3)
    assert (g.hid, g.max_shape, g.decoder) == (32, (64, 64, 11, 11), "conv")
    assert g.weight_norm and g.ve and g.layernorm and g.ve_cutoff == 50


def test_published_mlp_flags():
    c = parsed("-m 8 -n -v 50 --ln -H mlp --name mlp")
    expect(c, dataset="digits", meta_batch_size=8, name="mlp", hypernet="mlp", virtual_edges=50)
    g = c.ghn_config(num_classes=10, in_channels=3)
    assert g.hypernet == "mlp" and g.weight_norm and g.layernorm
    expect(parsed("-m 8 -n -v 50 --ln -H mlp -d cifar10"), name="mlp-cifar10", epochs=300)


def test_no_flags_on_cifar_is_ghn1():
    c = parsed("-d cifar10")
    expect(c, meta_batch_size=1, virtual_edges=1, weight_norm=False, ln=False, norm_penalty=0.0)
    expect(c, lr=1e-3, epochs=300, lr_steps=(200, 250), scheduler="step", init="published")
    g = c.ghn_config(num_classes=10, in_channels=3)
    assert not g.ve and not g.weight_norm and not g.layernorm


def test_imagenet_defaults():
    c = parsed("-d imagenet")
    expect(c, image_size=224, batch_size=256, label_smooth=0.1)
    assert c.ghn_config(num_classes=1000, in_channels=3).max_shape == (64, 64, 16, 16)


def test_no_flags_is_the_recipe_for_digits():
    c = parsed("")
    expect(
        c, dataset="digits", name="ghn2-digits", hypernet="gatedgnn", image_size=8, test_nets=100
    )
    expect(c, weight_norm=True, ln=True, virtual_edges=50, augment=False, amp=False)
    assert all(getattr(c, f) is not None for f in ("epochs", "lr", "scheduler", "processes"))
    expect(parsed("--no-ln --no-weight_norm -v 1"), ln=False, weight_norm=False, virtual_edges=1)
    g = c.ghn_config(num_classes=10, in_channels=3)
    assert (g.dataset, g.image_size) == ("digits", 8) and g.ve


def test_a_token_transformer(train, tmp_path):
    out = train(*shlex.split("-H tokens --tokens both --heads 2 --layers 1 --name t"))
    assert "training tokens hypernetwork" in out
    config = GHN.from_pretrained(str(tmp_path / "t" / "ghn.pt")).config
    assert (config.hypernet, config.tokens, config.layers, config.heads) == ("tokens", "both", 1, 2)
    expect(parsed("-H tokens"), name="tokens-digits", norm_penalty=0.0)


def test_the_hypernetwork_is_a_configuration_of_its_own():
    """Its settings stand among the others on the command line, in run folders and as keywords."""
    c = parsed("-H graphormer --hid 64 --heads 4 -d cifar10 -i 16")
    assert c.ghn == GHNConfig(hypernet="graphormer", hid=64, heads=4)
    expect(c, hypernet="graphormer", hid=64, heads=4, image_size=16)
    stored = to_dict(c)
    assert (stored["hypernet"], stored["hid"], stored["imsize"]) == ("graphormer", 64, 16)
    assert not {"ghn", "ghn.ve", "image_size", "num_classes"} & set(stored)
    assert from_dict(TrainConfig, json.loads(json.dumps(stored))) == c
    as_before = TrainConfig(
        hypernet="graphormer", hid=64, heads=4, dataset="cifar10", image_size=16
    )
    assert as_before.resolved() == c
    with pytest.raises(ValueError, match="hid must be a positive multiple of 4, got 10"):
        TrainConfig(hid=10)


def test_accuracy_as_a_second_output(train, tmp_path):
    table = ("--accuracy", "deepnets_digits", "--accuracy_labels", "970", "--accuracy_batch", "8")
    out, run = train(*table, "--val_every", "0", "--test_nets", "0"), tmp_path / "tiny"
    assert "30 networks of deepnets_digits that it has not learned from: tau" in out
    found = load_checkpoint(run / "ghn.pt", kind="ghn")["card"]["accuracy"]
    assert found["networks"] == 30 and -1 <= found["tau"] <= 1 and found["mean_error"] < 100
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert "accuracy_loss" in lines[0]
    ghn = GHN.load(run / "ghn.pt")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10))
    assert ghn.predict_accuracy(net, torch.zeros(1, 3, 8, 8)).std > 0

    message = refusal(train, *table[:2], "--accuracy_labels", "999", "--name", "other")
    assert "1000 labelled networks do not allow 999 for training" in message
    assert "unknown table 'nothing'" in refusal(train, "--accuracy", "nothing", "--name", "other")
