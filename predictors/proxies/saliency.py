"""Proxies from the gradient of the loss: saliencies of pruning at initialisation, summed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.training.saliency import first_order, second_order
from predictors.proxies.probe import ProxyProbe, is_weight
from predictors.proxies.registry import proxy

__all__ = ["fisher", "grad_norm", "grasp", "plain", "snip", "zico"]


@proxy("grad_norm", "arXiv:2101.08134")
def grad_norm(probe: ProxyProbe) -> float:
    """Sum the Euclidean norm of the weight's gradient over layers."""
    return float(sum(g.double().norm() for _, g in probe.gradients))


@proxy("plain", "arXiv:2101.08134")
def plain(probe: ProxyProbe) -> float:
    """Sum w g over all weights; zero on average at initialisation, a control for `snip`."""
    return float(sum((w * g).double().sum() for w, g in probe.gradients))


@proxy("snip", "SNIP, arXiv:1810.02340")
def snip(probe: ProxyProbe) -> float:
    """Sum |w g|: how much the loss feels the loss of each weight, to first order."""
    return float(sum((w * g).abs().double().sum() for w, g in probe.gradients))


@proxy("grasp", "GraSP, arXiv:2002.07376")
def grasp(probe: ProxyProbe) -> float:
    """Sum -w (H g), H the Hessian of the loss and g its gradient.

    It says how much removing weights changes the flow of gradients. The softmax has temperature 1,
    as for NAS (arXiv:2101.08134; the pruning paper takes 200).
    """
    found = second_order(probe, [(probe.images, probe.labels)])
    return -float(sum(score.double().sum() for score in found))


@proxy("fisher", "Fisher pruning, arXiv:1801.05787, as in arXiv:2101.08134")
def fisher(probe: ProxyProbe) -> float:
    """Sum, over the channels of all layers, the batch mean of (Σ a g)² / 2.

    Here a is the layer's output before normalisation, g the gradient of the loss with respect to
    it, and the inner sum runs over positions. As published for NAS, a channel counts once a weight.
    """
    terms: list[Tensor] = []

    def watch(module: nn.Module, _: Any, output: Any) -> None:
        output = output[0] if isinstance(output, tuple) else output  # attention adds its weights
        a = output.detach().clone()  # what follows may write into the output
        per_channel = _fan_in(module)

        def collect(g: Tensor) -> None:
            sums = _over_positions(module, a * g.detach()).double()  # (B, C)
            terms.append(per_channel * sums.square().mean(0).sum() / 2)

        output.register_hook(collect)

    values, weights = probe.leaves()
    with probe.hooks(lambda _, module: _fan_in(module) > 0, watch):
        loss = probe.loss(values, probe.images, probe.labels)
    torch.autograd.grad(loss, weights, allow_unused=True)
    return float(sum(terms))


@proxy("zico", "ZiCo, arXiv:2301.11300")
def zico(probe: ProxyProbe) -> float:
    """Sum, over layers, the logarithm of Σ mean |g| / deviation of g over a weight's gradients.

    They are those of the two halves of the batch, as the official code takes two batches. Weights
    whose gradient does not vary are left out, and so are layers of only such weights.

    Raises:
        ValueError: A single image, or gradients that vary in no layer.
    """
    if len(probe.images) < 2:
        raise ValueError("the gradient varies over two halves of a batch: take a larger batch")
    halves = zip(probe.images.tensor_split(2), probe.labels.tensor_split(2))
    first, second = ([g.double() for _, g in first_order(probe, half)] for half in halves)
    found = []
    for a, b in zip(first, second):
        deviation = (a - b).abs() / 2
        ratio = (a.abs() + b.abs()) / 2 / deviation
        total = float(ratio[deviation > 0].sum())
        found += [math.log(total)] if total > 0 else []
    if not found:
        raise ValueError("the gradients of two halves of the batch are the same")
    return sum(found)


def _fan_in(module: nn.Module) -> int:
    """Weights that make a channel of a layer; 0 for what is no layer."""
    own = module.named_parameters(recurse=False)
    return max((p[0].numel() for name, p in own if is_weight(name, p)), default=0)


def _over_positions(module: nn.Module, values: Tensor) -> Tensor:
    """Sums over positions. Shapes: (B, C, ...) of convolutions, else (B, ..., C), -> (B, C)."""
    if values.dim() == 2:
        return values
    if isinstance(module, nn.modules.conv._ConvNd):
        return values.flatten(2).sum(2)
    return values.flatten(1, -2).sum(1)
