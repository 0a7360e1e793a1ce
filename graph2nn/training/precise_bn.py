"""Which statistics does batch normalisation use? Those of the present weights, or of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["PreciseStatistics", "precise_bn", "use_batch_statistics"]


class PreciseStatistics:
    """A context in which forward passes are averaged into new normalisation statistics.

    With m and v the mean and variance of each of K training batches, the new mean is E[m] and the
    new variance E[v + m²] - E[m]², which counts the spread between batches too
    ("Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3). The original of
    arXiv:2007.06559 does the same, but for BatchNorm2d only, so that its MLPs keep running
    averages; here every BatchNorm with statistics takes part, 1-d and 3-d too.

    Momentum, training mode and batch counts are as before when the context ends, and after an
    error, or without a single `observe`, the statistics too.

    Args:
        model: Network whose BatchNorm layers take part.
        buffers: Tensors to use instead of the model's buffers, by name, where forward passes are
            functional (stacked networks).

    Examples:
        >>> model = nn.Sequential(nn.BatchNorm1d(2))
        >>> with PreciseStatistics(model) as statistics:
        ...     statistics.observe(lambda: model(torch.tensor([[0.0, 1.0], [2.0, 1.0]])))
        >>> model[0].running_mean
        tensor([1., 1.])
    """

    def __init__(self, model: nn.Module, buffers: Mapping[str, Tensor] | None = None) -> None:
        self._buffers = dict(model.named_buffers()) if buffers is None else buffers
        self._layers = {
            name: layer
            for name, layer in model.named_modules()
            if isinstance(layer, _BatchNorm) and layer.track_running_stats
        }
        self._model = model

    def __enter__(self) -> PreciseStatistics:
        self._modes = [(module, module.training) for module in self._model.modules()]
        self._momenta = {name: layer.momentum for name, layer in self._layers.items()}
        self._before = {n: b.clone() for n, b in self._buffers.items() if self._concerns(n)}
        self._sums = {n: torch.zeros_like(b) for n, b in self._statistics()}
        self._count = 0
        self._model.train()
        for layer in self._layers.values():
            layer.momentum = 1.0
        return self

    @torch.no_grad()
    def observe(self, forward: Callable[[], Any]) -> None:
        """Run `forward`, a pass over one batch, and take down the statistics it leaves."""
        forward()
        self._count += 1
        for name in self._layers:
            mean, var = (self._buffers[_join(name, which)] for which in _STATISTICS)
            self._sums[_join(name, "running_mean")] += mean
            self._sums[_join(name, "running_var")] += var + mean * mean

    @torch.no_grad()
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, value in self._before.items():
            self._buffers[name].copy_(value)
        if kind is None and self._count:
            for name in self._layers:
                mean, square = (self._sums[_join(name, which)] for which in _STATISTICS)
                mean, square = mean / self._count, square / self._count
                self._buffers[_join(name, "running_mean")].copy_(mean)
                self._buffers[_join(name, "running_var")].copy_((square - mean * mean).clamp_(0))
        for name, layer in self._layers.items():
            layer.momentum = self._momenta[name]
        for module, training in self._modes:
            module.training = training

    def _concerns(self, name: str) -> bool:
        owner, _, which = name.rpartition(".")
        return owner in self._layers and which in (*_STATISTICS, "num_batches_tracked")

    def _statistics(self) -> list[tuple[str, Tensor]]:
        names = [_join(name, which) for name in self._layers for which in _STATISTICS]
        return [(name, self._buffers[name]) for name in names]


def precise_bn(model: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Replace the statistics of all BatchNorm layers by averages over `batches`.

    See `PreciseStatistics`. Nothing else changes: no gradient, mode, momentum or batch count.

    Args:
        model: Network, called on each batch in training mode; dropout draws from the global
            generator.
        batches: Inputs, such as images (B, C, H, W); the published number is min(1024 // batch
            size, batches an epoch).

    Returns:
        The model.
    """
    with PreciseStatistics(model) as statistics:
        for images in batches:
            statistics.observe(lambda images=images: model(images))  # type: ignore[misc]
    return model


_STATISTICS = ("running_mean", "running_var")


def _join(owner: str, name: str) -> str:
    return f"{owner}.{name}" if owner else name


def use_batch_statistics(model: nn.Module) -> None:
    """Make every batch normalisation normalise by its batch, whatever mode the network is in."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False
            module.training = True
