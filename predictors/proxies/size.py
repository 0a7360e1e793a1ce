"""Proxies that need no data: parameters, multiply-adds, norm of the weights."""

from __future__ import annotations

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.training.costs import count_parameters
from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import proxy

__all__ = ["flops", "l2_norm", "params"]


@proxy("params", "number of parameters")
def params(probe: ProxyProbe) -> float:
    """Count the parameters, in millions."""
    return count_parameters(probe.model) / 1e6


@proxy("flops", "multiply-adds")
def flops(probe: ProxyProbe) -> float:
    """Count the multiply-adds of one image, in millions.

    Those of convolutions and matrix products (attention included); masked layers count as the dense
    ones that they run.
    """
    # two images: normalisation that always takes the batch's statistics refuses one
    images = probe.images.new_zeros((2, *probe.images.shape[1:]))
    count = multiply_adds(lambda: probe.forward(probe.parameters(), images, training=False))
    return count / (len(images) * 1e6)


@proxy("l2_norm", "NAS-Bench-Suite-Zero, arXiv:2210.03230")
def l2_norm(probe: ProxyProbe) -> float:
    """Sum the Euclidean norm of the weight over layers."""
    return float(sum(w.detach().double().norm() for w in probe.weights.values()))
