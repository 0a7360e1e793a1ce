"""Proxies from the maps of features that an untrained network makes of noise: MeCo, AZ-NAS."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import mod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor, nn

from predictors.proxies.probe import ProxyProbe, channels_first
from predictors.proxies.registry import proxy

__all__ = [
    "AZ_NAS",
    "az_expressivity",
    "az_nas",
    "az_progressivity",
    "az_trainability",
    "meco",
]

AZ_NAS = ("az_expressivity", "az_progressivity", "az_trainability", "flops")
"""Proxies whose ranks AZ-NAS adds up."""


@proxy("meco", "MeCo, NeurIPS 2023")
@torch.no_grad()
def meco(probe: ProxyProbe) -> float:
    """Sum, over layers, the least eigenvalue of the correlations between the channels of their map.

    Of one image of noise, in training mode; layers are modules without others inside that give
    maps or tokens. It needs no labels, no gradient and one forward pass. A layer with more
    channels than positions counts nothing, because its correlations are singular.

    Raises:
        ValueError: No layer gives a map.
    """
    found: list[float] = []

    def watch(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() in (3, 4) and output[0].numel():
            found.append(_least_eigenvalue(channels_first(output)[0].flatten(1).double()))

    leaves = {name for name, m in probe.model.named_modules() if not any(m.children())}
    with probe.hooks(lambda name, _: name in leaves, watch):
        probe.forward(probe.parameters(), probe.noise()[:2])
    if not found:
        raise ValueError("the network has no feature map")
    return float(sum(found))


def _least_eigenvalue(rows: Tensor) -> float:
    """Of the correlations between rows; 0 of rows with others that do not vary, or too many."""
    if len(rows) >= rows.shape[1]:
        return 0.0
    correlations = torch.nan_to_num(torch.corrcoef(rows), nan=0.0, posinf=0.0, neginf=0.0)
    return float(torch.linalg.eigvalsh(correlations.reshape(len(rows), -1))[0])


@proxy("az_expressivity", "AZ-NAS, arXiv:2403.19232")
def az_expressivity(probe: ProxyProbe) -> float:
    """Sum, over blocks, how evenly their features of noise spread over directions.

    It is the entropy of the normalised eigenvalues of the covariance of channels, of positions of
    all images. Blocks are the children of the network, and of `nn.Sequential` and lists in it, that
    have layers inside and give maps or tokens; layers with weights where there are none such.

    Raises:
        ValueError: Fewer than two blocks.
    """
    return float(sum(_entropies(probe)))


@proxy("az_progressivity", "AZ-NAS, arXiv:2403.19232")
def az_progressivity(probe: ProxyProbe) -> float:
    """Compute the least growth of expressivity from a block to the next.

    Raises:
        ValueError: Fewer than two blocks.
    """
    return float(np.diff(_entropies(probe)).min())


def _entropies(probe: ProxyProbe) -> list[float]:
    found = []
    for block in probe.blocks:
        rows = channels_first(block.detach()).movedim(1, -1).flatten(0, -2).double()
        rows = rows - rows.mean(0)
        values = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp_min(0)
        share = values / values.sum().clamp_min(1e-300)
        found.append(-float((share * torch.log(share + 1e-8)).sum()))
    return found


@proxy("az_trainability", "AZ-NAS, arXiv:2403.19232")
def az_trainability(probe: ProxyProbe) -> float:
    """Compute how near to 1 the largest singular value of each block's Jacobian is, in the mean.

    It is the mean of 2 - s - 1 / s over blocks, where s is found from signs g drawn at random at
    the block's output and J' g at its input, correlated over positions. Where a block halves the
    map, the positions that become one are channels of its input. Blocks that do not read the one
    before are left out.

    Raises:
        ValueError: Fewer than two blocks, or one that only passes its input on.
    """
    rng, scores = probe.generator(), []
    for before, after in zip(probe.blocks, probe.blocks[1:]):
        signs = torch.empty(after.shape).bernoulli_(0.5, generator=rng).mul_(2).sub_(1)
        signs = signs.to(after)
        (back,) = torch.autograd.grad(after, before, signs, retain_graph=True, allow_unused=True)
        if back is None:
            continue
        if back.shape == signs.shape and bool((back == signs).all()):
            raise ValueError("a block passes its input on unchanged: nothing to train")
        signs = channels_first(signs)
        back = _same_positions(channels_first(back), signs)
        rows, columns = (t.movedim(1, -1).flatten(0, -2).double() for t in (back, signs))
        largest = float(torch.linalg.matrix_norm(rows.T @ columns / len(rows), ord=2))
        scores.append(2 - largest - 1 / (largest + 1e-6))
    if not scores:
        raise ValueError("no block reads the one before it")
    return float(np.mean(scores))


def _same_positions(gradient: Tensor, like: Tensor) -> Tensor:
    """A gradient with the positions of another block. Shapes: (B, C, ...) -> (B, D, ...)."""
    have, want = gradient.shape[2:], like.shape[2:]
    if have == want:
        return gradient
    if len(have) == len(want) == 2:
        steps = {a // b for a, b in zip(have, want)} if not any(map(mod, have, want)) else set()
        if len(steps) == 1:
            return F.pixel_unshuffle(gradient, steps.pop())
        return F.adaptive_avg_pool2d(gradient, want)
    whole = gradient.flatten(1)[..., None].expand(-1, -1, like[0, 0].numel())
    return whole.reshape(len(gradient), -1, *want)


def az_nas(values: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Rank networks among each other as AZ-NAS does: the sum of the logarithms of their ranks.

    So arXiv:2403.19232 adds them up: a network that is bad in one respect is bad. What a proxy
    does not know of a network (NaN) has the lowest rank.

    Args:
        values: What `compute_proxies` or `proxy_attributes` gave of each network, with the proxies
            `AZ_NAS`.

    Shapes:
        (N,), larger is better, 0 at most.

    Raises:
        ValueError: No networks, or a proxy that was not computed.

    Examples:
        >>> rows = [dict.fromkeys(AZ_NAS, 1.0), dict.fromkeys(AZ_NAS, 2.0)]
        >>> az_nas(rows).round(2).tolist()
        [-2.77, 0.0]
    """
    missing = [name for name in AZ_NAS if any(name not in row for row in values)]
    if not len(values) or missing:
        raise ValueError(
            f"az_nas: expected the proxies {', '.join(AZ_NAS)} of each network, got "
            f"{'none of ' + ', '.join(missing) if missing else 'no networks'}"
        )
    total = np.zeros(len(values))
    for name in AZ_NAS:
        column = np.array([row[name] for row in values], dtype=np.float64)
        column[~np.isfinite(column)] = -math.inf
        total += np.log(rankdata(column) / len(values))
    return total
