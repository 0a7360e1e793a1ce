"""Several processes as one: data-parallel training under `torchrun`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

__all__ = ["Workers", "relaunch"]


@dataclass(frozen=True)
class Workers:
    """The processes of a run and this one's place among them; one process needs no `torchrun`.

    Args:
        rank: Number of this process, 0 first; process 0 writes files and shows progress.
        world: Number of processes.
        device: Device of this process.
    """

    rank: int
    world: int
    device: torch.device

    @classmethod
    def start(cls, device: str | torch.device | None = None) -> Workers:
        """Join the processes that `torchrun` started (NCCL on GPUs, gloo on CPUs), or be alone.

        `device` None means this process's GPU if there is one, else the CPU.

        Raises:
            ValueError: A device that this machine does not have.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(device)
        if device.type == "cuda":
            if not torch.cuda.is_available():
                raise ValueError("device 'cuda' was asked for, but torch finds no GPU: use cpu")
            device = torch.device("cuda", local if device.index is None else device.index)
            _check_gpu(device)
            torch.cuda.set_device(device)
        if world > 1 and not dist.is_initialized():
            gpu = device if device.type == "cuda" else None  # NCCL guesses it, with a warning
            dist.init_process_group("gloo" if gpu is None else "nccl", device_id=gpu)
        return cls(dist.get_rank() if world > 1 else 0, world, device)

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def stop(self) -> None:
        """Leave the group."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def all_true(self, value: bool) -> bool:
        """Tell whether `value` is true in every process."""
        if self.world == 1:
            return value
        flag = torch.tensor(int(value), device=self.device)
        dist.all_reduce(flag, op=dist.ReduceOp.MIN)
        return bool(flag.item())

    def sum(self, *values: float) -> list[float]:
        """Sum each value over the processes."""
        if self.world == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.tolist()

    def sum_tensor(self, value: Tensor) -> Tensor:
        """Sum a tensor, of the same shape in all of them, over the processes."""
        if self.world == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total

    def share(self, batch: Tensor) -> Tensor:
        """Return this process's share of a batch (B, ...): every `world`-th entry.

        Raises:
            ValueError: A batch that is too small to be shared.
        """
        if self.world == 1:
            return batch
        if len(batch) < self.world:
            raise ValueError(
                f"a batch of {len(batch)} cannot be shared by {self.world} processes: leave out a "
                "smaller last batch, or start fewer"
            )
        return batch[self.rank :: self.world]

    def broadcast(self, module: nn.Module) -> None:
        """Give every process the parameters of the first."""
        if self.world > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                dist.broadcast(tensor.data, src=0)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum `.grad` over the processes, in one message; a missing gradient counts as zero."""
        if self.world == 1:
            return
        parameters = list(parameters)
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        grads: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))


def relaunch(processes: int) -> int:
    """Run this program once more, with its arguments, in several processes that are one run.

    Returns:
        Its exit status.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, f"--nproc_per_node={processes}", *sys.argv]
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    return subprocess.call(command, env={"OMP_NUM_THREADS": threads, **os.environ})


def _check_gpu(device: torch.device) -> None:
    count = torch.cuda.device_count()
    if device.index >= count:
        raise ValueError(
            f"this process is to use {device}, but torch finds {count} GPU{'s'[: count != 1]}: "
            "start a process a GPU at most"
        )
