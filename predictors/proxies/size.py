"""Proxies that need no data: parameters, multiply-adds, norm of the weights."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import proxy

__all__ = ["flops", "l2_norm", "params"]


@proxy("params", "number of parameters")
def params(probe: ProxyProbe) -> float:
    """Parameters, in millions."""
    return sum(p.numel() for p in probe.model.parameters()) / 1e6


@proxy("flops", "multiply-adds")
@torch.no_grad()
def flops(probe: ProxyProbe) -> float:
    """Multiply-adds of one image in convolutions and matrix products (attention included), in
    millions; masked layers count as the dense ones that they run.
    """
    # two images: normalisation that always takes the batch's statistics refuses one
    images = probe.images.new_zeros((2, *probe.images.shape[1:]))
    with FlopCounterMode(display=False) as counter:
        probe.forward(probe.parameters(), images, training=False)
    return counter.get_total_flops() / (2 * 2 * 1e6)  # two operations a multiply-add


@proxy("l2_norm", "NAS-Bench-Suite-Zero, arXiv:2210.03230")
def l2_norm(probe: ProxyProbe) -> float:
    """Sum over layers of the Euclidean norm of the weight."""
    return float(sum(w.detach().double().norm() for w in probe.weights.values()))
