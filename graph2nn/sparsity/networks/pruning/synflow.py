"""SynFlow: weights that carry signal, found step by step and without data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from graph2nn.sparsity.networks.pruning.batches import PruningProbe, image_shape
from graph2nn.sparsity.networks.pruning.registry import PRUNERS, Goal, Pruner
from graph2nn.sparsity.networks.pruning.selection import best, check_scores
from graph2nn.training.saliency import positive, signal_flow

__all__ = ["synflow", "synflow_scores"]

_BY_IMAGE = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_SATURATE = (nn.Hardtanh, nn.Tanh, nn.Softsign)  # ReLU6 is a Hardtanh; gates (Sigmoid) stay


def synflow_scores(
    probe: PruningProbe,
    *,
    input_shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Score weights by |w ∂R/∂w| of one step.

    R is the sum of the outputs of an image of ones under |w|; scores have the shapes of the
    weights.

    Args:
        probe: Network; its data, if any, tell the shape of an image.
        input_shape: Shape (C, H, W) of an image, without data.
        dtype: Type of the numbers, None for float64; the signal of deep networks exceeds float32.
    """
    flow = _Flow(probe, list(probe.weights), input_shape, dtype)
    scores = flow.scores().split(flow.sizes)
    return {n: s.view(probe.weights[n].shape) for n, s in zip(flow.names, scores)}


def synflow(
    probe: PruningProbe,
    goal: Goal,
    *,
    steps: int = 100,
    input_shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Keep the best by `synflow_scores`, computed anew in each of `steps` steps.

    Algorithm 1 of arXiv:2006.05467: after step k a fraction (1 - sparsity)^(k / steps) is kept.
    Evaluation mode, absolute values of all parameters. Normalisation acts as the scale that is
    stored: running means are left out (their absolute values would be taken off the signal). Layers
    that normalise by the image itself or saturate (ReLU6), and would stop the signal, pass it on.
    Masks have the shapes of the weights.

    `compat`: float32; absolute values of running statistics too; the biases of the layers are
    pruned with the weights (a zero bias has score zero and goes first), so that more weights than
    asked for are kept.

    Args:
        probe, input_shape, dtype: Arguments of `synflow_scores`.
        goal: Number of weights to keep, and of which.
        steps: Number of steps of pruning.
    """
    if steps < 1:
        raise ValueError(f"synflow needs at least one step, got steps={steps}")
    names = [name for name in probe.weights if name in goal.shapes]
    flow = _Flow(probe, _with_biases(probe, names) if probe.compat else names, input_shape, dtype)
    count = sum(flow.sizes)
    alive = np.arange(count)
    generator = probe.generator()
    for step in tqdm(range(1, steps + 1), desc="synflow", disable=not probe.progress):
        if probe.compat:
            share = 1 - (1 - goal.sparsity) ** (1 / steps)
            keep = len(alive) - round(share * len(alive))
        else:
            keep = round(count * (goal.keep / count) ** (step / steps))
        if keep < len(alive):
            scores = flow.checked_scores().numpy()[alive]
            alive = alive[best(torch.from_numpy(scores), keep, generator).numpy()]
            flow.keep(alive)
    kept = torch.zeros(count, dtype=torch.bool)
    kept[torch.from_numpy(alive)] = True
    parts = dict(zip(flow.names, kept.split(flow.sizes)))
    return {name: parts[name].view(goal.shapes[name]) for name in names}


class _Flow:
    """The network with absolute values; the parameters `names` are pieces of one vector."""

    def __init__(
        self,
        probe: PruningProbe,
        names: list[str],
        input_shape: Sequence[int] | None,
        dtype: torch.dtype | None,
    ) -> None:
        dtype = dtype or (torch.float32 if probe.compat else torch.float64)
        self.probe, self.names = probe, names
        self.values = positive({**probe.parameters(dtype), **probe.buffers(dtype)})
        if not probe.compat:
            self._drop_means()
        self.sizes = [self.values[name].numel() for name in names]
        self.flat = torch.cat([self.values[name].flatten() for name in names])
        self.flat.requires_grad_()
        self.shape = _shape(probe, input_shape)

    def scores(self) -> Tensor:
        """Of the whole vector, on the CPU."""
        pieces = self.flat.split(self.sizes)
        given = {n: p.view(self.values[n].shape) for n, p in zip(self.names, pieces)}
        values = {**self.values, **given}
        (found,) = signal_flow(self.probe, values, [self.flat], self.shape, bypass=self._passes_on)
        return found.cpu()

    def checked_scores(self) -> Tensor:
        """
        Raises:
            ValueError: Scores beyond the range of numbers.
        """
        scores = self.scores()
        # as published, float32 overflows in the head of Resnet-32 for some steps: it is then kept
        fine = ~scores.isnan() if self.probe.compat else scores.isfinite()
        if not fine.all():
            check_scores(dict(zip(self.names, scores.split(self.sizes))), "scores of synflow")
        return scores

    def keep(self, alive: np.ndarray) -> None:
        """Set all else to zero."""
        mask = torch.zeros(len(self.flat), dtype=torch.bool)
        mask[torch.from_numpy(alive)] = True
        with torch.no_grad():
            self.flat.masked_fill_(~mask.to(self.flat.device), 0)

    def _passes_on(self, module: nn.Module) -> bool:
        """Layers that would stop the signal."""
        return not self.probe.compat and _stops(module)

    def _drop_means(self) -> None:
        for name, value in self.values.items():
            if name.endswith("running_mean"):
                value.zero_()


def _stops(module: nn.Module) -> bool:
    """Whether a layer saturates, or normalises by the image that it sees in evaluation mode too."""
    batch = isinstance(module, nn.modules.batchnorm._NormBase) and module.running_mean is None
    return batch or isinstance(module, (*_BY_IMAGE, *_SATURATE))


def _with_biases(probe: PruningProbe, names: list[str]) -> list[str]:
    biases = probe.biases()
    return [each for name in names for each in (name, biases.get(name)) if each]


def _shape(probe: PruningProbe, given: Sequence[int] | None) -> tuple[int, ...]:
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
