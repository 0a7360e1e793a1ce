"""`TART`: the token transformer as a predictor, pre-trained or from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from archtokens.batch import TokenBatch
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice
from predictors.checks import check_ops
from predictors.features.operations import read_as_known
from predictors.neural.base import NeuralPredictor
from predictors.neural.loop import FitSettings
from predictors.targets import TargetTransform
from predictors.tart.encoders import find_encoder
from predictors.tart.graph_form import in_form
from predictors.tart.heads import EmbeddingHead
from predictors.tart.model import ModelSettings, TokenTransformer
from predictors.tart.pretraining import PretrainedEncoder, new_model

__all__ = ["HEADS", "TART"]

HEADS = ("both", "net", "gp", "linear")
"""What predicts: the fine-tuned network, a Gaussian process or a ridge regression on the frozen
embedding, or the mean of network and Gaussian process."""

_NODES_SEEN, _LEAST_EPOCHS = 500_000, 10  # of fine-tuning, about
_LARGE = 48  # nodes a graph on average, from which on the network is not fine-tuned by default
_MODEL = ("width", "layers", "heads", "widening", "bias", "readout")


class TART(NeuralPredictor):
    """The token-based architecture transformer (arXiv:2501.02007) on graph tokens.

    Args:
        encoder: Encoder that it starts from. "auto": the shipped encoder of cells where its
            vocabulary covers the training graphs, else one pre-trained on the training graphs;
            "fit": always the latter; "none": random weights; or a checkpoint or a
            `PretrainedEncoder`. With a pre-trained one, tokens, form and sizes are its own.
            Relational graphs are read along the order of their nodes.
        head: One of `HEADS`; those on embeddings need a pre-trained encoder. None: `both`, or `gp`
            for graphs of more than 48 nodes on average, on which fine-tuning is slow and brought
            little.
        form: Form in which graphs are read: canonical, pruned or raw.
        tokens: Preset of the `GraphTokenizer`.
        identifiers: Kind of node identifiers in place of the preset's.
        width, layers, heads, widening, bias, readout: Fields of `ModelSettings`.
        settings: Settings of `NeuralPredictor`.

    Raises:
        ValueError: At `fit`: a setting out of range, or a head that needs an encoder.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> X = [nb201_cell([k % 5, 2, k % 3, 3, 1, 2]) for k in range(15)]
        >>> TART(encoder="none", epochs=2).fit(X, [float(k) for k in range(15)]).predict(X).shape
        (15,)
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "modern": {"epochs": 60, "batch_size": 32, "lr": 3e-4, "weight_decay": 1e-2},
        "scratch": {
            "encoder": "none",
            "epochs": 100,
            "batch_size": 32,
            "loss": "hinge",
            "weight_decay": 1e-2,
        },
        "published": {
            "encoder": "none",
            "form": "raw",
            "tokens": "tart",
            "width": 128,
            "layers": 6,
            "heads": 16,
            "widening": 4,
            "bias": "none",
            "readout": "mean",
            "epochs": 30,
            "batch_size": 6,
            "lr": 1e-4,
            "optimizer": "adam",
            "target": "standard",
        },
    }

    def __init__(
        self,
        *,
        encoder: str | Path | PretrainedEncoder | None = None,
        head: str | None = None,
        form: str | None = None,
        tokens: str | None = None,
        identifiers: str | None = None,
        width: int | None = None,
        layers: int | None = None,
        heads: int | None = None,
        widening: int | None = None,
        bias: str | None = None,
        readout: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.encoder = encoder
        self.head = head
        self.form = form
        self.tokens = tokens
        self.identifiers = identifiers
        self.width = width
        self.layers = layers
        self.heads = heads
        self.widening = widening
        self.bias = bias
        self.readout = readout

    # ---- what is learned ---------------------------------------------------------------------

    def _learn(self, graphs: list[ArchGraph]) -> None:
        super()._learn(graphs)
        choice = self.setting("encoder", "auto")
        self.encoder_ = find_encoder(choice, graphs, seed=self.seed, progress=self.progress)
        if self.encoder_ is None:
            self.tokenizer_ = self._tokenizer()
            self.form_ = self.setting("form", "canonical")
        else:
            self.tokenizer_, self.form_ = self.encoder_.tokenizer, self.encoder_.form
            check_ops(graphs, self.tokenizer_.ops, type(self).__name__)

    def _tokenizer(self) -> GraphTokenizer:
        kind = self.identifiers
        changes: dict[str, Any] = {} if kind is None else {"identifiers": kind}
        if self.setting("bias", "distance") != "none":
            changes["cutoff"] = ModelSettings().cutoff
        return GraphTokenizer.preset(self.setting("tokens", "dag-nodes"), ops=self.ops_, **changes)

    def fit_settings(self) -> FitSettings:
        """Return the settings of the loop in force; `modern` takes fewer epochs on many nodes."""
        settings = super().fit_settings()
        if self.epochs is not None or self.preset != "modern" or not hasattr(self, "nodes_"):
            return settings
        most = max(_LEAST_EPOCHS, _NODES_SEEN // self.nodes_)
        return replace(settings, epochs=min(settings.epochs, most))

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self.nodes_ = sum(graph.num_nodes for graph in graphs)
        self.large_ = self.nodes_ > _LARGE * len(graphs)
        if self._head() in ("both", "net"):
            super()._fit(graphs, targets)
        else:
            self._learn(graphs)
            self.transform_ = TargetTransform(self.fit_settings().target).fit(targets)
            self.modules_, self.scale_ = [], []
        self.probe_ = self._fit_probe(graphs, self.transform_.transform(targets))

    def _head(self) -> str:
        usual = "gp" if getattr(self, "large_", False) else "both"
        head = self.setting("head", usual)
        check_choice("head", head, HEADS)
        if self.setting("encoder", "auto") == "none" and head != "net":
            if self.head is not None:
                raise ValueError(
                    f"head={head!r} reads the embedding of a pre-trained encoder, and "
                    "encoder='none' has none; pass head='net' or another encoder"
                )
            return "net"
        return head

    def _fit_probe(self, graphs: list[ArchGraph], wanted: np.ndarray) -> EmbeddingHead | None:
        if self._head() == "net":
            return None
        assert self.encoder_ is not None
        kind = "linear" if self._head() == "linear" else "gp"
        return EmbeddingHead(kind, self.seed).fit(self.encoder_.embed(graphs), wanted)

    # ---- files -------------------------------------------------------------------------------

    def saved_state(self) -> dict[str, Any]:
        """Return what a file keeps; the tokenizer is the encoder's where there is one."""
        state = super().saved_state()
        if "tokenizer_" in state:
            own = state["encoder_"] is None
            state["tokenizer_"] = self.tokenizer_.state() if own else None
        return state

    @classmethod
    def from_saved_state(cls, state: Mapping[str, Any]) -> TART:
        """Make the predictor whose `saved_state` this is."""
        state = dict(state)
        if "tokenizer_" in state:
            encoder, own = state["encoder_"], state["tokenizer_"]
            state["tokenizer_"] = (
                encoder.tokenizer if own is None else GraphTokenizer.from_state(own)
            )
        made = super().from_saved_state(state)
        assert isinstance(made, TART)
        return made

    # ---- the network -------------------------------------------------------------------------

    def _prepare(self, graphs: list[ArchGraph]) -> TokenBatch:
        return self.tokenizer_(in_form(graphs, self.form_))

    def _select(self, data: TokenBatch, index: Tensor) -> TokenBatch:
        return data.select(index).to(self.device)

    def _augment(self, batch: TokenBatch, generator: torch.Generator) -> TokenBatch:
        """Random identifiers drawn anew; of isomorphic graphs the network gives equal outputs."""
        seed = int(torch.randint(2**31, (), generator=generator))
        return self.tokenizer_.refresh(batch, np.random.default_rng(seed))

    def _build(self, num_targets: int) -> nn.Module:
        module = self._layout(num_targets)
        if self.encoder_ is not None:
            module.encoder.load_state_dict(self.encoder_.model.state_dict())
        return module

    def _layout(self, num_targets: int) -> _Regressor:
        dropout = self.fit_settings().dropout
        if self.encoder_ is None:
            given = {name: self.setting(name) for name in _MODEL}
            sizes = {name: value for name, value in given.items() if value is not None}
            encoder = new_model(self.tokenizer_, ModelSettings(dropout=dropout, **sizes))
        else:
            same = replace(self.encoder_.model.settings, dropout=dropout)
            encoder = new_model(self.tokenizer_, same)
        return _Regressor(encoder, num_targets)

    # ---- predictions -------------------------------------------------------------------------

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        graphs = read_as_known(graphs, self.tokenizer_.ops, type(self).__name__)
        members, spread = self._members(graphs)
        mean = members.mean(0)
        variance = members.var(0, ddof=1) if len(members) > 1 else None
        if spread is not None:
            variance = spread**2 + (0 if variance is None else variance)
        if variance is None:
            return self.transform_.inverse(mean), None
        std = np.sqrt(variance)
        return self.transform_.inverse(mean), self.transform_.inverse_std(mean, std)

    def _members(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions of target ranks: the mean of the networks, and that of the probe.

        Shapes:
            (M, N, T), and the probe's deviation (N, T) where it has one.
        """
        parts, spread = [], None
        if self.modules_:
            nets = self._net_outputs(graphs)
            parts = [nets.mean(0)] if self.probe_ is not None else list(nets)
        if self.probe_ is not None:
            assert self.encoder_ is not None
            mean, spread = self.probe_.predict(self.encoder_.embed(graphs))
            parts.append(mean)
        return np.stack(parts), spread

    def _net_outputs(self, graphs: list[ArchGraph]) -> np.ndarray:
        data, index = self._prepare(graphs), torch.arange(len(graphs))
        members = []
        for module, (slope, offset) in zip(self.modules_, self.scale_):
            members.append(self._outputs(module.to(self.device), data, index) * slope + offset)
            module.cpu()
        return torch.stack(members).double().numpy()


class _Regressor(nn.Module):
    """The transformer and a head of two layers. Shapes: B graphs -> (B, T)."""

    def __init__(self, encoder: TokenTransformer, targets: int) -> None:
        super().__init__()
        d = encoder.settings.width
        self.encoder = encoder
        layers = (nn.LayerNorm(d), nn.Linear(d, d), nn.GELU(), nn.Linear(d, targets))
        self.head = nn.Sequential(*layers)

    def forward(self, tokens: TokenBatch) -> Tensor:
        return self.head(self.encoder(tokens)[0])
