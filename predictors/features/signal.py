"""How a signal and its gradient pass through an untrained network, from the graph alone."""

from __future__ import annotations

import numpy as np

from predictors.features.padded import Padded
from predictors.features.space import Columns, Space

__all__ = ["SIGNAL_FEATURES", "signal_block"]

SIGNAL_FEATURES: tuple[str, ...] = (
    "log variance",
    "mean convolutions",
    "mean field growth",
    "mean pooling",
    "mean wide convolutions",
    "log gradient",
    "log gradient over variance",
    "log variance of nodes",
    "log gradient of nodes",
    "log gradient of wide kernels",
    "log gradient of 1x1 kernels",
    "variance",
    "gradient",
)
"""Names of the columns of `signal_block`."""

_WIDE = ("conv_3x3", "mbconv_k3_e3", "mbconv_k5_e6", "sep_conv", "dil_conv", "conv")
_NARROW = ("conv_1x1",)
_RESET = ("bn", "ln")
_MEAN_POOLS = ("avg_pool_3x3", "avg_pool")
_MAX_POOLS = ("max_pool_3x3", "max_pool")
_KEEPS = 0.6  # share of the variance that a 3x3 mean of correlated neighbours leaves
_LARGEST = 1e3


def signal_block(batch: Padded, space: Space) -> Columns:
    """Compute second moments of activations and gradients at initialisation.

    Mean-field rules give them. Paths meet in sums, and their signals are taken as independent, so
    variances add. A convolution carries its normalisation: its output has variance 1 whatever
    enters, and the gradient is divided by the variance that entered. `skip` passes both on; average
    pooling keeps 0.6 of each (cf. arXiv:1611.01232, equation 3, and, on normalisation,
    arXiv:1902.08129). Nothing is trained or run, and no data is read.

    Columns (`SIGNAL_FEATURES`): the output's variance; means over the paths that make it up,
    weighted by variance, of convolutions, growth of the receptive field, pooling and wide
    convolutions; the gradient at the input, also over that variance; means over nodes; sums of
    the gradients that kernels receive. Dead nodes count nowhere.

    Shapes:
        (B, 13).
    """

    def kind(names: tuple[str, ...]) -> np.ndarray:
        return space.member(batch, [[op for op in names if op in space.ops]])[..., 0] & live

    live = batch.live((batch.op >= 0) & ~space.zeros(batch))
    wide, narrow, pools = kind(_WIDE), kind(_NARROW), kind(_MEAN_POOLS)
    resets = wide | narrow | kind(_RESET)
    steps = np.stack([wide | narrow, wide | pools | kind(_MAX_POOLS), pools, wide], axis=1)
    edges = batch.adjacency & live[:, :, None] & live[:, None, :]
    gain = np.where(pools, _KEEPS, 1.0) * live
    start, end = batch.start & live, batch.end & live
    entering, leaving, means = _forward(edges, start, resets, gain, steps.astype(float))
    back = np.where(resets, 1 / np.maximum(entering, 1e-9), gain) * live
    gradient = _backward(edges, end, back)
    inner = live & ~start & ~end
    variance, arriving = _mean(leaving, end), _mean(gradient, start)
    ratio = np.log(arriving / np.maximum(variance, 0.1) + 0.01)
    columns = [np.log(variance + 0.1), *(_mean(means[:, k], end) for k in range(4))]
    columns += [np.log(arriving + 0.01), ratio]
    columns += [_mean(np.log(values + 0.01), inner) for values in (leaving, gradient)]
    columns += [np.log1p((gradient * kernels).sum(1)) for kernels in (wide, narrow)]
    columns += [np.minimum(variance, _LARGEST), np.minimum(arriving, _LARGEST)]
    return list(SIGNAL_FEATURES), np.stack(columns, axis=1)


def _forward(
    edges: np.ndarray, start: np.ndarray, resets: np.ndarray, gain: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance that enters and leaves each node, and means of the counts on the way to it.

    Shapes:
        edges (B, n, n), start, resets, gain (B, n), steps (B, 4, n) -> (B, n), (B, n), (B, 4, n).
    """
    entering = start.astype(float)
    leaving = np.where(start, np.where(resets, 1.0, gain), 0.0)
    means = steps * start[:, None]
    for v in range(1, start.shape[1]):
        weight = leaving[:, :v] * edges[:, :v, v]
        total = weight.sum(1)
        fed = total > 0
        through = np.where(resets[:, v], 1.0, gain[:, v] * total)
        mean = (means[:, :, :v] * weight[:, None]).sum(2) / np.maximum(total, 1e-9)[:, None]
        entering[:, v] = np.where(fed, total, entering[:, v])
        leaving[:, v] = np.where(fed, np.minimum(through, 1e30), leaving[:, v])
        means[:, :, v] = np.where(fed[:, None], mean + steps[:, :, v], means[:, :, v])
    return entering, leaving, means


def _backward(edges: np.ndarray, end: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Squared gradient with respect to what each node gives out. Shapes: (B, n)."""
    gradient = end.astype(float)
    for u in range(end.shape[1] - 2, -1, -1):
        onward = gradient[:, u + 1 :] * gain[:, u + 1 :] * edges[:, u, u + 1 :]
        gradient[:, u] = np.minimum(gradient[:, u] + onward.sum(1), 1e30)
    return gradient


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return (values * where).sum(1) / np.maximum(where.sum(1), 1)
