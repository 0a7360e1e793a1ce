"""How accurate is a network? A head on the states of its nodes gives each label's distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice

__all__ = ["LABELS", "AccuracyEstimate", "AccuracyHead", "estimate", "gaussian_loss"]

LABELS = ("trained", "predicted")
"""What a hypernetwork's own head predicts: the label of the network after training, in the units of
the table that it learned from, and the accuracy under predicted parameters, in percent."""

_TOGETHER = 16  # graphs encoded at a time
_LOG_VARIANCE = (-7.0, 4.0)  # of standardised labels: deviations of .03 to 7.4


class AccuracyEstimate(NamedTuple):
    """Mean and standard deviation of what is expected of networks, in the units of the label.

    Args:
        mean, std: Numbers of one network, or tensors of several.

    Shapes:
        () or (n,) each.
    """

    mean: Tensor | float
    std: Tensor | float


class AccuracyHead(nn.Module):
    """Gaussian distribution of every label of a network, from the states of its nodes.

    The mean of the states, their maximum and a mean with learned weights (attention with one
    query) go through a LayerNorm and two layers. Outputs are those of standardised labels.

    Args:
        hid: Width h of the node states.
        labels: Number T of labels.
        hidden: Width of the hidden layer.
        dropout: Probability of dropout after the hidden layer.

    Attributes:
        offset, scale: Mean and deviation of each label, (T,); see `standardise`.

    Shapes:
        (N, h) states of all nodes of B graphs -> means (B, T), logarithms of variances (B, T).

    Examples:
        >>> mean, log_variance = AccuracyHead(8)(torch.randn(7, 8), [3, 4])
        >>> mean.shape, log_variance.shape
        (torch.Size([2, 2]), torch.Size([2, 2]))
    """

    offset: Tensor
    scale: Tensor

    def __init__(
        self, hid: int, labels: int = len(LABELS), *, hidden: int = 64, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.query = nn.Linear(hid, 1)
        self.norm = nn.LayerNorm(3 * hid)
        self.hidden = nn.Sequential(nn.Linear(3 * hid, hidden), nn.GELU(), nn.Dropout(dropout))
        self.out = nn.Linear(hidden, 2 * labels)
        self.register_buffer("offset", torch.zeros(labels))
        self.register_buffer("scale", torch.ones(labels))

    def forward(self, states: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Read the states (N, h) of graphs of these numbers of nodes; (B, T) means and the like."""
        weights = self.query(states)
        pooled = []
        for x, w in zip(states.split(list(sizes)), weights.split(list(sizes)), strict=True):
            pooled.append(torch.cat((x.mean(0), x.amax(0), (w.softmax(0) * x).sum(0))))
        mean, log_variance = self.out(self.hidden(self.norm(torch.stack(pooled)))).chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    @torch.no_grad()
    def standardise(self, label: int, offset: float, scale: float) -> None:
        """Set the mean and the deviation by which a label is standardised."""
        self.offset[label], self.scale[label] = offset, scale

    def in_units(self, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
        """Convert outputs, (B, T) each, to means and deviations in the units of the labels."""
        std = (0.5 * log_variance).exp()
        return mean * self.scale + self.offset, std * self.scale


def gaussian_loss(mean: Tensor, log_variance: Tensor, wanted: Tensor) -> Tensor:
    """Compute the mean negative log-likelihood of labels, times the predicted deviation.

    The factor, through which no gradient flows, keeps a few surprising labels from deciding the
    gradient once deviations are small (arXiv:2203.09168, beta = 1/2).

    Shapes: of any one shape -> ().
    """
    surprise = (mean - wanted) ** 2 * (-log_variance).exp()
    return (0.5 * (log_variance + surprise) * (0.5 * log_variance).exp().detach()).mean()


class _Estimating(Protocol):
    """What estimating needs of a hypernetwork: its node states and its head."""

    accuracy_head: AccuracyHead | None

    @property
    def training(self) -> bool: ...

    def eval(self) -> Any: ...

    def train(self, mode: bool) -> Any: ...

    def encode(self, graphs: Sequence[ArchGraph]) -> Tensor: ...


def estimate(
    ghn: _Estimating, graphs: Sequence[ArchGraph], label: str = "trained"
) -> tuple[Tensor, Tensor]:
    """Predict means and deviations of one of `LABELS`, in evaluation mode, (n,) each.

    Raises:
        ValueError: No head, no graph, or an unknown label.
    """
    check_choice("parameters", label, LABELS)
    if not graphs:
        raise ValueError("expected at least one network, got an empty list")
    head = ghn.accuracy_head
    if head is None:
        raise ValueError(
            "this hypernetwork has no head for accuracies: train one with "
            "experiments/train_ghn.py --accuracy TABLE, or load one that was"
        )
    was_training = ghn.training
    ghn.eval()
    try:
        starts = range(0, len(graphs), _TOGETHER)
        parts = [graphs[start : start + _TOGETHER] for start in starts]
        found = [head.in_units(*head(ghn.encode(p), [g.num_nodes for g in p])) for p in parts]
    finally:
        ghn.train(was_training)
    column = LABELS.index(label)
    mean, std = (torch.cat([part[k][:, column] for part in found]) for k in (0, 1))
    return mean, std
