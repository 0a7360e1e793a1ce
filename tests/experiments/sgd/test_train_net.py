"""`experiments/sgd/train_net.py`: published command lines, ours, resuming, and wrong flags."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ghn import GHN, GHNConfig
from graph2nn.runs import load_checkpoint, read_metrics

ROOT = Path(__file__).parents[3]
DIGITS = ["-d", "digits", "--split", "test", "--arch", "0", "--debug", "0"]

PUBLISHED = """
--split test --arch 0 --epochs 50
--arch DARTS --epochs 50
--split wide --arch 0 --epochs 1 -d imagenet
--val --split predefined --arch 0 --epochs 300 -d cifar10 --n_shots 100 --lr 0.01 --wd 0.01 \
 --ckpt CKPT --opt sgd --init orth --imsize 32 --beta 3e-5 --layer 37
--val --arch convnext_base -b 48 --epochs 300 -d cifar10 --n_shots 100 --lr 0.001 --wd 0.1 \
 --ckpt CKPT --opt adamw --init orth --imsize 32 --beta 3e-5 --layer 94
--split predefined --arch 0 --epochs 50 -d cifar10 --n_shots 100 --wd 1e-3 --ckpt CKPT
--split predefined --arch 0 --epochs 50 -d cifar10 --n_shots 100 --wd 1e-3
--split predefined --arch 0 --epochs 50 -d cifar10 --n_shots 100 --wd 1e-3 --pretrained
--split predefined --arch 1 --epochs 50 -d cifar10 --n_shots 100 --wd 1e-3 --ckpt CKPT
--arch DARTS --epochs 50 -d cifar10 --n_shots 100 --wd 1e-3 --init_channels 48 --layers 14 \
 --ckpt CKPT
--split search --arch 35133 --epochs 600 --cutout --drop_path_prob 0.2 --auxiliary
--split search --arch 35133 -d cifar10 --epochs 50
"""
LINES = [shlex.split(line) for line in PUBLISHED.replace("\\\n", "").strip().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 of 60 images, ImageNet of two classes, and a hypernetwork for 1000 classes."""
    path = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 60), ("test", 20)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(count) % 10
    np.savez(path / "cifar10.npz", **arrays)
    for part in ("train", "val"):
        for name in ("n01", "n02"):
            (path / "imagenet" / part / name).mkdir(parents=True)
            for k in range(2):
                pixels = rng.integers(0, 256, (240, 250, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path / "imagenet" / part / name / f"{k}.jpg")
    config = GHNConfig(num_classes=1000, max_shape=(16, 16, 3, 3), hid=16, weight_norm=True)
    GHN(config).save(path / "ghn.pt")
    return path


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_published_command_lines(
    script, folder: Path, tmp_path: Path, line: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each as printed, but for one epoch of a few images."""
    from torchvision.models import resnet50

    pretrained = resnet50().state_dict() if "--pretrained" in line else {}
    fetched = "torchvision.models._api.load_state_dict_from_url"
    monkeypatch.setattr(fetched, lambda *args, **how: pretrained)
    given = ["1" if before == "--epochs" else text for before, text in zip(["", *line], line)]
    given = ["2" if b == "--n_shots" else text for b, text in zip(["", *line], given)]
    given = [str(folder / "ghn.pt") if text == "CKPT" else text for text in given]
    extra = ["-D", str(folder), "-S", str(tmp_path), "--debug", "0", "--bn_images", "20"]
    records = script.main([*given, *extra])
    assert [record["epoch"] for record in records] == [0, 1]
    assert records[-1]["train_loss"] > 0
    said = records[0]["start"]
    assert ("predicted weights" in said) == ("--ckpt" in line)
    assert ("made orthogonal" in said) == ("orth" in line)
    (run,) = tmp_path.iterdir()
    assert (run / "network.pt").is_file() and (run / "training.png").stat().st_size > 1000


def test_digits_from_a_prediction(script, tmp_path: Path, capsys) -> None:
    """The command of the README, with fewer epochs."""
    flags = [*DIGITS, "--ckpt", "ghn2-digits", "--init", "orth", "-S", str(tmp_path)]
    records = script.main([*flags, "-e", "3"])
    assert records[-1]["top1_error"] < 15
    (run,) = tmp_path.iterdir()
    assert run.name == "test-0_digits_ghn2-digits_orth_s1111"
    said = capsys.readouterr().out
    assert "ghn2-digits: predicted weights; " in said and "made orthogonal" in said
    # the weights begin another run, or are only tested
    again = script.main([*DIGITS, "--ckpt", str(run / "network.pt"), "-e", "0"])
    assert again[0]["top1_error"] == records[-1]["top1_error"]
    assert again[0]["start"] == "network.pt: stored weights"


def test_statistics_of_the_batch_are_those_of_eval_ghn(script) -> None:
    from ghn import from_pretrained
    from ghn.evaluation import evaluate_nets, evaluation_batches
    from ghn.training.networks import evaluation_nets
    from graph2nn.vision import load_images

    data = load_images("digits", split="test")
    kind = {"image_size": 8, "num_classes": 10, "in_channels": 3}
    nets = [evaluation_nets("test", 4, **kind)[3]]
    ghn = from_pretrained("ghn2-digits").eval()
    (expected,) = evaluate_nets(ghn, nets, evaluation_batches(data), progress=False)
    flags = ["--ckpt", "ghn2-digits", "--bn", "batch", "-e", "0", "-S", "none"]
    flags = [*DIGITS, *flags]
    flags[flags.index("0")] = "3"
    (record,) = script.main(flags)
    assert 100 - record["top1_error"] == pytest.approx(expected.top1, abs=1e-9)


def test_validation_few_shots_noise_and_bfloat16(script, tmp_path: Path, capsys) -> None:
    flags = ["--val", "--n_shots", "5", "--noise", "--amp", "-e", "1", "-S", "none"]
    record = script.main([*DIGITS, *flags, "--bn", "precise", "--label_smooth", "0.1"])[-1]
    assert record["final_error"] > 0
    said = capsys.readouterr().out
    assert "50 training images" in said and "130 of val noise" in said
    assert "test accuracy" in said


@pytest.mark.parametrize(
    "arch",
    ["resnet18", "ws:n=16,k=4,model=cnn6,dims=16-32,depths=1-1", "small/static_dnw", "DARTS"],
)
def test_networks_of_all_families_learn(script, arch: str) -> None:
    flags = ["-d", "digits", "--arch", arch, "--n_shots", "10", "-e", "3", "-S", "none"]
    more = [
        "--init",
        "orth",
        "--debug",
        "0",
        "--layers",
        "4",
        "--init_channels",
        "8",
        "--ckpt",
        "ghn2-digits",
    ]
    first, second, *_, last = script.main([*flags, *more])
    assert "predicted weights" in first["start"]
    assert last["train_loss"] < second["train_loss"]


def test_killed_and_resumed_is_as_if_never_stopped(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "experiments/sgd/train_net.py"), *DIGITS]
    flags = ["--ckpt", "ghn2-digits", "--drop_path_prob", "0.2", "--auxiliary", "-e", "3"]
    flags += ["--n_shots", "20", "--name", "run"]

    def run(place: str, **how) -> subprocess.CompletedProcess:
        command = [*program, *flags, "-S", str(tmp_path / place)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, **how)

    whole = run("whole")
    assert whole.returncode == 0, whole.stderr
    code = (
        "import os, signal, sys\n"
        "from graph2nn.training.loop import trainer\n"
        "save = trainer._Training._save\n"
        "def stop(self, run):\n"
        "    save(self, run)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "trainer._Training._save = stop\n"
        "plain = trainer.train_networks.__kwdefaults__\n"
        "plain['save_seconds'] = 0.2\n"
        f"sys.path.insert(0, {str(ROOT / 'experiments/sgd')!r})\n"
        "import train_net\n"
        "train_net.main(sys.argv[1:])\n"
    )
    command = [*DIGITS, *flags, "-S", str(tmp_path / "cut")]
    killed = subprocess.run([sys.executable, "-c", code, *command], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    done = load_checkpoint(tmp_path / "cut/run/last.pt")["done"]
    assert done < 3, "killed before the end"
    rest = run("cut")
    assert rest.returncode == 0, rest.stderr
    one, other = (load_checkpoint(tmp_path / p / "run/network.pt") for p in ("whole", "cut"))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    rows = [
        [
            {k: v for k, v in row.items() if "seconds" not in k}
            for row in read_metrics(tmp_path / p / "run")
        ]
        for p in ("whole", "cut")
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 4


def test_another_command_does_not_go_on(script, tmp_path: Path) -> None:
    flags = [*DIGITS, "--n_shots", "5", "-e", "1", "-S", str(tmp_path), "--name", "run"]
    script.main(flags)
    with pytest.raises(ValueError, match="run with other settings: .*start.source was 'random'"):
        script.main([*flags, "--ckpt", "ghn2-digits"])
    with pytest.raises(ValueError, match="run with other settings: .*recipe.lr was 0.025, is 0.1"):
        script.main([*flags, "--lr", "0.1"])


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--ckpt", "ghn2-digits", "--pretrained"], "--ckpt and --pretrained: both say what"),
        (["--layer", "3"], "--layer says from where on --init orth or --beta change weights"),
        (["--scheduler", "cosin"], "unknown schedule 'cosin'.*did you mean 'cosine'"),
        (["--opt", "sdg"], "invalid choice"),
        (["--ckpt", "ghn2-digits", "--init", "kaiming"], "weights are those of --ckpt"),
    ],
)
def test_wrong_flags(script, flags: list[str], message: str, capsys) -> None:
    with pytest.raises((SystemExit, ValueError)) as caught:
        script.main([*DIGITS, "-S", "none", *flags])
    said = f"{caught.value} {capsys.readouterr().err}"
    assert re.search(message, said), said


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--n_shots", "500"], r"class 0 has \d+ images, n_shots=500 asks for more"),
        (["--init", "orth", "--layer", "500"], "first_layer: the network has .* layers"),
        (["--ckpt", "nowhere.pt"], "nowhere.pt"),
        (["--arch", "DARTS", "--drop_path_prob", "1"], "expected a probability below 1"),
        (["--arch", "resnet18", "--drop_path_prob", ".2"], "ResNet has no drop_path_prob"),
        (["--lr", "1e6", "--grad_clip", "0", "-e", "1"], "the loss is not finite after epoch 1"),
        (["-d", "cifar10", "-D", "nowhere"], "cifar10 is not in .*nowhere"),
    ],
)
@pytest.mark.filterwarnings("ignore::graph2nn.training.DivergedWarning")
def test_what_cannot_be_trained(script, flags: list[str], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        script.main([*DIGITS, "-S", "none", *flags])


def test_a_data_folder_with_missing_classes(script, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "imagenet", tmp_path / "imagenet")
    shutil.rmtree(tmp_path / "imagenet" / "val" / "n01")
    with pytest.raises(ValueError, match="test has no n01.*is a folder of a class missing"):
        script.main(["-d", "imagenet", "-D", str(tmp_path), "--arch", "resnet18", "-S", "none"])


def test_two_processes_are_one(script, tmp_path: Path) -> None:
    flags = [*DIGITS, "--n_shots", "6", "-e", "2", "--ckpt", "ghn2-digits", "--init", "orth"]
    flags += ["--device", "cpu", "--name", "run"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    program = str(ROOT / "experiments/sgd/train_net.py")
    command = [*launcher, "--nproc_per_node=2", program, *flags, "-S", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy") == 2, "only the first process reports"
    script.main([*flags, "-S", str(tmp_path / "one")])
    one, two = (load_checkpoint(tmp_path / p / "run/network.pt") for p in ("one", "two"))
    for name, value in one["state_dict"].items():
        other = two["state_dict"][name]
        torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-4, msg=name)
