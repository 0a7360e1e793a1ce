"""Training of a hypernetwork: the loop, its failures and its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ghn.checkpoints import check_entries
from ghn.evaluation import evaluate_nets, summarise
from ghn.model import GHN
from ghn.pretrained import ghn_payload, load_ghn
from ghn.training.accuracy import LabelledNetworks, accuracy_task
from ghn.training.average import RunningAverage
from ghn.training.config import TrainConfig
from ghn.training.images import ImageSet, load_image_set
from ghn.training.init import add_accuracy_head, add_noise, unit_gain
from ghn.training.networks import mixed_evaluation_nets, training_nets
from ghn.training.step import StepResult, meta_step, united
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import MetaBatch, MetaBatches
from graph2nn.families import Net
from graph2nn.runs import RunFolder, Workers, load_checkpoint, seeded
from graph2nn.runs.jobs import threads
from graph2nn.runs.processes import flat_gradient, set_gradient, stopping_between_steps
from graph2nn.training import (
    Schedule,
    clip_gradients,
    make_optimizer,
    make_schedule,
    set_learning_rate,
)

__all__ = ["Trainer"]

MAY_DIFFER = (
    "epochs",
    "log_interval",
    "save_every",
    "debug",
    "num_workers",
    "device",
    "processes",
    "resume",
)


class Trainer:
    """Training of a hypernetwork on meta-batches of networks (arXiv:2110.13100, algorithm 1).

    Every random number depends on the seed and the step alone: images and networks through their
    own streams, dropout through the step's number. So a run that was stopped, at any moment, goes
    on from its last checkpoint to the same result as if it had not been, and the networks of a
    meta-batch can be shared by several processes.

    Args:
        config: Settings.
        workers: Processes of the run.
        run: Folder to log to and save in; None trains without files. Given to the first process
            only.
        resume_from: Checkpoint of a stopped run to go on from; given to all processes.
        labelled: Networks of the table that `config.accuracy` names; given to all processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        workers: Workers | None = None,
        run: RunFolder | None = None,
        resume_from: Path | None = None,
        labelled: LabelledNetworks | None = None,
    ) -> None:
        c = self.config = config.resolved()
        w = self.workers = workers or Workers(0, 1, torch.device("cpu"))
        self.run = run
        self.shards = _checked_shards(c, w)
        self.images: ImageSet = load_image_set(c, w)
        self.image_kind = {
            "image_size": self.images.train.data.image_size,
            "num_classes": self.images.num_classes,
            "in_channels": self.images.in_channels,
        }
        self.ghn = self._initial().to(w.device).train()
        self.accuracy = accuracy_task(c, self.ghn, labelled)
        self.steps_per_epoch = len(self.images.train)
        assert c.epochs is not None and c.lr is not None and c.opt is not None
        self.total = c.steps or c.epochs * self.steps_per_epoch
        self.optimizer = make_optimizer(
            self.ghn.parameters(), c.opt, lr=c.lr, weight_decay=c.wd, momentum=c.momentum
        )
        self.schedule = _schedule(c, self.steps_per_epoch)
        self.scaler = torch.amp.GradScaler(
            w.device.type, enabled=self._half is torch.float16, growth_interval=100
        )
        self.step = self.next_batch = self.failures = 0
        self.minutes = 0.0
        self.average = RunningAverage(self.ghn, c.ema) if c.ema else None
        if resume_from is not None:
            self._restore(resume_from)
        if run is not None:
            run.rewind(self.step)
        w.broadcast(self.ghn)

    @property
    def result(self) -> GHN:
        """The hypernetwork to keep: the running average of the weights, if there is one."""
        return self.ghn if self.average is None else self.average.ghn

    def fit(self) -> GHN:
        """Train up to the configured number of epochs and return the hypernetwork.

        Raises:
            RuntimeError: More steps of an epoch failed (loss not finite, or out of memory) than 2
                %.
            Stopped: The program was asked to stop, see `stoppable`; the step is saved.
        """
        start = time.monotonic() - 60 * self.minutes
        nets = self._meta_batches()
        images = self.images.train.endless()
        window = _Window()
        with (
            threads(self.config.threads),
            stopping_between_steps(self.workers) as request,
            tqdm(
                total=self.total, initial=self.step, unit="step", disable=not self._shows_progress
            ) as bar,
        ):
            while self.step < self.total:
                if self.step % self.steps_per_epoch == 0:
                    self.failures = 0
                window.add(self._one_step(nets, *next(images)))
                self.step += 1
                self.minutes = (time.monotonic() - start) / 60
                bar.update()
                self._after_step(window, bar)
                if request.asked():
                    self._save()
                    request.stop(self._kept)
            self._save()
        return self.result

    def _one_step(self, nets: Iterator[MetaBatch], images: Tensor, labels: Tensor) -> StepResult:
        """One optimiser step; after a failure the same images with the next networks."""
        c = self.config
        rate = set_learning_rate(self.optimizer, self.schedule(self.step))
        while True:
            batch = next(nets)
            self.next_batch = batch.index + 1
            result = self._summed_gradients(batch, images, labels)
            if result.finite:
                self.scaler.unscale_(self.optimizer)
                norm = clip_gradients(self.ghn.parameters(), c.grad_clip)
                scale = self.scaler.get_scale()
                if self._update(bool(norm.isfinite())):
                    self.rate = rate
                    if self.average is not None:
                        self.average.update(self.ghn)
                    return result
                if self.scaler.get_scale() < scale:
                    continue  # only the scale of fp16 was too large, and has been lowered
            self._count_failure(result)

    def _summed_gradients(self, batch: MetaBatch, images: Tensor, labels: Tensor) -> StepResult:
        """The gradient of the whole meta-batch in every process, where all losses are finite."""
        several = self.shards // self.workers.world
        seeds = self._dropout_seeds(len(batch))
        nets = list(zip(batch.configs, batch.graphs, strict=True))
        total = int(self.workers.sum(len(batch))[0])
        results: list[StepResult] = []
        parts: list[Tensor] = []
        for own in range(several):
            self.optimizer.zero_grad(set_to_none=True)
            mine = slice(own, None, several)
            results.append(self._gradients(nets[mine], seeds[mine], images, labels, total))
            if not self.workers.all_true(results[-1].finite):
                return replace(results[-1], finite=False)
            shard = self.workers.rank + own * self.workers.world
            self._learn_accuracies(batch.graphs[mine], results[-1], shard, total)
            if self.config.shards is not None:
                parts.append(flat_gradient(self.ghn.parameters()))
        if self.config.shards is None:
            self.workers.sum_gradients(self.ghn.parameters())
        else:
            set_gradient(self.ghn.parameters(), self.workers.sum_in_order(parts))
        return united(results)

    def _gradients(
        self,
        nets: list[tuple[Net, ArchGraph]],
        seeds: list[int],
        images: Tensor,
        labels: Tensor,
        total: int,
    ) -> StepResult:
        c = self.config
        try:
            return meta_step(
                self.ghn,
                nets,
                images,
                labels,
                total=total,
                seeds=seeds,
                label_smoothing=c.label_smooth or 0.0,
                norm_penalty=c.norm_penalty or 0.0,
                diversity=c.diversity,
                net_clip=c.net_clip or 0.0,
                scale=self.scaler.get_scale(),
                amp=self._half,
            )
        except torch.OutOfMemoryError:
            with suppress(RuntimeError):
                torch.cuda.empty_cache()
            return StepResult(loss=math.nan, accuracy=math.nan, finite=False)

    def _learn_accuracies(
        self, graphs: Sequence[ArchGraph], result: StepResult, shard: int, total: int
    ) -> None:
        if self.accuracy is not None:
            self.accuracy.learn(
                self.step,
                graphs,
                result.accuracies,
                shard=shard,
                shards=self.shards,
                total=total,
                scale=self.scaler.get_scale(),
            )

    def _dropout_seeds(self, count: int) -> list[int]:
        """One a network, by its place in the whole meta-batch, whichever process it is in."""
        w = self.workers
        first = (self.config.seed * 1_000_003 + self.step) * 100_003
        return [first + w.rank + k * w.world for k in range(count)]

    def _update(self, finite: bool) -> bool:
        """Step the optimiser unless the gradient is not finite; returns whether it stepped."""
        if not self.scaler.is_enabled():
            if finite:
                self.optimizer.step()
            return finite
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.get_scale() < 1024:
            self.scaler.update(1024.0)
        return finite

    def _count_failure(self, result: StepResult) -> None:
        self.failures += 1
        if self.failures > max(1, self.steps_per_epoch // 50):
            raise RuntimeError(
                f"{self.failures} steps of epoch {self.step // self.steps_per_epoch + 1} failed "
                f"(loss {result.loss}, not finite or out of memory): lower --lr or --max_nodes, or "
                "drop --amp; the last checkpoint is kept and the same command goes on from it"
            )

    def _after_step(self, window: _Window, bar: tqdm) -> None:
        c, run = self.config, self.run
        end = self.step == self.total
        if self.step % c.log_interval == 0 or end:
            loss, accuracy = window.means(self.workers)
            more = {} if self.accuracy is None else self.accuracy.log_entries(self.workers)
            bar.set_postfix(loss=f"{loss:.3f}", top1=f"{100 * accuracy:.1f}%")
            if run is not None:
                run.log(
                    self.step,
                    epoch=self.step / self.steps_per_epoch,
                    loss=loss,
                    train_top1=100 * accuracy,
                    lr=self.rate,
                    failures=self.failures,
                    minutes=self.minutes,
                    **more,
                )
        every = (c.val_every or 0) * self.steps_per_epoch
        if run is not None and every and (self.step % every == 0 or end):
            self._validate(run)
        if self.step % c.save_every == 0:
            self._save()

    def _validate(self, run: RunFolder) -> None:
        results = evaluate_nets(self.result, self._val_nets, self.images.val, progress=False)
        summary = summarise([r.top1 for r in results])
        run.log(self.step, val_top1=summary.mean, val_stderr=summary.stderr)
        run.save_best(summary.mean, self._payload())

    @cached_property
    def _val_nets(self) -> Sequence[tuple[Net, ArchGraph]]:
        c = self.config
        return mixed_evaluation_nets(
            c.families, "val", c.val_nets, small=c.small, **self.image_kind
        )

    def _payload(self) -> dict[str, Any]:
        progress = {
            "step": self.step,
            "next_batch": self.next_batch,
            "failures": self.failures,
            "minutes": self.minutes,
            "images": self.images.train.state_dict(),
        }
        more: dict[str, Any] = {}
        if self.average is not None:
            progress["averaged"] = self.average.steps
            more["weights"] = {n: p.detach() for n, p in self.ghn.state_dict().items()}
        return ghn_payload(
            self.result,
            progress=progress,
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            **more,
        )

    @property
    def _kept(self) -> str:
        return f"step {self.step} is kept in {self.run.path}" if self.run is not None else ""

    def _save(self) -> None:
        if self.run is not None:
            self.run.save_last(self._payload())
        self.workers.barrier()

    def _restore(self, path: Path) -> None:
        content = load_checkpoint(path, kind="ghn")
        check_entries(path, content)
        if "progress" not in content:
            raise ValueError(
                f"{path} holds no training state, so the run cannot go on: use another --name"
            )
        self.ghn.load_state_dict(content.get("weights", content["state_dict"]))
        self.optimizer.load_state_dict(content["optimizer"])
        self.scaler.load_state_dict(content["scaler"])
        progress = content["progress"]
        if self.average is not None:
            self.average.ghn.load_state_dict(content["state_dict"])
            self.average.steps = progress["averaged"]
        self.images.train.load_state_dict(progress["images"])
        self.step, self.next_batch = progress["step"], progress["next_batch"]
        self.failures, self.minutes = progress["failures"], progress["minutes"]

    def _initial(self) -> GHN:
        """The hypernetwork before training, the same for the same seed."""
        c = self.config
        if c.ckpt is not None:
            ghn = load_ghn(c.ckpt)
            if ghn.config.num_classes != self.images.num_classes:
                raise ValueError(
                    f"{c.ckpt} is for {ghn.config.num_classes} classes, "
                    f"{c.dataset} has {self.images.num_classes}"
                )
            ghn.config = replace(ghn.config, dataset=c.dataset, image_size=c.image_size)
            with seeded(c.seed):
                ghn = add_noise(ghn, c.ghn.noise) if c.ghn.noise else ghn
                return ghn if c.accuracy is None else add_accuracy_head(ghn)
        with seeded(c.seed):
            kind = {k: self.image_kind[k] for k in ("num_classes", "in_channels")}
            ghn = GHN(c.ghn_config(**kind))
            if c.init == "unit":
                unit_gain(ghn)
        return ghn

    def _meta_batches(self) -> Iterator[MetaBatch]:
        batches: MetaBatches = training_nets(
            self.config,
            self.workers,
            start=self.next_batch,
            cutoff=self.ghn.config.cutoff,
            **self.image_kind,
        )
        return iter(batches)

    @property
    def _half(self) -> torch.dtype | None:
        c = self.config
        if not c.amp:
            return None
        if c.amp_dtype == "fp16" and self.workers.device.type == "cpu":
            raise ValueError("fp16 needs a GPU: use --amp_dtype bf16 on a CPU")
        return torch.float16 if c.amp_dtype == "fp16" else torch.bfloat16

    @property
    def _shows_progress(self) -> bool:
        return self.workers.first and self.config.debug > 0


def _checked_shards(c: TrainConfig, workers: Workers) -> int:
    """In how many parts the networks of a step are; each process has equally many."""
    shards = c.shards or workers.world
    assert c.meta_batch_size is not None
    if shards % workers.world or shards > c.meta_batch_size:
        raise ValueError(
            f"{c.meta_batch_size} networks a step in {shards} parts cannot be shared by "
            f"{workers.world} processes: --shards must be a multiple of the processes, and at most "
            "--meta_batch_size"
        )
    return shards


def _schedule(c: TrainConfig, steps_per_epoch: int) -> Schedule:
    """By epoch as published; smooth on digits and where the length is given in steps."""
    assert c.epochs is not None and c.lr is not None
    epochs, unit = c.epochs, steps_per_epoch
    if c.steps:
        epochs, unit = 100, max(1, c.steps // 100)
    return make_schedule(
        c.scheduler,
        lr=c.lr,
        epochs=epochs,
        steps_per_epoch=unit,
        milestones=c.lr_steps,
        gamma=c.gamma,
        per_step=c.dataset == "digits" or c.steps is not None,
    )


class _Window:
    """Running means since the last log line."""

    def __init__(self) -> None:
        self.loss = self.accuracy = 0.0
        self.count = 0

    def add(self, result: StepResult) -> None:
        self.loss += result.loss
        self.accuracy += result.accuracy
        self.count += 1

    def means(self, workers: Workers) -> tuple[float, float]:
        """Means over steps and processes; starts a new window."""
        loss, accuracy, count = workers.sum(self.loss, self.accuracy, self.count)
        self.__init__()  # type: ignore[misc]
        return loss / count, accuracy / count
