"""How well predictions order networks: Kendall, Spearman, precision and regret among the best."""

from __future__ import annotations

import numpy as np

__all__ = ["kendall_tau", "precision_at_k", "regret_at_k", "scores", "spearman"]


def kendall_tau(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Compute Kendall's tau-b of (N,), (N,); 0 where the predictions are constant."""
    from scipy.stats import kendalltau  # takes longer to import than all of a table's reader

    truth, predicted = _pair(truth, predicted)
    return _finite(kendalltau(truth, predicted).statistic)


def spearman(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Compute Spearman's rho of (N,), (N,); 0 where the predictions are constant."""
    from scipy.stats import spearmanr

    truth, predicted = _pair(truth, predicted)
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return _finite(spearmanr(truth, predicted).statistic)


def precision_at_k(truth: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Compute the share of the k networks predicted best that are among the k truly best.

    Higher is better.

    Shapes: (N,), (N,).
    """
    truth, predicted = _pair(truth, predicted)
    best = set(_top(truth, k).tolist())
    return len(best & set(_top(predicted, k).tolist())) / min(k, len(truth))


def regret_at_k(truth: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Compute the regret: best true value minus the best among the k predicted best.

    It is in units of the target.

    Shapes: (N,), (N,).
    """
    truth, predicted = _pair(truth, predicted)
    return float(truth.max() - truth[_top(predicted, k)].max())


def scores(truth: np.ndarray, predicted: np.ndarray, *, k: int = 10) -> dict[str, float]:
    """Compute all scores: `tau`, `rho`, `precision`, `regret`.

    Larger targets must be better. Shapes: (N,), (N,).

    Raises:
        ValueError: Lengths that differ, fewer than two networks, or NaN.
    """
    truth, predicted = _pair(truth, predicted)
    return {
        "tau": kendall_tau(truth, predicted),
        "rho": spearman(truth, predicted),
        "precision": precision_at_k(truth, predicted, k),
        "regret": regret_at_k(truth, predicted, k),
    }


def _pair(truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth = np.asarray(truth, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != predicted.shape or len(truth) < 2:
        raise ValueError(
            f"expected two equally long vectors of at least 2 values, got {truth.shape} and "
            f"{predicted.shape}"
        )
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        raise ValueError("expected finite values, got NaN or infinity; leave such networks out")
    return truth, predicted


def _top(values: np.ndarray, k: int) -> np.ndarray:
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    return np.argsort(-values, kind="stable")[:k]


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
