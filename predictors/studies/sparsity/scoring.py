"""How good are predicted drops: R², Kendall's tau within comparison groups, what noise allows?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictors.metrics import kendall_tau
from predictors.studies.sparsity.task import DropTask

__all__ = [
    "Ceiling",
    "adjusted_r2",
    "bootstrap_error",
    "ceiling",
    "comparison_taus",
    "mean_tau",
    "r_squared",
    "tail_share",
]

_BOOTSTRAPS = 1000
_SIMULATIONS = 50


def r_squared(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Compute 1 - squared error / variance of (N,), (N,); 0 for the mean, below it for worse."""
    return float(1 - ((truth - predicted) ** 2).mean() / truth.var())


def tail_share(task: DropTask, part: float = 0.02) -> float:
    """Compute the share of the drop's variance that the networks with the largest drops hold.

    Where it is near 1, R² tells little but whether these few are found.

    Args:
        task: The networks.
        part: Share of them that counts, at least one network.
    """
    squares = (task.drop - task.drop.mean()) ** 2
    most = np.argsort(task.drop)[-max(1, round(part * len(task.drop))) :]
    return float(squares[most].sum() / squares.sum())


def adjusted_r2(truth: np.ndarray, predicted: np.ndarray, num_features: int) -> float:
    """Compute R² on the data that were learnt from, less what random features would reach.

    Random features are as many as the real ones. Shapes: (N,), (N,).
    """
    free = len(truth) - num_features - 1
    if free < 1:
        raise ValueError(
            f"adjusted R2 needs more networks than features + 1, got {len(truth)} and "
            f"{num_features}"
        )
    return 1 - (1 - r_squared(truth, predicted)) * (len(truth) - 1) / free


def comparison_taus(task: DropTask, predicted: np.ndarray) -> np.ndarray:
    """Compute Kendall's tau of the pruning algorithms in every comparison group.

    A comparison group is a model and data set at a sparsity. Drops and predictions are first
    averaged over seeds. Values of -inf and inf rank last and first; NaN is left out. A group that
    is left with fewer than three algorithms has no tau, NaN.

    Args:
        task: The networks.
        predicted: Drops, or anything that falls as accuracy rises; one a network.

    Shapes:
        predicted (networks,) -> (comparison groups,).
    """
    seeds = np.bincount(task.configuration)
    truth = np.bincount(task.configuration, task.drop) / seeds
    guess = np.zeros(len(seeds))
    np.add.at(guess, task.configuration, predicted)
    guess /= seeds
    group_of = np.zeros(len(seeds), dtype=np.int64)
    group_of[task.configuration] = task.comparison_group
    guess = np.clip(guess, -1e300, 1e300)  # keeps infinities in order
    taus = np.full(task.comparison_group.max() + 1, np.nan)
    for group in range(len(taus)):
        here = (group_of == group) & ~np.isnan(guess)
        if here.sum() > 2:
            taus[group] = kendall_tau(truth[here], guess[here])
    return taus


def mean_tau(task: DropTask, predicted: np.ndarray) -> float:
    """Compute the mean of `comparison_taus`; predictions (networks,)."""
    return float(np.nanmean(comparison_taus(task, predicted)))


def bootstrap_error(values: np.ndarray, *, seed: int = 0) -> float:
    """Compute the standard error of a mean, by drawing values (N,) 1000 times.

    Values are drawn with replacement, NaN left out.
    """
    values = values[~np.isnan(values)]
    rows = np.random.default_rng(seed).integers(len(values), size=(_BOOTSTRAPS, len(values)))
    return float(values[rows].mean(axis=1).std(ddof=1))


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What the luck of training seeds leaves to be predicted.

    Args:
        r2: R² of the true mean of each configuration: 1 - mean variance between its seeds /
            variance of all networks.
        tau: Kendall's tau that a predictor which knows the true means would reach, by simulation:
            the means found are taken for true, and get the noise of a mean over seeds anew.
            Somewhat too high, as noise spreads them already.
        seed_tau: Mean tau between one seed and the mean of the others, for comparison.
    """

    r2: float
    tau: float
    seed_tau: float


def ceiling(task: DropTask, *, seed: int = 0) -> Ceiling:
    """Estimate how well a predictor that knows everything but luck could do.

    It is NaN without repeated seeds.
    """
    configurations = [task.drop[task.configuration == n] for n in np.unique(task.configuration)]
    variances = [np.var(drops, ddof=1) for drops in configurations if len(drops) > 1]
    if not variances:
        return Ceiling(r2=np.nan, tau=np.nan, seed_tau=np.nan)
    return Ceiling(
        r2=float(1 - np.mean(variances) / task.drop.var()),
        tau=_simulated_tau(task, np.random.default_rng(seed)),
        seed_tau=_seed_tau(task),
    )


def _simulated_tau(task: DropTask, rng: np.random.Generator) -> float:
    """Mean tau of means with the means that other seeds might have given."""
    count = np.bincount(task.configuration)
    mean = np.bincount(task.configuration, task.drop) / count
    residual = (task.drop - mean[task.configuration]) ** 2
    taus = []
    for group in range(task.comparison_group.max() + 1):
        here = task.comparison_group == group
        members = np.unique(task.configuration[here])
        free = here.sum() - len(members)
        if len(members) < 3 or free < 1:
            continue
        noise = (residual[here].sum() / free / count[members]) ** 0.5
        for _ in range(_SIMULATIONS):
            again = mean[members] + noise * rng.standard_normal(len(members))
            taus.append(kendall_tau(mean[members], again))
    return float(np.mean(taus)) if taus else np.nan


def _seed_tau(task: DropTask) -> float:
    """Mean over comparison groups and seeds of tau between a seed's drops and the others' means."""
    seeds, taus = task.table["seed"], []
    for group in range(task.comparison_group.max() + 1):
        here = task.comparison_group == group
        for seed in np.unique(seeds[here]):
            one, rest = here & (seeds == seed), here & (seeds != seed)
            others = {
                c: task.drop[rest & (task.configuration == c)].mean()
                for c in np.unique(task.configuration[rest])
            }
            rows = [row for row in np.flatnonzero(one) if task.configuration[row] in others]
            if len(rows) > 2:
                means = np.array([others[task.configuration[row]] for row in rows])
                taus.append(kendall_tau(task.drop[rows], means))
    return float(np.mean(taus)) if taus else np.nan
