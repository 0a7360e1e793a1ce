"""Training of hypernetworks on a GPU: gradients, scaler, checkpoints, several processes."""

from __future__ import annotations

import copy
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from repository import EXPERIMENTS, ROOT
from torch import distributed as dist
from torch import nn

from ghn import GHN
from ghn.training import TrainConfig, Trainer, meta_step
from ghn.training.networks import evaluation_nets
from graph2nn.families import FAMILIES
from graph2nn.runs import RunFolder, Workers, load_checkpoint, seeded, to_dict

pytestmark = pytest.mark.gpu

KIND = {"image_size": 8, "num_classes": 10, "in_channels": 3}


def settings(save_dir: Path | str = "none", **fields: Any) -> TrainConfig:
    """Four steps, small networks, a tiny hypernetwork."""
    defaults: dict[str, Any] = {
        "dataset": "digits", "image_size": 4, "hid": 8, "max_shape": (8, 8, 3, 3),
        "meta_batch_size": 2, "batch_size": 60, "max_nodes": 100, "steps": 4, "val_every": 0,
        "test_nets": 0, "log_interval": 1, "save_every": 2, "debug": 0, "processes": 1,
        "name": "run", "save_dir": str(save_dir), "opt": "sgd", "lr": 0.05,
    }  # fmt: skip
    return TrainConfig(**{**defaults, **fields}).resolved()


def folder(config: TrainConfig, resume: bool = False) -> RunFolder:
    path = Path(config.save_dir) / str(config.name)
    return RunFolder(path, to_dict(config), resume=resume, may_differ=("steps",))


def trained(device: torch.device | str, save_dir: Path, **fields: Any) -> list[dict[str, Any]]:
    config = settings(save_dir, **fields)
    run = folder(config, resume=True)
    resume_from = run.last if run.can_resume else None
    workers = Workers(0, 1, torch.device(device))
    Trainer(config, workers=workers, run=run, resume_from=resume_from).fit()
    return [row for row in run.metrics() if "loss" in row]


@pytest.mark.parametrize("hypernet", ["gatedgnn", "mlp", "graphormer", "tokens"])
def test_gradients_equal_those_of_the_cpu(device, hypernet: str, tolerance) -> None:
    """In double precision, with label smoothing and the penalty on norms; of every family."""
    with seeded(0):
        ghn = GHN(hid=8, max_shape=(8, 8, 5, 5), heads=2, layers=2, hypernet=hypernet).double()
        images = torch.randn(8, 3, 8, 8).double()
    labels = torch.arange(8)
    families = FAMILIES if hypernet == "gatedgnn" else ["test"]
    nets = [net for name in families for net in evaluation_nets(name, 1, small=True, **KIND)]
    grads = []
    for place in (torch.device("cpu"), device):
        mine = copy.deepcopy(ghn).to(place).train()
        how = {"label_smoothing": 0.1, "norm_penalty": 1e-3}
        result = meta_step(mine, nets, images.to(place), labels.to(place), **how)
        grads.append((result, {n: p.grad.cpu() for n, p in mine.named_parameters()
                               if p.grad is not None}))  # fmt: skip
    (ours, expected), (theirs, found) = grads
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-6)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        scale = value.square().mean().sqrt()
        assert (found[name] - value).abs().max() <= tolerance(1e-6) * scale + 1e-12, name


def test_a_run_equals_that_of_the_cpu(device, tmp_path: Path, tolerance, random_state) -> None:
    state = random_state()
    found = trained(device, tmp_path / "device")
    assert torch.equal(random_state(), state)
    expected = trained("cpu", tmp_path / "cpu")
    for a, b in zip(found, expected, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=max(tolerance(5e-3), 1e-5))


@pytest.mark.parametrize("first", ["device", "cpu"])
def test_a_run_goes_on_on_another_device(device, first: str, tmp_path: Path, tolerance) -> None:
    """With momentum and the images' place, from a checkpoint of tensors on the CPU."""
    places = [device, "cpu"] if first == "device" else ["cpu", device]
    trained(places[0], tmp_path / "both", scheduler="none", steps=2)
    last = tmp_path / "both" / "run" / "last.pt"
    content = load_checkpoint(last, map_location="meta")
    assert content["progress"]["step"] == 2
    found = trained(places[1], tmp_path / "both", scheduler="none")
    expected = trained("cpu", tmp_path / "cpu", scheduler="none")
    assert [row["step"] for row in found] == [1, 2, 3, 4]
    for a, b in zip(found, expected, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=max(tolerance(5e-3), 1e-5))
    for name, place in (("back", "cpu"), ("there", device)):
        ghn = GHN.load(last, device=place)
        assert next(ghn.parameters()).device == torch.device(place), name


def test_processes_that_make_networks(real_device: str, tmp_path: Path) -> None:
    """Forked beside a device in use, which they leave alone."""
    torch.ones((), device=real_device)
    found = trained(real_device, tmp_path / "two", num_workers=2)
    expected = trained(real_device, tmp_path / "none")
    for a, b in zip(found, expected, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision(device, kind: str, dtype: str, tmp_path: Path) -> None:
    if dtype == "fp16" and kind != "cuda":
        with pytest.raises(ValueError, match="fp16 needs a GPU"):
            trained("cpu", tmp_path, amp=True, amp_dtype=dtype)
        return
    found = trained(device, tmp_path / "half", amp=True, amp_dtype=dtype)
    expected = trained(device, tmp_path / "single")
    for a, b in zip(found, expected, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=0.05)


def test_an_overflow_in_fp16_takes_other_networks_and_lowers_the_scale(
    device, kind: str, tmp_path: Path
) -> None:
    """A scale that is too large is no failure of the run: it falls until the gradient fits."""
    config = settings(tmp_path, amp=True, amp_dtype="fp16" if kind == "cuda" else "bf16")
    run = folder(config)
    trainer = Trainer(config, workers=Workers(0, 1, device), run=run)
    if kind != "cuda":  # the scaler alone: half precision of a GPU overflows, bfloat16 does not
        trainer.scaler = torch.amp.GradScaler(device.type, growth_interval=100)
    trainer.scaler.scale(torch.ones((), device=device))  # makes its tensors
    start = 2.0 ** (40 if kind == "cuda" else 127)
    trainer.scaler.update(start)
    trainer.fit()
    scale = trainer.scaler.get_scale()
    assert 1024 <= scale < start and trainer.failures == 0
    assert trainer.step == 4 and trainer.next_batch > 4
    kept = load_checkpoint(run.last)["scaler"]["scale"]
    assert kept == scale
    assert all(p.isfinite().all() for p in trainer.ghn.parameters())


def test_a_process_without_a_gpu_of_its_own(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind != "cuda":
        pytest.skip("the number of GPUs is looked at where there are some")
    monkeypatch.setenv("LOCAL_RANK", str(torch.cuda.device_count()))
    with pytest.raises(ValueError, match="start a process a GPU at most"):
        Workers.start("cuda")


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


GROUP = """
import sys, torch
from torch import distributed as dist
from graph2nn.runs import Workers
joined = Workers.start(sys.argv[1])
alone = joined.world == 1
if alone:  # one device: a group of one, whose collectives are those of many
    how = {"device_id": joined.device} if joined.device.type == "cuda" else {}
    dist.init_process_group("nccl" if joined.device.type == "cuda" else "gloo", **how)
w = Workers(joined.rank, max(2, joined.world), joined.device)
n = dist.get_world_size()
net = torch.nn.Linear(4, 3).to(w.device)
torch.nn.init.constant_(net.weight, w.rank + 1.0)
w.broadcast(net)
assert (net.weight == 1).all()
(net.weight[:2].sum() * (w.rank + 1)).backward()
w.sum_gradients(net.parameters())
whole = n * (n + 1) / 2
assert (net.weight.grad[:2] == whole).all() and not net.weight.grad[2:].any()
assert not net.bias.grad.any()
assert w.sum(1.0, w.rank) == [n, n * (n - 1) / 2]
assert w.all_true(True) and w.all_true(w.rank == 0) == (n == 1)
w.barrier()
w.stop()
assert not dist.is_initialized()
print("collectives of", n, joined.device.type)
"""


def test_collectives(real_device: str, tmp_path: Path) -> None:
    """NCCL where there are GPUs, a process each; gloo on the CPU."""
    count = torch.cuda.device_count() if real_device == "cuda" else 1
    script = tmp_path / "group.py"
    script.write_text(GROUP)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tokenizers")]),
    }
    environment |= {"OMP_NUM_THREADS": "1"}
    if count > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    else:
        launcher = []
        environment |= {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    command = [sys.executable, *launcher, str(script), real_device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"collectives of {count} {real_device}" in done.stdout


def test_the_command_line_takes_the_gpu(real_device: str, tmp_path: Path) -> None:
    """With the defaults of digits, which share a step among processes on a CPU, and with a process
    a GPU where there are several."""
    count = torch.cuda.device_count() if real_device == "cuda" else 1
    command = [sys.executable, str(EXPERIMENTS / "train_ghn.py"), "--steps", "2", "--hid", "8"]
    command += ["--max_shape", "8", "8", "3", "3", "-m", str(max(2, count)), "--val_every", "0"]
    command += ["--test_nets", "2", "--debug", "0", "-S", str(tmp_path), "--name", "run"]
    if real_device == "cpu":
        command += ["--device", "cpu", "--processes", "1"]
    elif count > 1:
        command += ["--processes", str(count)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tokenizers")]),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"on {count} x {real_device}" in done.stdout
    ghn = GHN.load(tmp_path / "run" / "ghn.pt")
    assert all(p.isfinite().all() for p in ghn.parameters())
    assert not dist.is_initialized()


def test_memory_does_not_grow_with_the_meta_batch(device, kind: str) -> None:
    """Activations of one network at a time, on the device, too."""
    if kind != "cuda":
        pytest.skip("the memory of a GPU is counted exactly, that of a process is not")
    config, graph = evaluation_nets("test", 1, small=False, **{**KIND, "image_size": 32})[0]
    ghn = GHN(hid=8, max_shape=(16, 16, 5, 5)).to(device).train()
    images = torch.randn(64, 3, 32, 32, device=device)
    labels = torch.arange(64, device=device) % 10
    peaks = []
    for count in (1, 4):
        nn.Module.zero_grad(ghn, set_to_none=True)
        torch.cuda.reset_peak_memory_stats(device)
        base = torch.cuda.memory_allocated(device)
        meta_step(ghn, [(config, graph)] * count, images, labels)
        peaks.append(torch.cuda.max_memory_allocated(device) - base)
    assert peaks[1] < 2 * peaks[0]
