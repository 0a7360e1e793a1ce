"""Training runs: resumed, killed, shared by two processes, failing."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from repository import ROOT
from torch import Tensor

from ghn import GHN
from ghn.training import StepResult, TrainConfig, Trainer
from graph2nn.runs import RunFolder, load_checkpoint, save_checkpoint, to_dict

STEPS_AN_EPOCH = 2

pytestmark = pytest.mark.usefixtures("one_thread")  # a killed process counts alike


def small(save_dir: Path | str = "none", **fields: Any) -> TrainConfig:
    """Seconds on one core: two steps an epoch, small networks, a tiny hypernetwork."""
    defaults: dict[str, Any] = {
        "dataset": "digits",
        "image_size": 4,
        "hid": 8,
        "max_shape": (8, 8, 3, 3),
        "meta_batch_size": 2,
        "batch_size": 500,
        "max_nodes": 150,
        "epochs": 2,
        "val_every": 0,
        "test_nets": 0,
        "log_interval": 1,
        "save_every": 1,
        "debug": 0,
        "processes": 1,
        "device": "cpu",
        "name": "run",
        "save_dir": str(save_dir),
    }
    return TrainConfig(**{**defaults, **fields}).resolved()


def folder(config: TrainConfig, resume: bool = False) -> RunFolder:
    path = Path(config.save_dir) / str(config.name)
    return RunFolder(path, to_dict(config), resume=resume, may_differ=("epochs",))


def weights(ghn: GHN) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in ghn.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict[str, Tensor]:
    """Final weights of the small run."""
    config = small(tmp_path_factory.mktemp("whole"))
    trainer = Trainer(config, run=folder(config))
    assert trainer.steps_per_epoch == STEPS_AN_EPOCH and trainer.total == 4
    return weights(trainer.fit())


def test_a_run_learns_and_logs(tmp_path: Path) -> None:
    config = small(tmp_path, val_every=2, val_nets=1, val_images=40)
    run = folder(config)
    trainer = Trainer(config, run=run)
    start = weights(trainer.ghn)
    end = weights(trainer.fit())
    assert not equal(start, end) and all(v.isfinite().all() for v in end.values())
    rows = [r for r in run.metrics() if "loss" in r]
    assert [r["step"] for r in rows] == [1, 2, 3, 4]
    assert all(math.isfinite(r["loss"]) and 0 <= r["train_top1"] <= 100 for r in rows)
    validated = [r for r in run.metrics() if "val_top1" in r]
    assert [r["step"] for r in validated] == [4] and run.best.is_file()
    assert GHN.load(run.best).config.dataset == "digits"
    assert equal(weights(GHN.load(run.last)), end)


def test_same_seed_same_run(uninterrupted) -> None:
    """Whatever the global generators were, and without files."""
    torch.manual_seed(123)
    assert equal(weights(Trainer(small()).fit()), uninterrupted)
    assert not equal(weights(Trainer(small(seed=2)).fit()), uninterrupted)


class Stopped(Exception):
    pass


def test_noise_is_drawn_anew_every_step_and_the_same_again(tmp_path: Path) -> None:
    config = small(tmp_path, noise=4, diversity=0.1)
    whole = weights(Trainer(config).fit())
    half = small(tmp_path, noise=4, diversity=0.1, epochs=1)
    start = weights(Trainer(half, run=folder(half)).ghn)
    Trainer(half).fit()
    run = folder(half, resume=True)
    Trainer(half, run=run).fit()
    run.close()
    last = Path(config.save_dir) / "run" / "last.pt"
    resumed = Trainer(config, run=folder(config, resume=True), resume_from=last)
    assert equal(weights(resumed.fit()), whole)
    assert not torch.equal(start["noise.weight"], whole["noise.weight"])
    other = weights(Trainer(small(noise=4)).fit())
    assert not torch.equal(other["noise.weight"], whole["noise.weight"]), "diversity counts"


@pytest.mark.parametrize("after", [1, 2, 3])
def test_resume_equals_uninterrupted(uninterrupted, tmp_path: Path, monkeypatch, after) -> None:
    """Also within an epoch, and with steps after the last checkpoint lost."""
    config = small(tmp_path, save_every=2)
    first = Trainer(config, run=folder(config))
    finish = first._after_step

    def stop(*args: Any) -> None:
        finish(*args)
        if first.step == after:
            raise Stopped

    monkeypatch.setattr(first, "_after_step", stop)
    with pytest.raises(Stopped):
        first.fit()
    run = folder(config, resume=True)
    assert run.can_resume is (after >= 2)
    second = Trainer(config, run=run, resume_from=run.last if run.can_resume else None)
    assert second.step == (0 if after == 1 else 2)
    assert equal(weights(second.fit()), uninterrupted)
    steps = [r["step"] for r in run.metrics()]
    assert steps == [1, 2, 3, 4], "every step once, also without a checkpoint to go on from"


@pytest.mark.parametrize("after", [1, 3])
def test_the_running_average_is_kept_and_resumed(tmp_path: Path, uninterrupted, after) -> None:
    config = small(tmp_path, ema=0.9)
    whole = Trainer(small(ema=0.9))
    steps, decays = [weights(whole.ghn)], (1 / 10, 2 / 11, 3 / 12, 4 / 13)
    take = whole._after_step
    whole._after_step = lambda *args: (steps.append(weights(whole.ghn)), take(*args))
    kept = weights(whole.fit())
    assert equal(steps[-1], uninterrupted), "training itself is as without"
    expected = steps[0]
    for decay, now in zip(decays, steps[1:], strict=True):
        expected = {n: decay * v + (1 - decay) * now[n] for n, v in expected.items()}
    torch.testing.assert_close(kept, expected)
    assert not equal(kept, steps[-1])
    first = Trainer(config, run=folder(config))
    first.total = after
    first.fit()
    last = Path(config.save_dir) / "run" / "last.pt"
    second = Trainer(config, run=folder(config, resume=True), resume_from=last)
    assert equal(weights(second.fit()), kept)
    assert equal(weights(GHN.load(last)), kept), "a checkpoint opens as what is kept"


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_other_optimisers_are_resumed_exactly(name, tmp_path: Path, uninterrupted) -> None:
    """Digits are trained with SOAP, which the tests above resume."""
    assert small().opt == "soap" and small(opt=name).lr == 3e-3
    config = small(tmp_path, opt=name)
    whole = weights(Trainer(small(opt=name)).fit())
    assert not equal(whole, uninterrupted)
    first = Trainer(config, run=folder(config))
    first.total = 2
    first.fit()
    last = Path(config.save_dir) / "run" / "last.pt"
    second = Trainer(config, run=folder(config, resume=True), resume_from=last)
    assert equal(weights(second.fit()), whole)


def test_networks_without_normalisation_in_training() -> None:
    def share(**fields: Any) -> float:
        trainer = Trainer(small(meta_batch_size=20, max_nodes=None, **fields))
        return sum(c.norm is None for c in next(trainer._meta_batches()).configs) / 20

    assert share(normfree=0.0) == 0 < share(normfree=1.0)


def test_more_epochs(tmp_path: Path) -> None:
    """Where the schedule does not depend on the length, a longer run goes on from a shorter."""
    fields = {"scheduler": "step", "lr_steps": (100,)}
    short = small(tmp_path, epochs=1, **fields)
    Trainer(short, run=folder(short)).fit()
    longer = small(tmp_path, epochs=2, **fields)
    run = folder(longer, resume=True)
    resumed = weights(Trainer(longer, run=run, resume_from=run.last).fit())
    assert equal(resumed, weights(Trainer(small(epochs=2, **fields)).fit()))


SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
import torch
from ghn.training import TrainConfig, Trainer
from graph2nn.training import RunFolder, Workers, to_dict
fields = json.loads(sys.argv[1])
config = TrainConfig(**{**fields, "max_shape": tuple(fields["max_shape"])}).resolved()
workers = Workers.start("cpu")
path = Path(config.save_dir) / config.name
run = RunFolder(path, to_dict(config), resume=True) if workers.first else None
workers.barrier()
last = path / "last.pt"
trainer = Trainer(config, workers=workers, run=run, resume_from=last if last.is_file() else None)
print("going", flush=True)
trainer.fit()
workers.stop()
"""


def command(config: TrainConfig, *launcher: str) -> list[str]:
    """Arguments of a process that trains as `config` says, resuming what is there."""
    fields = {k: v for k, v in to_dict(config).items() if v is not None}
    script = Path(config.save_dir) / "script.py"
    script.write_text(SCRIPT)
    return [sys.executable, *launcher, str(script), json.dumps(fields)]


def environment() -> dict[str, str]:
    root = str(ROOT)
    return {**os.environ, "PYTHONPATH": root, "CUDA_VISIBLE_DEVICES": ""}


def test_killed_at_any_moment_and_resumed(uninterrupted, tmp_path: Path) -> None:
    """kill -9 while it trains or saves; the same command, run again, ends with the same weights."""
    config = small(tmp_path)
    process = subprocess.Popen(
        command(config), env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "going\n"
    last = tmp_path / "run" / "last.pt"
    deadline = time.monotonic() + 240
    while not last.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.random() * 0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    step = load_checkpoint(last, kind="ghn")["progress"]["step"]
    assert 1 <= step <= 4
    run = folder(config, resume=True)
    trainer = Trainer(config, run=run, resume_from=run.last)
    assert trainer.step == step
    assert equal(weights(trainer.fit()), uninterrupted)
    steps = [r["step"] for r in run.metrics()]
    assert steps == [1, 2, 3, 4], "every step once"


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Up to rounding, which SGD passes on as it is (Adam enlarges it where gradients are tiny)."""
    config = small(tmp_path, opt="sgd", lr=0.03, net_clip=0.0, epochs=1)
    start = weights(Trainer(config).ghn)
    alone = weights(Trainer(config).fit())
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = subprocess.run(
        command(config, *launcher), env=environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = weights(GHN.load(tmp_path / "run" / "last.pt"))
    assert not equal(start, found)
    torch.testing.assert_close(found, alone, rtol=1e-5, atol=1e-5)
    moved = max((alone[k] - start[k]).abs().max() for k in start)
    assert moved > 1e-3, "rounding is small against what training changes"


@pytest.mark.parametrize(
    "fields", [{"hypernet": "graphormer", "heads": 2, "layers": 1}, {"amp": True}]
)
def test_other_settings(fields: dict[str, Any]) -> None:
    trainer = Trainer(small(epochs=1, **fields))
    assert trainer.ghn.config.hypernet == fields.get("hypernet", "gatedgnn")
    assert all(v.isfinite().all() for v in weights(trainer.fit()).values())


def test_noise_is_added_to_a_trained_hypernetwork(tiny, tmp_path: Path) -> None:
    before = tiny(max_shape=(8, 8, 3, 3), dataset="digits")
    start = str(before.save(tmp_path / "start.pt"))
    ghn = Trainer(small(ckpt=start, noise=4)).ghn
    assert ghn.config.noise == 4 and ghn.noise is not None
    kept = {n: v for n, v in weights(ghn).items() if n != "noise.weight"}
    assert equal(kept, weights(before))
    assert equal(weights(Trainer(small(ckpt=start, noise=4)).ghn), weights(ghn))
    noisy = str(ghn.save(tmp_path / "noisy.pt"))
    assert equal(weights(Trainer(small(ckpt=noisy)).ghn), weights(ghn)), "stays"
    assert equal(weights(Trainer(small(ckpt=noisy, noise=4)).ghn), weights(ghn))
    with pytest.raises(ValueError, match="has noise of width 4, not 8"):
        Trainer(small(ckpt=noisy, noise=8))


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(ValueError, match="fp16 needs a GPU: use --amp_dtype bf16"):
        Trainer(small(amp=True, amp_dtype="fp16"))


def test_a_scale_that_is_too_large_is_no_failure() -> None:
    """It is halved until the gradient fits, with other networks each time, as float16 needs it."""
    trainer = Trainer(small(epochs=1))
    trainer.scaler = torch.amp.GradScaler("cpu", growth_interval=100)
    trainer.scaler.scale(torch.ones(()))  # makes its tensors
    trainer.scaler.update(2.0**127)
    ghn = trainer.fit()
    assert 1024 <= trainer.scaler.get_scale() < 2.0**127
    assert trainer.failures == 0 and trainer.next_batch > trainer.total
    assert all(p.isfinite().all() for p in ghn.parameters())


def test_a_failed_step_is_repeated_with_other_networks(uninterrupted, monkeypatch) -> None:
    """Losses that are not finite are skipped and counted; the images stay the same."""
    from ghn.training import trainer as module

    real, seen = module.meta_step, []

    def flaky(ghn: GHN, nets: Any, images: Tensor, *args: Any, **options: Any) -> StepResult:
        seen.append((images.sum().item(), [c.C for c, _ in nets]))
        if len(seen) == 2:
            return StepResult(loss=math.nan, accuracy=math.nan, finite=False)
        return real(ghn, nets, images, *args, **options)

    monkeypatch.setattr(module, "meta_step", flaky)
    trainer = Trainer(small(shards=1))
    end = weights(trainer.fit())
    assert len(seen) == 5 and trainer.next_batch >= 5
    assert seen[1][0] == seen[2][0] != seen[3][0]
    assert all(v.isfinite().all() for v in end.values()) and not equal(end, uninterrupted)


@pytest.mark.parametrize("failure", ["nan", "memory", "gradient"])
def test_giving_up(tmp_path: Path, monkeypatch, failure: str) -> None:
    from ghn.training import trainer as module

    def failing(ghn: GHN, *_: Any, **__: Any) -> StepResult:
        if failure == "memory":
            raise torch.OutOfMemoryError("out of memory")
        if failure == "gradient":
            for p in ghn.parameters():
                p.grad = torch.full_like(p, math.nan)
            return StepResult(loss=1.0, accuracy=0.0)
        return StepResult(loss=math.nan, accuracy=math.nan, finite=False)

    config = small(tmp_path)
    trainer = Trainer(config, run=folder(config))
    start = weights(trainer.ghn)
    monkeypatch.setattr(module, "meta_step", failing)
    message = (
        "2 steps of epoch 1 failed .*lower --lr or --max_nodes, or drop --amp.*goes on from it"
    )
    with pytest.raises(RuntimeError, match=message):
        trainer.fit()
    assert equal(weights(trainer.ghn), start), "no broken update was made"


def test_resume_from_something_else(tmp_path: Path, tiny) -> None:
    config = small(tmp_path)
    path = tmp_path / "other.pt"
    from ghn import save_ghn

    save_ghn(path, tiny())
    with pytest.raises(ValueError, match="holds no training state.*use another --name"):
        Trainer(config, resume_from=path)
    save_checkpoint(path, {"kind": "sweep"})
    with pytest.raises(ValueError, match="kind 'sweep', expected 'ghn'"):
        Trainer(config, resume_from=path)


def test_start_from_a_checkpoint(tmp_path: Path, tiny) -> None:
    from ghn import save_ghn

    channels = Trainer(small()).images.in_channels
    ghn = tiny(in_channels=channels)
    path = save_ghn(tmp_path / "start.pt", ghn)
    assert equal(weights(Trainer(small(ckpt=str(path))).ghn), weights(ghn))
    save_ghn(path, tiny(num_classes=7))
    with pytest.raises(ValueError, match="is for 7 classes, digits has 10"):
        Trainer(small(ckpt=str(path)))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"meta_batch_size": 0}, "meta_batch_size must be at least 1"),
        ({"multigpu": True}, "torchrun --nproc_per_node"),
        ({"max_shape": (1, 2, 3)}, "one, two or four integers"),
        ({"hid": 10}, "multiple of 4"),
        ({"ema": 1.0}, "ema must be a decay from 0 to below 1, got 1.0"),
        ({"net_clip": -1.0}, "net_clip must not be negative, got -1.0"),
        ({"normfree": 1.5}, "normfree must be a probability, got 1.5"),
    ],
)
def test_settings_that_cannot_work(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**fields).ghn_config(num_classes=10, in_channels=3)


def test_unknown_data_set() -> None:
    with pytest.raises(ValueError, match="mnits"):
        Trainer(small(dataset="mnits"))
