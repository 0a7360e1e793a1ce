"""SynFlow: how much signal of all-positive weights flows through every weight, without data."""

from __future__ import annotations

import math

import torch
from torch import nn

from graph2nn.training.saliency import NORMS, positive, signal_flow
from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import proxy

__all__ = ["synflow"]


@proxy("synflow", "SynFlow, arXiv:2006.05467, as in arXiv:2101.08134")
def synflow(probe: ProxyProbe) -> float:
    """Compute the logarithm of the sum of |w ∂R/∂w|.

    R is the sum of the logits of an image of ones under |w|. Normalisation is left out, as in
    arXiv:2101.08134: with it the signal would not grow with depth and width. Double precision holds
    the values of deep networks; the logarithm is what published tables have.

    Scores of attention grow with the square of a signal that nothing normalises: deep networks with
    attention may overflow even so.

    Raises:
        ValueError: No signal reaches the output, or it overflows.
    """
    values = positive(probe.parameters(torch.float64))
    leaves = [values[name].requires_grad_() for name in probe.weights]
    values |= probe.buffers(torch.float64)
    terms = signal_flow(probe, values, leaves, probe.images.shape[1:], bypass=_normalises, copies=2)
    flow = float(sum(term.sum() for term in terms))
    if not 0 < flow < math.inf:
        raise ValueError(f"the flow is {flow:g}: no path to the output, or one beyond float64")
    return math.log(flow)


def _normalises(module: nn.Module) -> bool:
    return isinstance(module, NORMS)
