"""What is a weight worth before training? First and second order of the loss, and signal flow.

SNIP, GraSP and SynFlow as pruning methods and as zero-cost proxies are these numbers, under the
conventions of either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from graph2nn.training.probe import Probe

__all__ = ["NORMS", "first_order", "positive", "second_order", "signal_flow"]

Batch = tuple[Tensor, Tensor]

NORMS = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation
    nn.LayerNorm,
    nn.GroupNorm,
)
"""Layers that normalise."""


def first_order(probe: Probe, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return each scored weight w with the gradient g of the loss.

    |w g| is SNIP's score, arXiv:1810.02340, equation 4-6: the change of the loss by removing a
    weight, to first order. Where the loss does not depend on a weight, g is zero.

    Args:
        probe: Network.
        batch: Images (B, C, H, W) and labels (B,).

    Shapes:
        Two tensors of the weight's shape for each weight.
    """
    values, weights = probe.leaves()
    loss = probe.loss(values, *batch)
    grads = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return [(weight.detach(), gradient) for weight, gradient in zip(weights, grads)]


def second_order(
    probe: Probe,
    batches: Sequence[Batch],
    *,
    leaves: tuple[dict[str, Tensor], list[Tensor]] | None = None,
    temperature: float = 1.0,
    factors: Sequence[float] | None = None,
) -> list[Tensor]:
    """Return w (H g) for each scored weight w, H the Hessian of the loss and g its gradient.

    GraSP's score with its sign turned, arXiv:2002.07376, equation 8: how much gradient norm goes
    with a weight. The loss is the sum of the batches' mean losses times their factors.

    Args:
        probe: Network.
        batches: Images (B, C, H, W) and labels (B,) each, with statistics of their own in
            normalisation; more and smaller ones take less memory, and twice the time of one.
        leaves: Values of `Probe.leaves` to score instead of the network's own.
        temperature: Number that logits are divided by.
        factors: Weight of each batch's mean loss in the sum; None for 1.

    Shapes:
        a tensor of the weight's shape for each weight.
    """
    values, weights = leaves or probe.leaves()
    factors = factors or [1.0] * len(batches)

    def gradient(number: int, create_graph: bool) -> tuple[Tensor, ...]:
        loss = probe.loss(values, *batches[number], temperature)
        loss = loss if factors[number] == 1 else loss * factors[number]
        return torch.autograd.grad(
            loss, weights, create_graph=create_graph, allow_unused=True, materialize_grads=True
        )

    alone = len(batches) == 1
    product = [torch.zeros_like(weight) for weight in weights]
    with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        first = [gradient(number, create_graph=alone) for number in range(len(batches))]
        total = [sum(found).detach() for found in zip(*first)]  # type: ignore[union-attr]
        for number in range(len(batches)):
            found = first[0] if alone else gradient(number, create_graph=True)
            flow = torch.stack([(t * g).sum() for t, g in zip(total, found)]).sum()
            if flow.requires_grad:  # else the loss is linear in the weights
                second = torch.autograd.grad(
                    flow, weights, allow_unused=True, materialize_grads=True
                )
                for into, h in zip(product, second):
                    into += h
    return [weight.detach() * h for weight, h in zip(weights, product)]


def signal_flow(
    probe: Probe,
    values: Mapping[str, Tensor],
    leaves: Sequence[Tensor],
    image_shape: Sequence[int],
    *,
    bypass: Callable[[nn.Module], bool],
    copies: int = 1,
) -> list[Tensor]:
    """Return |w ∂R/∂w|, R the sum of the outputs of an image of ones in evaluation mode.

    SynFlow's score where all values are positive, arXiv:2006.05467, equation 1 and algorithm 1.

    Args:
        probe: Network.
        values: Parameters (and buffers) by name, made of `leaves`; their type is that of the image.
        leaves: Tensors to score, which ask for gradients.
        image_shape: Shape (C, H, W) of an image.
        bypass: Whether a layer passes its input on instead of computing.
        copies: Number of equal images; R is their mean. Normalisation that always takes the
            batch's statistics refuses a single one.

    Shapes:
        a tensor of the leaf's shape for each leaf.
    """
    like = leaves[0]
    ones = torch.ones((copies, *image_shape), dtype=like.dtype, device=like.device)
    with _bypassing(probe.model, bypass):
        total = probe.forward(values, ones, training=False).sum() / copies
    grads = torch.autograd.grad(total, list(leaves), allow_unused=True, materialize_grads=True)
    # attention weighs values, so its own weights may act against the flow: absolute values
    return [(leaf.detach() * gradient).abs() for leaf, gradient in zip(leaves, grads)]


def positive(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return absolute values of what is floating point, and the rest as it is.

    They may be of any shape.
    """
    return {name: v.abs() if v.is_floating_point() else v for name, v in values.items()}


@contextmanager
def _bypassing(model: nn.Module, bypass: Callable[[nn.Module], bool]) -> Iterator[None]:
    with ExitStack() as stack:
        for module in model.modules():
            if bypass(module):
                stack.enter_context(_passing_on(module))
        yield


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
