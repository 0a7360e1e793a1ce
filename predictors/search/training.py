"""Evaluation by training: the networks of a grammar, as a table of ground truth trains its own."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph.graph import structural_hash
from graph2nn.deepnets import NetConfig, build_graph
from graph2nn.deepnets.campaign import GroundTruthSettings, NetEntry, train_group
from graph2nn.runs import parallel_map
from graph2nn.runs.job_results import read_job, write_job

__all__ = ["TrainedNetworks"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    path: Path
    config: NetConfig
    settings: GroundTruthSettings
    seed: int
    data_dir: str | None
    device: str


class TrainedNetworks:
    """Trains DeepNets-1M networks with the common trainer and remembers every result.

    A network leaves a file with its result, whole or not at all, so a search that was stopped
    trains no network twice, and searches that share the folder share results.

    Args:
        grammar: of the words.
        settings: images and recipe, those of a table; results compare with its labels.
        folder: of the results.
        data_dir: of the images.
        device: of training.
        jobs, backend: processes, and joblib's way to run them (`parallel_map`).
        seed: of training when called.

    Example:
        >>> evaluate = TrainedNetworks(grammar, find_table("deepnets_digits"), "runs/nets")
        ... # doctest: +SKIP
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
        self.grammar, self.settings, self.folder = grammar, settings, Path(folder)
        self.data_dir, self.device, self.jobs, self.backend = data_dir, device, jobs, backend
        self.seed = seed

    def __call__(self, words: Sequence[str]) -> list[float]:
        """Validation accuracy of each network in percent; NaN where it diverged."""
        values = [result["curves"]["val_acc"][-1] for result in self.results(words, self.seed)]
        return [math.nan if value is None else value for value in values]

    def results(self, words: Sequence[str], seed: int) -> list[dict[str, Any]]:
        """What training gave, as `train_group` says."""
        jobs = [
            _Job(
                path=self.folder
                / f"{hashlib.sha256(word.encode()).hexdigest()[:20]}_s{seed}.jsonl",
                config=self.grammar.decode(word),
                settings=self.settings,
                seed=seed,
                data_dir=self.data_dir,
                device=self.device,
            )
            for word in words
        ]
        return list(
            parallel_map(
                _trained, jobs, jobs=self.jobs, backend=self.backend, progress=False, batch_size=1
            )
        )


def _trained(job: _Job) -> dict[str, Any]:
    key = structural_hash(build_graph(job.config))
    if job.path.is_file():
        stored = read_job(job.path)[0]
        if stored["key"] == key:
            return stored
    entry = NetEntry(config=job.config, source="search", index=0, key=key)
    found = train_group([entry], job.settings, job.seed, data_dir=job.data_dir, device=job.device)[
        0
    ]
    result = {"key": key, "seed": job.seed, **found}
    job.path.parent.mkdir(parents=True, exist_ok=True)
    write_job(job.path, entry.name, [result])
    return result
