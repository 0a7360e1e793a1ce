"""Evaluation by training: the networks of a grammar, as a table of ground truth trains its own."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archtokens.grammar import ArchGrammar, DeepNetsSpace
from graph2nn.archgraph.graph import structural_hash
from graph2nn.deepnets import build_graph
from graph2nn.ground_truth import GroundTruthSettings, NetEntry, train_group
from graph2nn.runs.campaign import Job, Row, read_job, read_or_set_aside, run_campaign

__all__ = ["TrainedNetworks"]


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A network to train, and how."""

    entry: NetEntry
    settings: GroundTruthSettings
    seed: int
    data_dir: str | None
    device: str


class TrainedNetworks:
    """Evaluation by training DeepNets-1M networks, which remembers every result.

    A network leaves a file with its result, whole or not at all, so a search that was stopped
    trains no network twice, and searches that share the folder share results.

    Args:
        grammar: Grammar of the words.
        settings: Images and recipe, those of a table; results compare with its labels.
        folder: Folder of the results.
        data_dir: Folder of the images.
        device: Device of training.
        jobs, backend: Number of processes, and joblib's way to run them (`parallel_map`).
        seed: Seed of training when called.

    Raises:
        ValueError: A grammar of another space, or of networks for other images.

    Examples:
        >>> from archtokens import ArchGrammar
        >>> from graph2nn.ground_truth import find_table
        >>> small = {"cells": (4, 4), "widths": (8,), "fc_dims": (32,)}
        >>> grammar = ArchGrammar("deepnets", image_size=8, **small)
        >>> from dataclasses import replace
        >>> settings = find_table("deepnets_digits")
        >>> settings = replace(settings, recipe=replace(settings.recipe, epochs=1))
        >>> evaluate = TrainedNetworks(grammar, settings, "runs/nets")
        >>> word = grammar.to_string(grammar.sample(1, seed=0)[0])
        >>> 0 <= evaluate([word])[0] <= 100
        True
    """

    def __init__(
        self,
        grammar: ArchGrammar,
        settings: GroundTruthSettings,
        folder: str | Path,
        *,
        data_dir: str | None = None,
        device: str = "cpu",
        jobs: int = 1,
        backend: str | None = None,
        seed: int = 0,
    ) -> None:
        _check_grammar(grammar, settings)
        self.grammar, self.settings, self.folder = grammar, settings, Path(folder)
        self.data_dir, self.device, self.jobs, self.backend = data_dir, device, jobs, backend
        self.seed = seed

    def __call__(self, words: Sequence[str]) -> list[float]:
        """Validation accuracy of each network in percent; NaN where it diverged."""
        values = [result["curves"]["val_acc"][-1] for result in self.results(words, self.seed)]
        return [math.nan if value is None else value for value in values]

    def results(self, words: Sequence[str], seed: int) -> list[dict[str, Any]]:
        """Return what training gave, as `train_group` says.

        Raises:
            RuntimeError: Networks that could not be trained, after all others are done.
        """
        plan = {word: self._job(word, seed) for word in words}
        campaign = run_campaign(
            self.folder, list(plan.values()), jobs=self.jobs, backend=self.backend, progress=False
        )
        campaign.check("networks")
        return [read_job(plan[word].results[0])[0] for word in words]

    def _job(self, word: str, seed: int) -> Job:
        """The training of a network; a result of another network under its name is dropped."""
        config = self.grammar.decode(word)
        key = structural_hash(build_graph(config))
        name = f"{hashlib.sha256(word.encode()).hexdigest()[:20]}_s{seed}"
        path = self.folder / f"{name}.jsonl"
        stored = read_or_set_aside(path, f"{name} is trained again")
        if stored is not None and stored[0]["key"] != key:
            path.unlink()
        entry = NetEntry(net=config, name="search", half="search", key=key)
        task = _Task(
            entry=entry,
            settings=self.settings,
            seed=seed,
            data_dir=self.data_dir,
            device=self.device,
        )
        return Job(name=name, work=_train, payload=task, results=(path,))


def _check_grammar(grammar: ArchGrammar, settings: GroundTruthSettings) -> None:
    """Before anything is trained: are the grammar's networks for the images?"""
    if not isinstance(grammar.space, DeepNetsSpace):
        raise ValueError(
            'TrainedNetworks: trains networks of ArchGrammar("deepnets", ...), got those of '
            f"{grammar!r}"
        )
    images, rules = settings.images, grammar.space.rules
    wanted = {
        "image_size": images.side,
        "in_channels": images.channels,
        "num_classes": images.num_classes,
    }
    other = {name: value for name, value in wanted.items() if getattr(rules, name) != value}
    if other:
        told = ", ".join(f"{name}={value}" for name, value in other.items())
        got = ", ".join(f"{name}={getattr(rules, name)}" for name in other)
        raise ValueError(
            f"TrainedNetworks: expected networks for the images of {settings.name}, got a grammar "
            f'with {got}; use ArchGrammar("deepnets", {told}, ...)'
        )


def _train(task: _Task) -> list[list[Row]]:
    (found,) = train_group(
        [task.entry], task.settings, task.seed, data_dir=task.data_dir, device=task.device
    )
    return [[{"key": task.entry.key, "seed": task.seed, **found}]]
