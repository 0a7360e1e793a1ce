"""`experiments/eval_ghn.py`: splits, comparisons, checks of the data, files."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from repository import EXPERIMENTS

from ghn import GHN, save_ghn
from ghn.checks import check_trained_on
from ghn.torchzoo import build_classifier, evaluate_classifiers
from graph2nn.deepnets import eval_nets, save_nets

SCRIPT = EXPERIMENTS / "eval_ghn.py"
TINY = {"hid": 8, "max_shape": (8, 8, 11, 11), "layernorm": True, "image_size": 8}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("ckpt") / "tiny.pt"
    return str(save_ghn(path, GHN(**TINY, dataset="digits")))


def test_two_methods_beside_initial_weights(script, checkpoint, tmp_path, capsys):
    mlp = str(save_ghn(tmp_path / "mlp.pt", GHN(**TINY, hypernet="mlp", dataset="digits")))
    out = tmp_path / "out"
    flags = ["--split", "val", "test", "-n", "2", "--out", str(out), "--device", "cpu"]
    results = script.main(["--ckpt", checkpoint, mlp, "-d", "digits", *flags])
    assert list(results) == ["val", "test"]
    assert list(results["test"]) == ["initial weights", "tiny", "mlp"]
    content = json.loads((out / "results.json").read_text())
    for split in ("val", "test"):
        for method in results[split]:
            stored = content["results"][split][method]
            assert stored["top1"]["n"] == 2
            assert 0 <= stored["top1"]["worst"] <= stored["top1"]["best"] <= 100
    printed = capsys.readouterr().out
    assert printed.count("±") == 6 and "best" in printed and "worst" in printed
    for name in ("results.json", "accuracy.png", "size.png"):
        assert (out / name).stat().st_size and str(out / name) in printed


def test_held_out_networks_of_a_family(script, checkpoint, tmp_path):
    flags = ["--split", "relational", "convnets", "-n", "2", "--num_images", "64"]
    results = script.main(["--ckpt", checkpoint, *flags, "--out", str(tmp_path), "-b", "32"])
    assert list(results) == ["relational", "convnets"]
    for by_method in results.values():
        assert [list(nets) for nets in by_method.values()] == [["0", "1"], ["0", "1"]]


def test_one_network_equals_its_place_in_the_split(script, checkpoint, tmp_path):
    flags = ["--ckpt", checkpoint, "--out", str(tmp_path), "--no-random_init"]
    both = script.main([*flags, "-n", "2"])["test"]["tiny"]
    one = script.main([*flags, "--arch", "1"])["test"]["tiny"]
    assert list(both) == ["0", "1"] and list(one) == ["1"]
    assert one["1"].top1 == both["1"].top1 and one["1"].num_params == both["1"].num_params


def test_noise_batch_size_and_file_of_networks(script, checkpoint, tmp_path):
    nets = eval_nets("dense", 2, image_size=8)
    save_nets(nets.table, tmp_path / "nets.h5", image_size=8)
    flags = ["--ckpt", checkpoint, "--out", str(tmp_path), "--noise", "--test_batch_size", "100"]
    results = script.main([*flags, "--split", "dense", "--nets", str(tmp_path / "nets.h5")])
    drawn = script.main([*flags, "--split", "dense", "-n", "2"])
    for method in ("initial weights", "tiny"):
        assert results["dense"][method] == drawn["dense"][method]


def test_classifiers_are_adjusted_or_skipped(digit_batches):
    pytest.importorskip("torchvision", reason="needs the extra 'vision'")
    names = ["squeezenet1_1", "resnet18", "vit_b_16"]
    methods = {"tiny": GHN(**TINY), "initial": None}
    results, skipped = evaluate_classifiers(methods, names, digit_batches, progress=False)
    assert list(results["tiny"]) == list(results["initial"]) == ["resnet18"]
    assert results["tiny"]["resnet18"].num_params == 11173962
    assert set(skipped) == {"squeezenet1_1", "vit_b_16"}
    assert all(reason for reason in skipped.values())


@pytest.fixture
def digit_batches():
    from ghn.evaluation import evaluation_batches
    from graph2nn.vision import load_images

    data = load_images("digits", split="test")
    return evaluation_batches(data.subset(torch.arange(64)), 32)


def test_initial_weights_depend_on_the_seed_only():
    pytest.importorskip("torchvision", reason="needs the extra 'vision'")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (
        build_classifier("resnet18", num_classes=10, image_size=8, seed=s).fc.weight
        for s in (1, 1, 2)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("fields", "dataset", "image_size", "message"),
    [
        ({"dataset": "cifar10"}, "digits", None, "trained on cifar10, evaluated on digits"),
        ({"num_classes": 100}, "digits", None, "for 100 classes, but digits has 10"),
        ({"in_channels": 1}, "cifar10", None, r"1 channel\(s\), but cifar10 has 3"),
        ({"dataset": "digits", "image_size": 32}, "digits", None, "at 32 pixels, evaluated at 8"),
        ({"dataset": "digits", "image_size": 8}, "digits", 16, "at 8 pixels, evaluated at 16"),
    ],
)
def test_other_images_than_trained_on(fields, dataset, image_size, message):
    config = GHN(**{**TINY, "image_size": None, **fields}).config
    with pytest.raises(ValueError, match=message):
        check_trained_on(config, dataset, image_size)


def test_force_allows_another_data_set(script, tmp_path):
    path = str(save_ghn(tmp_path / "c.pt", GHN(**TINY | {"image_size": 32}, dataset="cifar10")))
    flags = ["--ckpt", path, "-d", "digits", "-i", "8", "--arch", "0", "--out", str(tmp_path)]
    with pytest.raises(ValueError, match="trained on cifar10, evaluated on digits"):
        script.main(flags)
    assert script.main([*flags, "--force"])["test"]["c"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "tset"], "split: expected one of train, val, test"),
        (["-n", "0"], "num_nets: expected at least 1"),
        (["-d", "svhn"], "invalid choice: 'svhn'"),
    ],
)
def test_wrong_flags(script, capsys, flags, message):
    with pytest.raises(SystemExit):
        script.main(["--ckpt", "x", *flags])
    assert message in capsys.readouterr().err


def test_wrong_checkpoint_and_network(script, checkpoint, tmp_path):
    with pytest.raises(ValueError, match="no hypernetwork 'nosuch'"):
        script.main(["--ckpt", "nosuch"])
    with pytest.raises(ValueError, match="--arch: expected 0 to 99 for test, got -1"):
        script.main(["--ckpt", checkpoint, "--arch", "-1", "--out", str(tmp_path)])
    with pytest.raises(ValueError, match="different checkpoints"):
        script.main(["--ckpt", checkpoint, checkpoint])
    unnamed = str(save_ghn(tmp_path / "u.pt", GHN(**TINY)))
    with pytest.raises(ValueError, match="pass it with -d"):
        script.main(["--ckpt", unnamed])


def test_command_line_explains_itself():
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    for flag in ("--ckpt", "--split", "--arch", "--noise", "--nets", "--no-random_init", "--force"):
        assert flag in run.stdout


def test_predefined_counts_as_published(script, checkpoint, tmp_path) -> None:
    flags = ["--ckpt", checkpoint, "--num_images", "16", "--no-random_init", "--out", str(tmp_path)]
    for index, name in enumerate(("resnet50", "vit")):
        found = script.main([*flags, "--split", "predefined", "--arch", str(index)])
        ((_, networks),) = found["predefined"].items()
        assert list(networks) == [name]
