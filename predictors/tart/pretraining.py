"""Self-supervised pre-training of the token transformer on unlabelled networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archtokens.batch import NODE, SPECIAL_TOKENS, TokenBatch
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import ArchGraph
from graph2nn.runs import load_checkpoint, save_checkpoint, seeded
from graph2nn.runs.checkpoint import check_format, format_entries
from predictors.neural.loop import LoopSettings, train_module
from predictors.neural.modules import filled_module
from predictors.tart.analytic import analytic_targets
from predictors.tart.graph_form import in_form, without_repeats
from predictors.tart.model import ModelSettings, TokenTransformer

__all__ = ["KIND", "PretrainSettings", "PretrainedEncoder", "pretrain"]

KIND = "tart-encoder"
"""Kind of the checkpoint."""

FORMAT = 1
"""Version of the checkpoint's format; files of before say none."""


@dataclass(frozen=True, kw_only=True)
class PretrainSettings(LoopSettings):
    """How an encoder is pre-trained: the loop with other defaults, and the tasks.

    Args:
        analytic: Weight of the analytic targets (`analytic_targets`).
        masked: Weight of guessing hidden operations; 0 leaves that out.
        share: Share of the operations that are hidden.

    Raises:
        ValueError: A setting out of range, or nothing to learn.
    """

    epochs: int = 40
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 2
    clip: float = 1.0
    analytic: float = 1.0
    masked: float = 0.0
    share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.analytic < 0 or self.masked < 0 or self.analytic + self.masked == 0:
            raise ValueError(
                "analytic, masked: expected weights from 0 up, one of them above 0; got "
                f"{self.analytic} and {self.masked}"
            )
        if not 0 < self.share < 1:
            raise ValueError(f"share: expected a number between 0 and 1, got {self.share}")


class PretrainedEncoder:
    """A pre-trained transformer with the tokenizer it was trained with.

    Args:
        tokenizer: Tokenizer of its tokens.
        model: The transformer.
        form: Form of the graphs, see `in_form`.
        card: Facts on what it was trained on and how.
    """

    def __init__(
        self,
        tokenizer: GraphTokenizer,
        model: TokenTransformer,
        form: str,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.tokenizer, self.model, self.form = tokenizer, model.eval(), form
        self.card = dict(card or {})

    @torch.no_grad()
    def embed(self, graphs: Sequence[ArchGraph], *, size: int = 256) -> np.ndarray:
        """Compute a vector for each graph, (N, d) float32.

        Raises:
            ValueError: An operation outside the vocabulary.
        """
        tokens = self.tokenizer(in_form(graphs, self.form))
        rows = torch.arange(len(tokens)).split(size)
        return torch.cat([self.model(tokens.select(part))[0] for part in rows]).numpy()

    def saved_state(self) -> dict[str, Any]:
        """Return what files keep: sizes, vocabulary, form, tensors of any shape and card."""
        return {
            "settings": asdict(self.model.settings),
            "tokenizer": self.tokenizer.state(),
            "vocabulary": list(self.tokenizer.vocabulary),
            "form": self.form,
            "model": dict(self.model.state_dict()),
            "card": self.card,
        }

    @classmethod
    def from_saved_state(cls, state: Mapping[str, Any]) -> PretrainedEncoder:
        """Make the encoder whose `saved_state` this is.

        Raises:
            ValueError: Another vocabulary than the tokenizer's of today, or tensors that do not fit
                the sizes.
        """
        tokenizer = GraphTokenizer.from_state(state["tokenizer"])
        known = list(tokenizer.vocabulary)
        if state.get("vocabulary", known) != known:  # files of before did not say
            raise ValueError(
                f"an encoder was trained with the vocabulary {state['vocabulary']}, tokens are "
                f"now numbered as {known}: train it again, or use the netwright it was trained with"
            )
        settings = ModelSettings(**state["settings"])
        build = partial(new_model, tokenizer, settings)
        model = filled_module(build, state["model"], "an encoder", layers=settings.layers)
        return cls(tokenizer, model, state["form"], state["card"])

    def save(self, path: str | Path) -> Path:
        """Write a checkpoint that `load` reads."""
        return save_checkpoint(path, {**format_entries(KIND, FORMAT), **self.saved_state()})

    @classmethod
    def load(cls, path: str | Path) -> PretrainedEncoder:
        """Read an encoder from its checkpoint.

        Raises:
            FileNotFoundError: No such file.
            ValueError: Not a checkpoint of an encoder, of another format, or of a vocabulary that
                is numbered otherwise today.
        """
        state = load_checkpoint(path, kind=KIND)
        check_format(path, state, FORMAT)
        try:
            return cls.from_saved_state(state)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"{path} cannot be used: {reason}") from None


def new_model(tokenizer: GraphTokenizer, settings: ModelSettings) -> TokenTransformer:
    """A transformer that reads the tokens of a tokenizer, freshly initialised."""
    return TokenTransformer(
        len(tokenizer.vocabulary), tokenizer.identifier_width, tokenizer.feature_width, settings
    )


def pretrain(
    graphs: Sequence[ArchGraph] | Mapping[str, Sequence[ArchGraph]],
    *,
    tokenizer: GraphTokenizer | None = None,
    model: ModelSettings | None = None,
    settings: PretrainSettings | None = None,
    form: str = "canonical",
    seed: int = 0,
    progress: bool = False,
) -> PretrainedEncoder:
    """Train an encoder to tell analytic properties and hidden operations of networks.

    Graphs that are the same in this form count once. Every space has analytic targets of its own,
    standardised over it, so a mixed batch trains one encoder on all of them.

    Args:
        graphs: Unlabelled networks, or several spaces of them by name.
        tokenizer: Tokenizer of the graphs; None for the preset `dag-nodes`.
        model: Sizes of the transformer; None for the defaults.
        settings: Recipe; None for the defaults.
        form: Form of the graphs, see `in_form`.
        seed: Seed of initialisation, order and masks.
        progress: Whether a bar is shown.

    Raises:
        ValueError: No graphs, or a setting out of range.
    """
    spaces = graphs if isinstance(graphs, Mapping) else {"graphs": graphs}
    settings = settings or PretrainSettings()
    unique = {n: without_repeats(in_form(g, form)) for n, g in spaces.items() if len(g)}
    everything = [graph for part in unique.values() for graph in part]
    if not everything:
        raise ValueError("graphs: expected at least one network to pre-train on, got none")
    tokenizer = (tokenizer or GraphTokenizer.preset("dag-nodes")).fit(everything)
    tokens = tokenizer(everything)
    names, wanted, known = _joined_targets(unique)
    with seeded(seed):
        encoder = new_model(tokenizer, model or ModelSettings())
        task = _Task(encoder, tokenizer, len(names), settings)
        history = train_module(
            task,
            len(everything),
            lambda index, generator: task.loss(
                tokenizer.refresh(tokens.select(index), _numpy(generator)),
                wanted[index],
                known[index],
                generator,
            ),
            settings,
            seed=seed,
            progress=progress and "pre-training",
        )
    card = {
        "networks": {name: len(part) for name, part in unique.items()},
        "settings": asdict(settings),
        "ops": sorted({op for graph in everything for op in graph.op_names()}),
        "targets": len(names),
        "loss": [history[0], history[-1]],
    }
    return PretrainedEncoder(tokenizer, encoder, form, card)


class _Task(nn.Module):
    """The encoder with heads for its tasks; the heads are thrown away afterwards."""

    def __init__(
        self,
        encoder: TokenTransformer,
        tokenizer: GraphTokenizer,
        targets: int,
        settings: PretrainSettings,
    ) -> None:
        super().__init__()
        d = encoder.settings.width
        self.encoder, self.settings, self.tokenizer = encoder, settings, tokenizer
        self.analytic = nn.Linear(d, targets)
        self.guess = nn.Linear(d, len(tokenizer.vocabulary))

    def loss(
        self, tokens: TokenBatch, wanted: Tensor, known: Tensor, generator: torch.Generator
    ) -> Tensor:
        total = torch.zeros(())
        if self.settings.analytic:
            error = (self.analytic(self.encoder(tokens)[0]) - wanted) ** 2
            total = total + self.settings.analytic * (error * known).sum() / known.sum()
        if self.settings.masked:
            total = total + self.settings.masked * self._masked(tokens, generator)
        return total

    def _masked(self, tokens: TokenBatch, generator: torch.Generator) -> Tensor:
        ends = [k for k, op in enumerate(self.tokenizer.vocabulary) if op in ("input", "output")]
        open_ = (tokens.kind == NODE) & ~torch.isin(tokens.token, torch.tensor(ends))
        drawn = torch.rand(open_.shape, generator=generator) < self.settings.share
        hidden = open_ & drawn
        if not hidden.any():
            return torch.zeros(())
        shown = tokens.token.masked_fill(hidden, SPECIAL_TOKENS.index("[mask]"))
        states = self.encoder(replace(tokens, token=shown))[1]
        return F.cross_entropy(self.guess(states[hidden]), tokens.token[hidden])


def _joined_targets(
    spaces: Mapping[str, Sequence[ArchGraph]],
) -> tuple[list[str], Tensor, Tensor]:
    """Targets of all spaces side by side, and which of them a network has."""
    names: list[str] = []
    parts = []
    for space, graphs in spaces.items():
        found, columns = analytic_targets(graphs)
        names += [f"{space}: {name}" for name in found]
        parts.append(torch.from_numpy(columns))
    known = torch.block_diag(*(torch.ones_like(part) for part in parts))
    return names, torch.block_diag(*parts), known


def _numpy(generator: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
