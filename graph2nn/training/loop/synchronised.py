"""How does batch normalisation see a batch that several processes share?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graph2nn.runs.processes import Workers

__all__ = ["synchronised"]


@contextmanager
def synchronised(model: nn.Module, workers: Workers) -> Iterator[None]:
    """Make a context in which layers normalise by the images of all processes while training.

    As `torch.nn.SyncBatchNorm`, but on CPUs, too, and the modules stay what they are: results are
    those of one process on the whole batch, within rounding.

    Args:
        model: Network whose batch normalisation takes part.
        workers: Processes that share each batch; one alone changes nothing.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm)] if workers.world > 1 else []
    for layer in layers:
        layer.forward = partial(_normalised, layer, workers)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _normalised(layer: _BatchNorm, workers: Workers, x: Tensor) -> Tensor:
    if not layer.training:
        return type(layer).forward(layer, x)
    wide, axes = x.float(), [0, *range(2, x.dim())]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    here = wide.new_full((1,), x.numel() / x.shape[1])
    total, count = _summed(torch.cat([wide.sum(axes), here]), workers).split([x.shape[1], 1])
    mean = total / count
    centred = wide - mean.view(shape)
    var = _summed((centred * centred).sum(axes), workers) / count
    _track(layer, mean.detach(), (var * count / (count - 1)).detach())
    scale = (var + layer.eps).rsqrt()
    if layer.weight is not None:
        scale = scale * layer.weight
    out = centred * scale.view(shape)
    if layer.bias is not None:
        out = out + layer.bias.view(shape)
    return out.to(x.dtype)


class _Sum(torch.autograd.Function):
    """Sums over the processes; each one's loss depends on every term."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, workers: Workers) -> Tensor:
        ctx.workers = workers
        return workers.sum_tensor(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.workers.sum_tensor(gradient.contiguous()), None


def _summed(value: Tensor, workers: Workers) -> Tensor:
    return _Sum.apply(value, workers)


@torch.no_grad()
def _track(layer: _BatchNorm, mean: Tensor, var: Tensor) -> None:
    """Move the running statistics as the layer itself would."""
    if not layer.track_running_stats or layer.running_mean is None or layer.running_var is None:
        return
    share = layer.momentum
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if share is None:
            share = 1 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(mean, share or 0.0)
    layer.running_var.lerp_(var, share or 0.0)
