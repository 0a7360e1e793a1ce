"""SynFlow: weights that carry signal, found step by step and without data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from graph2nn.sparsity.networks.pruning.batches import image_shape
from graph2nn.sparsity.networks.pruning.probe import Probe
from graph2nn.sparsity.networks.pruning.registry import PRUNERS, Pruner, Target
from graph2nn.sparsity.networks.pruning.selection import best, check_scores

__all__ = ["synflow", "synflow_scores"]

_BY_IMAGE = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_SATURATE = (nn.Hardtanh, nn.Tanh, nn.Softsign)  # ReLU6 is a Hardtanh; gates (Sigmoid) stay


def synflow_scores(
    probe: Probe, *, input_shape: Sequence[int] | None = None, dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """|w ∂R/∂w| of one step, R the sum of the outputs of an image of ones under |w|.

    Args:
        probe: the network; its data, if any, tell the shape of an image.
        input_shape: (C, H, W), without data.
        dtype: None for float64; the signal of deep networks exceeds float32.
    """
    flow = _Flow(probe, list(probe.weights), input_shape, dtype)
    with flow.positive():
        scores = flow.scores().split(flow.sizes)
    return {n: s.view(probe.weights[n].shape) for n, s in zip(flow.names, scores)}


def synflow(
    probe: Probe,
    target: Target,
    *,
    steps: int = 100,
    input_shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """The best by `synflow_scores`, computed anew in each of `steps` steps.

    Algorithm 1 of arXiv:2006.05467: after step k a fraction (1 - sparsity)^(k / steps) is kept.
    Evaluation mode, absolute values of all parameters. Normalisation acts as the scale that is
    stored: running means are left out (their absolute values would be taken off the signal).
    Layers that normalise by the image itself or saturate (ReLU6), and would stop the signal, pass
    it on.
    `compat`: float32; absolute values of running statistics too; the biases of the layers are
    pruned with the weights (a zero bias has score zero and goes first), so that more weights than
    asked for are kept.

    Args:
        probe, input_shape, dtype: as in `synflow_scores`.
        target: what is to be reached.
        steps: of pruning.
    """
    if steps < 1:
        raise ValueError(f"synflow needs at least one step, got steps={steps}")
    names = [name for name in probe.weights if name in target.shapes]
    flow = _Flow(probe, _with_biases(probe, names) if probe.compat else names, input_shape, dtype)
    count = sum(flow.sizes)
    alive = np.arange(count)
    generator = probe.generator()
    with flow.positive():
        for step in tqdm(range(1, steps + 1), desc="synflow", disable=not probe.progress):
            if probe.compat:
                share = 1 - (1 - target.sparsity) ** (1 / steps)
                keep = len(alive) - round(share * len(alive))
            else:
                keep = round(count * (target.keep / count) ** (step / steps))
            if keep < len(alive):
                scores = flow.checked_scores().numpy()[alive]
                alive = alive[best(torch.from_numpy(scores), keep, generator).numpy()]
                flow.keep(alive)
    kept = torch.zeros(count, dtype=torch.bool)
    kept[torch.from_numpy(alive)] = True
    parts = dict(zip(flow.names, kept.split(flow.sizes)))
    return {name: parts[name].view(target.shapes[name]) for name in names}


class _Flow:
    """The network with absolute values; the parameters `names` are pieces of one vector."""

    def __init__(
        self,
        probe: Probe,
        names: list[str],
        input_shape: Sequence[int] | None,
        dtype: torch.dtype | None,
    ) -> None:
        dtype = dtype or (torch.float32 if probe.compat else torch.float64)
        self.probe, self.names = probe, names
        values = {**probe.parameters(dtype), **probe.buffers(dtype)}
        self.values = {name: _positive(value) for name, value in values.items()}
        if not probe.compat:
            self._drop_means()
        self.sizes = [values[name].numel() for name in names]
        self.flat = torch.cat([self.values[name].flatten() for name in names])
        self.flat.requires_grad_()
        shape = _shape(probe, input_shape)
        self.ones = torch.ones((1, *shape), dtype=dtype, device=probe.device)

    def scores(self) -> Tensor:
        """Of the whole vector, on the CPU."""
        pieces = self.flat.split(self.sizes)
        given = {n: p.view(self.values[n].shape) for n, p in zip(self.names, pieces)}
        out = self.probe.forward({**self.values, **given}, self.ones)
        (grad,) = torch.autograd.grad(out.sum(), self.flat)
        return (grad * self.flat.detach()).abs().cpu()

    def checked_scores(self) -> Tensor:
        """
        Raises:
            ValueError: scores beyond the range of numbers.
        """
        scores = self.scores()
        # as published, float32 overflows in the head of Resnet-32 for some steps: it is then kept
        fine = ~scores.isnan() if self.probe.compat else scores.isfinite()
        if not fine.all():
            check_scores(dict(zip(self.names, scores.split(self.sizes))), "scores of synflow")
        return scores

    def keep(self, alive: np.ndarray) -> None:
        """Sets all else to zero."""
        mask = torch.zeros(len(self.flat), dtype=torch.bool)
        mask[torch.from_numpy(alive)] = True
        with torch.no_grad():
            self.flat.masked_fill_(~mask.to(self.flat.device), 0)

    @contextmanager
    def positive(self) -> Iterator[None]:
        """Evaluation mode, and layers that would stop the signal pass it on."""
        self.probe.train(False)
        with ExitStack() as stack:
            for module in self.probe.model.modules():
                if not self.probe.compat and _stops(module):
                    stack.enter_context(_passing_on(module))
            yield

    def _drop_means(self) -> None:
        for name, value in self.values.items():
            if name.endswith("running_mean"):
                value.zero_()


def _positive(value: Tensor) -> Tensor:
    return value.abs() if value.is_floating_point() else value


def _stops(module: nn.Module) -> bool:
    """Whether a layer saturates, or normalises by the image that it sees in evaluation mode too."""
    batch = isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is None
    return batch or isinstance(module, (*_BY_IMAGE, *_SATURATE))


@contextmanager
def _passing_on(module: nn.Module) -> Iterator[None]:
    """The layer returns its input. No hook, for some layers write into their input."""
    own = module.__dict__.pop("forward", None)
    module.__dict__["forward"] = _first
    try:
        yield
    finally:
        del module.__dict__["forward"]
        if own is not None:
            module.__dict__["forward"] = own


def _first(value: Any, *_: Any, **__: Any) -> Any:
    return value


def _with_biases(probe: Probe, names: list[str]) -> list[str]:
    biases = probe.biases()
    return [each for name in names for each in (name, biases.get(name)) if each]


def _shape(probe: Probe, given: Sequence[int] | None) -> tuple[int, ...]:
    shape = tuple(given) if given is not None else image_shape(probe.data)
    if shape is None:
        raise ValueError(
            "synflow needs the shape of an image: pass input_shape=(channels, height, width), or "
            "data that tell it"
        )
    return shape


PRUNERS["synflow"] = Pruner(
    name="synflow", source="SynFlow, arXiv:2006.05467", scores=synflow_scores, masks=synflow
)
