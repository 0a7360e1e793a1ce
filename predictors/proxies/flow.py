"""SynFlow: how much signal of all-positive weights flows through every weight, without data."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from predictors.proxies.probe import NORMS, Probe
from predictors.proxies.registry import proxy

__all__ = ["synflow"]


@proxy("synflow", "SynFlow, arXiv:2006.05467, as in arXiv:2101.08134")
def synflow(probe: Probe) -> float:
    """Logarithm of the sum of |w ∂R/∂w|, R the sum of the logits of an image of ones under |w|.

    Normalisation is left out, as in arXiv:2101.08134: with it the signal would not grow with
    depth and width. Double precision holds the values of deep networks; the logarithm is what
    published tables have.

    Scores of attention grow with the square of a signal that nothing normalises: deep networks with
    attention may overflow even so.

    Raises:
        ValueError: no signal reaches the output, or it overflows.
    """
    own = {**probe.parameters(), **probe.buffers()}
    values = {n: v.detach().double() if v.is_floating_point() else v for n, v in own.items()}
    trainable = {n: values[n].abs().requires_grad_(True) for n, _ in probe.model.named_parameters()}
    weights = list(probe.weights(trainable).values())
    # two equal images: normalisation that always takes the batch's statistics refuses one
    ones = probe.images.new_ones((2, *probe.images.shape[1:]), dtype=torch.float64)
    with probe.hooks(lambda _, module: isinstance(module, NORMS), _bypass):
        total = probe.forward({**values, **trainable}, ones, training=False).sum() / 2
    grads = torch.autograd.grad(total, weights, allow_unused=True)
    # attention weighs values, so its own weights may act against the flow: absolute values
    terms = [(w.detach() * g).abs().sum() for w, g in zip(weights, grads) if g is not None]
    flow = float(sum(terms))
    if not 0 < flow < math.inf:
        raise ValueError(f"the flow is {flow:g}: no path to the output, or one beyond float64")
    return math.log(flow)


def _bypass(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return args[0]
