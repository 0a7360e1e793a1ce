"""How does a hypernetwork learn to say how accurate networks are, beside their parameters?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ghn.decoding.accuracy import LABELS, AccuracyHead, gaussian_loss
from ghn.model import GHN
from ghn.training.config import TrainConfig
from graph2nn.archgraph import ArchGraph
from graph2nn.runs import Workers

__all__ = [
    "OWN_OFFSET",
    "OWN_SCALE",
    "AccuracyTask",
    "LabelledNetworks",
    "accuracy_task",
]

OWN_OFFSET, OWN_SCALE = 50.0, 25.0
"""Percent: how accuracies under predicted parameters are standardised."""

_TRAINED, _PREDICTED = map(LABELS.index, ("trained", "predicted"))


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledNetworks:
    """Networks whose accuracy is known.

    Args:
        graphs: Graphs of the 15 primitives, as the hypernetwork reads them.
        labels: Label of each, in any unit.

    Shapes:
        labels (n,).

    Raises:
        ValueError: Fewer than two different labels, NaN, or as many labels as not graphs.
    """

    graphs: Sequence[ArchGraph]
    labels: np.ndarray

    def __post_init__(self) -> None:
        values = np.asarray(self.labels, dtype=np.float64)
        object.__setattr__(self, "labels", values)
        if values.shape != (len(self.graphs),):
            raise ValueError(
                f"expected one label a network, got {values.shape} for {len(self.graphs)}"
            )
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            raise ValueError(
                f"labels of {len(values)} networks: expected finite numbers that differ; leave out "
                "networks without a label"
            )


def accuracy_task(
    config: TrainConfig, ghn: GHN, networks: LabelledNetworks | None
) -> AccuracyTask | None:
    """Make the task of a training run; None where it has no labelled networks.

    Raises:
        ValueError: The settings name a table and its networks are not given, or the other way.
    """
    if (networks is None) != (config.accuracy is None):
        raise ValueError(
            f"accuracy={config.accuracy!r}, but labelled networks were "
            f"{'not ' if networks is None else ''}given: the name of a table and its networks "
            "(Trainer(..., labelled=)) go together"
        )
    if networks is None:
        return None
    given = {"weight": config.accuracy_weight, "batch_size": config.accuracy_batch}
    settings: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    return AccuracyTask(ghn, networks, seed=config.seed, **settings)


class AccuracyTask:
    """What a training step learns of accuracies: from labels, and from what the step measured.

    Some labelled networks teach the label `trained`; all networks of the step teach the label
    `predicted`, their accuracy under predicted parameters, which the step has measured anyway. The
    joint training of parameters and accuracy is that of HyperNAS (arXiv:2509.18151, where the
    networks with labels are those whose weights are generated, and there are no own accuracies).
    Which labelled networks a step takes depends on the seed and its number alone.

    Args:
        ghn: Hypernetwork with a head, whose labels are standardised here, in place.
        networks: Labelled networks.
        weight: Weight of the two negative log-likelihoods beside the loss of the images.
        batch_size: Number of labelled networks a step, of all processes together.
        seed: Seed of their choice.

    Raises:
        ValueError: The hypernetwork has no head.
    """

    def __init__(
        self,
        ghn: GHN,
        networks: LabelledNetworks,
        *,
        weight: float = 1.0,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        if ghn.accuracy_head is None:
            raise ValueError("the hypernetwork has no head: call add_accuracy_head(ghn) before")
        self.ghn, self.networks, self.weight, self.seed = ghn, networks, weight, seed
        self.batch_size = min(batch_size, len(networks.graphs))
        labels = networks.labels
        ghn.accuracy_head.standardise(_TRAINED, labels.mean(), labels.std())
        ghn.accuracy_head.standardise(_PREDICTED, OWN_OFFSET, OWN_SCALE)

        self._sum = 0.0
        self._taught: set[int] = set()

    def learn(
        self,
        step: int,
        graphs: Sequence[ArchGraph],
        accuracies: Sequence[float],
        *,
        shard: int = 0,
        shards: int = 1,
        total: int | None = None,
        scale: float = 1.0,
    ) -> None:
        """Add the gradients of a part of a step of the `Trainer`.

        Args:
            step: Number of the step.
            graphs, accuracies, total, scale: Arguments of `add_gradients`.
            shard, shards: Number of the part, and of all parts of the step.
        """
        rows = self.rows(step, rank=shard, world=shards)
        self._sum += self.add_gradients(rows, graphs, accuracies, total=total, scale=scale)
        self._taught.add(step)

    def log_entries(self, workers: Workers) -> dict[str, float]:
        """Return the mean loss since the last call, for the log; called in all processes."""
        mean = workers.sum(self._sum)[0] / max(len(self._taught), 1)
        self._sum, self._taught = 0.0, set()
        return {"accuracy_loss": mean}

    def rows(self, step: int, *, rank: int = 0, world: int = 1) -> np.ndarray:
        """Choose the labelled networks of a step for part `rank` of `world`, (b,)."""
        random = np.random.default_rng((self.seed, step))
        chosen = random.choice(len(self.networks.graphs), self.batch_size, replace=False)
        return chosen[rank::world]

    def add_gradients(
        self,
        rows: np.ndarray,
        graphs: Sequence[ArchGraph] = (),
        accuracies: Sequence[float] = (),
        *,
        total: int | None = None,
        scale: float = 1.0,
    ) -> float:
        """Add the gradient of the task to the hypernetwork's `.grad` and return the loss.

        Args:
            rows: Numbers of labelled networks.
            graphs, accuracies: Networks of the step and their accuracies, in [0, 1].
            total: Number of networks of the step in all processes; None for those here.
            scale: Factor on the loss before differentiating (gradient scaler).

        Shapes:
            rows (b,).
        """
        both = [*(self.networks.graphs[k] for k in rows), *graphs]
        if not both:
            return 0.0
        head = self.ghn.accuracy_head
        assert head is not None  # checked above
        outputs = head(self.ghn.encode(both), [graph.num_nodes for graph in both])
        labels = torch.as_tensor(self.networks.labels[rows]).to(head.offset)
        own = torch.tensor(list(accuracies)).to(head.offset) * 100
        split = len(rows)
        loss = len(rows) / self.batch_size * _loss(head, outputs, slice(0, split), _TRAINED, labels)
        share = len(graphs) / max(total or len(graphs), 1)
        loss = loss + share * _loss(head, outputs, slice(split, None), _PREDICTED, own)
        (self.weight * scale * loss).backward()
        return loss.item()


def _loss(
    head: AccuracyHead, outputs: tuple[Tensor, Tensor], rows: slice, label: int, values: Tensor
) -> Tensor:
    """The negative log-likelihood of one label of some rows; 0 of none. Shapes: values (b,)."""
    if not len(values):
        return outputs[0].sum() * 0
    wanted = (values - head.offset[label]) / head.scale[label]
    mean, log_variance = (output[rows, label] for output in outputs)
    return gaussian_loss(mean, log_variance, wanted)
