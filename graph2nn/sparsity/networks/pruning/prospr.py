"""ProsPr: weights that the loss feels after some training."""

from __future__ import annotations

import torch
from torch import Tensor

from graph2nn.sparsity.networks.pruning.batches import Batch, PruningProbe, take_batches
from graph2nn.sparsity.networks.pruning.registry import pruner
from graph2nn.sparsity.networks.pruning.selection import keep_ceil

__all__ = ["prospr"]

_Values = dict[str, Tensor]


@pruner("prospr", "ProsPr, arXiv:2202.04341", needs_data=True, rule=keep_ceil)
def prospr(
    probe: PruningProbe,
    *,
    steps: int = 3,
    lr: float = 0.5,
    momentum: float = 0.9,
    batch_size: int = 512,
    first_order: bool = False,
) -> dict[str, Tensor]:
    """Score weights by |∂L/∂m| with masks m = 1 and the loss L after `steps` of SGD.

    Scores have the shapes of the weights. The gradient through training (section 3, equation 5-8)
    is computed backwards step by step, a Hessian-vector product each: v' = μ v + g(w), w' = w - η
    v'. Only the weights of each step are kept, so the memory is that of one step. Every step and
    the final loss see a batch of their own; parameters that ask for no gradient are not trained.
    The published code cuts the gradient through the first step's momentum; `compat` does too.

    Args:
        probe: Network and its data.
        steps: Number of steps of SGD.
        lr, momentum: Learning rate and momentum of SGD.
        batch_size: Number of images a step, where the data are a data set.
        first_order: Whether second derivatives are left out, |w₀ ∂L/∂w_T|.

    Raises:
        ValueError: Options out of range.
    """
    if steps < 0 or lr <= 0 or not 0 <= momentum < 1:
        raise ValueError(
            f"prospr needs steps >= 0, lr > 0 and momentum in [0, 1), got {steps}, {lr}, {momentum}"
        )
    batches = take_batches(probe, steps + 1, batch_size)
    values = {n: p for n, p in probe.parameters().items() if p.is_floating_point()}
    trained = probe.model.named_parameters()
    moving = [n for n, p in trained if n in values and (probe.compat or p.requires_grad)]
    initial, path = values, []
    velocity = {name: torch.zeros_like(values[name]) for name in moving}
    for batch in batches[:-1]:
        path.append(values)
        grads = _gradient(probe, values, batch)
        velocity = {name: v * momentum + grads[name] for name, v in velocity.items()}
        values = {n: w - lr * velocity[n] if n in velocity else w for n, w in values.items()}

    found = _gradient(probe, values, batches[-1])
    if moving and not first_order:
        pull = {name: torch.zeros_like(v) for name, v in velocity.items()}
        for step in reversed(range(1 if probe.compat and momentum else 0, steps)):
            pull = {name: p - lr * found[name] for name, p in pull.items()}
            curved = _hessian_product(probe, path[step], batches[step], pull)
            found = {name: f + curved[name] for name, f in found.items()}
            pull = {name: p * momentum for name, p in pull.items()}
    return probe.named([(initial[name] * found[name]).abs() for name in probe.weights])


def _gradient(probe: PruningProbe, values: _Values, batch: Batch) -> _Values:
    leaves = _leaves(values)
    loss = probe.loss(leaves, *batch)
    grads = torch.autograd.grad(
        loss, list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, grads))


def _hessian_product(probe: PruningProbe, values: _Values, batch: Batch, along: _Values) -> _Values:
    """Derivative of the gradient's product with `along`, with respect to all values."""
    leaves = _leaves(values)
    moving = [leaves[name] for name in along]
    loss = probe.loss(leaves, *batch)
    grads = torch.autograd.grad(
        loss, moving, create_graph=True, allow_unused=True, materialize_grads=True
    )
    product = torch.stack([(g * a).sum() for g, a in zip(grads, along.values())]).sum()
    if not product.requires_grad:  # a loss that is linear in the weights
        return {name: torch.zeros_like(value) for name, value in values.items()}
    second = torch.autograd.grad(
        product, list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(leaves, second))


def _leaves(values: _Values) -> _Values:
    return {name: value.detach().requires_grad_() for name, value in values.items()}
