"""Accuracy and loss of a network whose parameters a graph hypernetwork predicted."""

from __future__ import annotations

import torch.nn.functional as F

from predictors.proxies.probe import Probe
from predictors.proxies.registry import proxy

__all__ = ["ghn_acc", "ghn_loss"]


@proxy("ghn_acc", "zero-shot accuracy of GHN-2, arXiv:2110.13100", needs_ghn=True)
def ghn_acc(probe: Probe) -> float:
    """Top-1 accuracy in percent with predicted parameters, normalising by batch."""
    logits, labels = probe.predicted, probe.test[1]
    right = (logits.argmax(1) == labels) & logits.isfinite().all(1)
    return 100 * float(right.double().mean())


@proxy("ghn_loss", "zero-shot loss of GHN-2, arXiv:2110.13100", needs_ghn=True)
def ghn_loss(probe: Probe) -> float:
    """Cross-entropy with predicted parameters, normalising by batch: finer than the accuracy."""
    return float(F.cross_entropy(probe.predicted.double(), probe.test[1]))
