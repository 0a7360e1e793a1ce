"""Losses of predictors: regression, pairs and lists. All take (B, T) outputs and targets.

A squared error on rank targets is `mse` with `target="rank"` of the predictor. Losses of pairs and
lists read the order of the targets, so their outputs have no scale (`SCALE_FREE`); a predictor
matches them to the units of its targets afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from graph2nn.names import check_choice

__all__ = [
    "LOSSES",
    "SCALE_FREE",
    "bpr",
    "diff_kendall",
    "find_loss",
    "hinge",
    "huber",
    "l1",
    "list_mle",
    "mape",
    "mse",
]


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean squared error, (B, T), (B, T) -> ()."""
    return F.mse_loss(outputs, targets)


def l1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean absolute error, (B, T), (B, T) -> ()."""
    return F.l1_loss(outputs, targets)


def huber(outputs: Tensor, targets: Tensor, delta: float = 0.5) -> Tensor:
    """Compute an error that is squared below `delta`, linear above, (B, T), (B, T) -> ()."""
    return F.huber_loss(outputs, targets, delta=delta)


def mape(outputs: Tensor, targets: Tensor, bound: Tensor | float = 1.25) -> Tensor:
    """Compute the error relative to the distance from a bound that targets stay below.

    It is the mean of |(output - bound) / (target - bound) - 1|, which counts errors among the best
    networks most, as BANANAS has it (arXiv:1910.11858, section 5; there errors lie above a bound).

    The default suits rank targets, which end at 1. Distances below .01 count as .01.

    Shapes: (B, T), (B, T) -> ().
    """
    away = (bound - targets).clamp(min=0.01)
    return ((outputs - targets).abs() / away).mean()


def hinge(outputs: Tensor, targets: Tensor, margin: float = 0.1) -> Tensor:
    """Compute the mean hinge of pairs (i, j) with y_i > y_j.

    The hinge is max(0, margin - (f_i - f_j)), as GATES trains (arXiv:2004.01899, section 3.3). Ties
    are left out.

    Shapes: (B, T), (B, T) -> ().
    """
    return _over_pairs(lambda difference: F.relu(margin - difference), outputs, targets)


def bpr(outputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the logistic loss of pairs (i, j) with y_i > y_j.

    It is the mean of log(1 + exp(f_j - f_i)), the Bayesian personalised ranking (arXiv:1205.2618).

    Shapes: (B, T), (B, T) -> ().
    """
    return _over_pairs(lambda difference: F.softplus(-difference), outputs, targets)


def _over_pairs(cost: Callable[[Tensor], Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cost of f_i - f_j over pairs with y_i > y_j, of all targets together; 0 without any."""
    difference = outputs[:, None] - outputs[None]
    better = targets[:, None] > targets[None]
    return (cost(difference) * better).sum() / better.sum().clamp(min=1)


def list_mle(outputs: Tensor, targets: Tensor) -> Tensor:
    """Compute the negative log-likelihood of the true order, best first.

    The model is Plackett and Luce's (Xia et al., ICML 2008); the loss is divided by the length of
    the list and averaged over targets.

    Shapes: (B, T), (B, T) -> ().
    """
    order = targets.argsort(dim=0, descending=True, stable=True)
    scores = outputs.gather(0, order)
    # log of the sum over what is not yet placed: a cumulative sum from the end of the list
    rest = torch.logcumsumexp(scores.flip(0), dim=0).flip(0)
    return (rest - scores).mean()


def diff_kendall(outputs: Tensor, targets: Tensor, sharpness: float = 0.5) -> Tensor:
    """Compute 1 - the soft Kendall tau of ParZC (arXiv:2402.02105, section 3.3).

    It is the mean over pairs of s(f_i - f_j) sign(y_i - y_j) with s(x) = tanh(x / (2 sharpness)),
    the smooth sign. Pairs with tied targets are left out.

    Shapes: (B, T), (B, T) -> ().
    """
    agree = _over_pairs(lambda d: torch.tanh(d / (2 * sharpness)), outputs, targets)
    return 1 - agree


LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "mse": mse,
    "l1": l1,
    "huber": huber,
    "mape": mape,
    "hinge": hinge,
    "bpr": bpr,
    "list_mle": list_mle,
    "diff_kendall": diff_kendall,
}
"""Losses by name."""

SCALE_FREE: Final = frozenset({"hinge", "bpr", "list_mle", "diff_kendall"})
"""Losses that see only the order of the targets."""


def find_loss(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Find the loss of a name, a function (B, T), (B, T) -> ().

    Raises:
        ValueError: An unknown one.
    """
    check_choice("loss", name, LOSSES)
    return LOSSES[name]
