"""Several processes as one: data-parallel training under `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from graph2nn.runs.processes.parents import end_with_parent
from graph2nn.runs.variables import variable

__all__ = ["Workers", "flat_gradient", "set_gradient"]


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
            how = _meeting(world)
            dist.init_process_group("gloo" if gpu is None else "nccl", device_id=gpu, **how)
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

    def any_true(self, value: bool) -> bool:
        """Tell whether `value` is true in some process."""
        return not self.all_true(not value)

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

    def sum_in_order(self, parts: Sequence[Tensor]) -> Tensor:
        """Sum tensors of one shape over the processes, in an order that their number leaves alone.

        Part k of this process stands at place `rank + k * world` of all, and places are summed from
        the first to the last.

        Args:
            parts: Those of this process; every process has equally many.
        """
        total: Tensor | None = None
        for part in parts:
            every = [part]
            if self.world > 1:
                every = [torch.empty_like(part) for _ in range(self.world)]
                dist.all_gather(every, part)
            for one in every:
                total = one.clone() if total is None else total.add_(one)
        assert total is not None
        return total

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sum `.grad` over the processes, in one message; a missing gradient counts as zero."""
        if self.world == 1:
            return
        parameters = list(parameters)
        flat = flat_gradient(parameters)
        dist.all_reduce(flat)
        set_gradient(parameters, flat)


def flat_gradient(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Copy the gradients of parameters, one behind the other; zeros where there is none.

    Shape (n,), the number of all entries.
    """
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    return torch.cat([gradient.flatten() for gradient in found])


def set_gradient(parameters: Iterable[nn.Parameter], flat: Tensor) -> None:
    """Make the parts of a tensor the gradients of parameters, in their order.

    Shape (n,), the number of all entries.
    """
    for p in parameters:
        p.grad, flat = flat[: p.numel()].view_as(p), flat[p.numel() :]


def _meeting(world: int) -> dict[str, Any]:
    """Where the processes of a run find each other, and that they end with who started them."""
    launcher, _, port = (variable("NETWRIGHT_LAUNCHER") or "").partition(":")
    if launcher:  # see `relaunch`
        end_with_parent(int(launcher))
        store = dist.TCPStore("127.0.0.1", int(port), world, is_master=False)
        return {"store": store, "rank": int(os.environ["RANK"]), "world_size": world}
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun leaves them behind if it is killed
        end_with_parent(os.getppid())
    return {}


def _check_gpu(device: torch.device) -> None:
    count = torch.cuda.device_count()
    if device.index >= count:
        raise ValueError(
            f"this process is to use {device}, but torch finds {count} GPU{'s'[: count != 1]}: "
            "start a process a GPU at most"
        )
