"""Random masks: uniform over all weights, or with the layer densities of Erdős-Rényi graphs."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from graph2nn.sparsity.networks.pruning.allocation import (
    erdos_renyi_densities,
    largest_remainder,
    published_er_densities,
)
from graph2nn.sparsity.networks.pruning.batches import PruningProbe
from graph2nn.sparsity.networks.pruning.registry import PRUNERS, Goal, Pruner, pruner
from graph2nn.sparsity.networks.pruning.selection import best

__all__ = ["er", "erk", "uniform"]


def _uniform_published(probe: PruningProbe, goal: Goal) -> dict[str, Tensor]:
    """Biases of the layers are in the pool, so the density of the weights is off by chance."""
    pool: list[tuple[str, int]] = []
    biases = probe.biases()
    for name, weight in probe.weights.items():
        pool.append((name, weight.numel()))
        if name in biases:
            pool.append((biases[name], probe.model.get_parameter(biases[name]).numel()))
    count = sum(size for _, size in pool)
    draws = torch.rand(count, generator=probe.generator())
    kept = torch.ones(count, dtype=torch.bool)
    kept[draws.topk(round(goal.sparsity * count)).indices] = False
    parts = dict(zip((name for name, _ in pool), kept.split([size for _, size in pool])))
    return {name: parts[name].view(shape) for name, shape in goal.shapes.items()}


@pruner("uniform", "as in arXiv:2305.16886", published=_uniform_published)
def uniform(probe: PruningProbe) -> dict[str, Tensor]:
    """Score weights at random: each is as likely to be kept as any other.

    Scores have the shapes of the weights. With `scope="layer"`, every layer keeps the same
    fraction, the uniform pruning of arXiv:2202.02643.
    """
    generator = probe.generator()
    # in float32, a million draws have ties
    return {
        name: torch.rand(weight.shape, generator=generator, dtype=torch.float64)
        for name, weight in probe.weights.items()
    }


def er(probe: PruningProbe, goal: Goal) -> dict[str, Tensor]:
    """Draw masks with densities in proportion to (inputs + outputs) / (inputs × outputs).

    Masks have the shapes of the weights and are random within a layer. Sparse evolutionary
    training, arXiv:1707.04780; for convolutions channels count, as in arXiv:1911.11134. Layers that
    would be more than full are dense, and the number of weights of each layer is exact. `compat`:
    densities of `published_er_densities`, which are off the goal, and weights drawn one by one.
    """
    if probe.compat:
        return _draw(probe, goal, published_er_densities(goal.shapes, _expected(goal)))
    return _exact(probe, goal, kernel=False)


def erk(probe: PruningProbe, goal: Goal) -> dict[str, Tensor]:
    """Draw masks as `er`, with the sizes of kernels: Erdős-Rényi-kernel of RigL.

    See arXiv:1911.11134, section 3; masks have the shapes of the weights. `compat`: weights are
    drawn one by one, so the density is right on average only.
    """
    if probe.compat:
        return _draw(probe, goal, erdos_renyi_densities(goal.shapes, _expected(goal)))
    return _exact(probe, goal, kernel=True)


def _exact(probe: PruningProbe, goal: Goal, kernel: bool) -> dict[str, Tensor]:
    generator = probe.generator()
    shapes = goal.shapes
    sizes = [prod(shape) for shape in shapes.values()]
    densities = erdos_renyi_densities(shapes, goal.keep, kernel=kernel)
    shares = [density * size for density, size in zip(densities.values(), sizes)]
    masks = {}
    for name, count in zip(shapes, largest_remainder(shares, sizes, goal.keep)):
        draws = torch.rand(prod(shapes[name]), generator=generator, dtype=torch.float64)
        masks[name] = best(draws, count, generator).view(shapes[name])
    return masks


def _draw(probe: PruningProbe, goal: Goal, densities: dict[str, float]) -> dict[str, Tensor]:
    generator = probe.generator()
    shapes = goal.shapes.items()
    return {n: torch.rand(shape, generator=generator) < densities[n] for n, shape in shapes}


def _expected(goal: Goal) -> float:
    return (1 - goal.sparsity) * sum(prod(shape) for shape in goal.shapes.values())


PRUNERS["er"] = Pruner(name="er", source="SET, arXiv:1707.04780", masks=er)
PRUNERS["erk"] = Pruner(name="erk", source="RigL, arXiv:1911.11134", masks=erk)
