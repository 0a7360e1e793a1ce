"""BANANAS: an ensemble of perceptrons on the encoding of a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical
from graph2nn.names import check_choice
from predictors.features.attributes import AttributeScaler
from predictors.features.graph_features import GraphFeatures
from predictors.features.path_encoding import AdjacencyEncoding, PathEncoding, labelled_paths
from predictors.neural.base import NeuralPredictor
from predictors.neural.losses import mape

__all__ = ["ENCODINGS", "BANANASPredictor"]

ENCODINGS = ("path", "adjacency", "both")
"""What `BANANASPredictor` can read."""


class BANANASPredictor(NeuralPredictor):
    """An ensemble of multilayer perceptrons on path or adjacency encodings.

    See arXiv:1910.11858, section 5. The spread of the members is the standard deviation.

    `preset="published"`: five networks of ten layers of width 20, Adam with rate .01, batches of
    32, 200 epochs, the relative error from a bound on what can be reached (the paper's MAPE). The
    paper bounds the error of a known data set from below; here the bound lies a quarter of a
    standard deviation above the best training label. `modern`: two layers of width 128, AdamW, rank
    targets, canonical form. Canonical form matters most: without it paths through operations that
    give zeros, or that nothing uses, look like any other.

    Where most training networks share no path with another, as chains of layers do, paths say
    nothing of networks to come: operations by place (block `places` of `GraphFeatures`) are read
    beside them then, but for the published recipe.

    Args:
        encoding: Encoding of a graph: path, adjacency or both.
        max_paths: Largest number of columns of the path encoding.
        canonical: Whether graphs are encoded pruned, contracted and in canonical order; by default
            in the modern recipe only.
        attributes: Patterns of the graphs' attributes to add as columns, such as `zc_*`.
        hidden: Width of the layers.
        layers: Number of hidden layers.
        settings: Settings of `NeuralPredictor`.

    Raises:
        ValueError: On `fit`, an unknown encoding; graphs with too many paths, or larger than those
            of training.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> X = [nb201_cell([k % 5, 2, k % 3, 3, 1, 2]) for k in range(15)]
        >>> BANANASPredictor(epochs=2).fit(X, [float(k) for k in range(15)]).predict_std(X).shape
        (15,)
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "modern": {
            "ensemble": 5,
            "hidden": 128,
            "layers": 2,
            "batch_size": 32,
            "canonical": True,
        },
        "published": {
            "ensemble": 5,
            "hidden": 20,
            "layers": 10,
            "batch_size": 32,
            "lr": 1e-2,
            "weight_decay": 0.0,
            "optimizer": "adam",
            "schedule": "none",
            "dropout": 0.0,
            "loss": "mape",
            "target": "standard",
        },
    }

    def __init__(
        self,
        *,
        encoding: str = "path",
        max_paths: int = 1000,
        canonical: bool | None = None,
        attributes: Sequence[str] = (),
        hidden: int | None = None,
        layers: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.encoding = encoding
        self.max_paths = max_paths
        self.canonical = canonical
        self.attributes = attributes
        self.hidden = hidden
        self.layers = layers

    def _learn(self, graphs: list[ArchGraph]) -> None:
        check_choice("encoding", self.encoding, ENCODINGS)
        super()._learn(graphs)
        forms = self._forms(graphs)
        self.encoders_: list[PathEncoding | AdjacencyEncoding | GraphFeatures] = []
        if self.encoding != "adjacency":
            self.encoders_.append(PathEncoding(self.max_paths).fit(forms))
        if self.encoding == "path" and self.preset != "published" and _strangers(forms):
            self.encoders_.append(GraphFeatures(("places",)).fit(forms))
        if self.encoding != "path":
            self.encoders_.append(AdjacencyEncoding(self.ops_).fit(forms))
        self.scaler_ = AttributeScaler(self.attributes).fit(graphs)
        self.width_ = self._prepare(graphs[:1])["columns"].shape[1]

    def _forms(self, graphs: list[ArchGraph]) -> list[ArchGraph]:
        return [canonical(g) for g in graphs] if self.setting("canonical", False) else graphs

    def _prepare(self, graphs: list[ArchGraph]) -> dict[str, Tensor]:
        forms = self._forms(graphs)
        columns = [encoder.transform(forms) for encoder in self.encoders_]
        table = np.concatenate([*columns, self.scaler_.transform(graphs)], axis=1)
        return {"columns": torch.from_numpy(table).float()}

    def _build(self, num_targets: int) -> nn.Module:
        return Perceptron(
            self.width_,
            hidden=self.setting("hidden"),
            layers=self.setting("layers"),
            outputs=num_targets,
            dropout=self.fit_settings().dropout,
        )

    def _objective(self, name: str, wanted: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        if name == "mape":
            return partial(mape, bound=wanted.max(0).values.to(self.device) + 0.25)
        return super()._objective(name, wanted)


def _strangers(graphs: list[ArchGraph]) -> bool:
    """Whether most graphs share no path with another, as chains, which have one path each."""
    counts = Counter(path for graph in graphs for path in labelled_paths(graph))
    alone = [all(counts[path] == 1 for path in labelled_paths(graph)) for graph in graphs]
    return sum(alone) > len(graphs) / 2


class Perceptron(nn.Module):
    """Hidden layers with ReLU and dropout, and a linear head."""

    def __init__(
        self, channels: int, *, hidden: int, layers: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for width in [channels] + [hidden] * (layers - 1):
            parts += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
        self.body = nn.Sequential(*parts)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Shapes: columns (B, F) -> (B, T)."""
        return self.head(self.body(batch["columns"]))
