"""Proxies from the Jacobian of the logits with respect to the images."""

from __future__ import annotations

import numpy as np

from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import proxy

__all__ = ["epe_nas", "jacov"]

_K = 1e-5


@proxy("jacov", "NAS without training, arXiv:2006.04647, version 1")
def jacov(probe: ProxyProbe) -> float:
    """Compute how well the Jacobians tell different images apart.

    It is -Σ log(v + k) + 1 / (v + k) over the eigenvalues v of the correlations between the
    Jacobians of different images, k = 1e-5: largest where images are told apart.

    Raises:
        ValueError: An image whose logits do not depend on it, or a single image.
    """
    values = np.linalg.eigvalsh(_correlations(probe.jacobian.double().cpu().numpy()))
    return -float(np.sum(np.log(values + _K) + 1 / (values + _K)))


@proxy("epe_nas", "EPE-NAS, arXiv:2102.08099")
def epe_nas(probe: ProxyProbe) -> float:
    """Compute how the Jacobians of images of one class correlate.

    It is Σ over classes of |Σ log(|c| + k)| over the correlations c between the Jacobians of the
    images of that class, k = 1e-5.

    Raises:
        ValueError: An image whose logits do not depend on it, or no two images of one class.
    """
    jacobian = probe.jacobian.double().cpu().numpy()
    labels = probe.labels.cpu().numpy()
    sizes = {int(c): int((labels == c).sum()) for c in np.unique(labels)}
    if max(sizes.values()) < 2:
        raise ValueError("no two images of the batch share a class: take a larger batch")
    parts = [_correlations(jacobian[labels == c]) for c, size in sizes.items() if size > 1]
    return float(sum(abs(np.log(np.abs(part) + _K).sum()) for part in parts))


def _correlations(rows: np.ndarray) -> np.ndarray:
    """Correlation between rows. Shapes: (B, D) -> (B, B)."""
    if len(rows) < 2:
        raise ValueError("correlations need at least two images: take a larger batch")
    centred = rows - rows.mean(1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise ValueError("the logits do not depend on an image, or their gradient overflows")
    unit = centred / norms
    return unit @ unit.T
