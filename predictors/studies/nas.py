"""Which networks of a space are worth training? Rankings, and the training that judges them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ghn.evaluation import evaluate_nets, evaluation_batches
from ghn.finetuning import train
from ghn.pretrained import from_pretrained
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import EndlessNets, NetConfig, split_rules
from graph2nn.families import FAMILIES, Net, build_network
from graph2nn.names import choose
from graph2nn.runs import RunFolder, seeded
from graph2nn.runs.campaign import Job, Row, run_campaign
from graph2nn.runs.campaign.results import read_rows
from graph2nn.runs.config import to_dict
from graph2nn.runs.pages import markdown_table
from graph2nn.runs.summaries import standard_error, with_error
from graph2nn.training import Recipe, count_parameters
from graph2nn.vision import load_images
from predictors.registry import make_predictor
from predictors.tables import load_table

__all__ = ["RANKINGS", "NasSettings", "nas_page", "rank_networks", "run_nas"]

SPACES = ("search", *FAMILIES)
_FIRST = 1000  # number of the first candidate, behind those that evaluations draw


@dataclass(frozen=True, kw_only=True)
class NasSettings:
    """What is searched, how it is ranked, and how the chosen networks are trained.

    Args:
        space: `search`, the split of DeepNets-1M, or a family of `graph2nn.families`.
        candidates: Number of networks to choose from.
        rankings: Names in `RANKINGS`.
        top: Number of networks of each ranking that are trained.
        random: Number of random networks that are trained.
        seeds: Number of seeds of each training.
        ghn: Hypernetwork whose embeddings and parameters rank: name or file.
        table: Labelled networks that predictors learn from.
        dataset, data_dir: Images.
        epochs, batch_size, lr: Recipe, that of the table `deepnets_digits`.

    Raises:
        ValueError: An unknown space or ranking, or a number below 1.
    """

    space: str = "search"
    candidates: int = 300
    rankings: tuple[str, ...] = ("embeddings", "gp-graph", "under-prediction", "size")
    top: int = 5
    random: int = 10
    seeds: int = 2
    ghn: str = "ghn2-digits-mixed"
    table: str = "deepnets_digits"
    dataset: str = "digits"
    data_dir: str | None = None
    epochs: int = 15
    batch_size: int = 32
    lr: float = 0.025

    def __post_init__(self) -> None:
        choose("space", self.space, SPACES)
        for name in self.rankings:
            choose("ranking", name, RANKINGS)
        for name in ("candidates", "top", "random", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.candidates < max(self.top, self.random):
            raise ValueError(
                f"candidates: expected at least {max(self.top, self.random)}, as many as are "
                f"trained, got {self.candidates}"
            )


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Networks to choose from, with their graphs."""

    settings: NasSettings
    nets: Sequence[Net]
    graphs: Sequence[ArchGraph]


def draw_candidates(settings: NasSettings) -> Candidates:
    """Draw the networks of a space, the same for the same settings."""
    info = load_images(settings.dataset, data_dir=settings.data_dir, split="val")
    kind = {
        "image_size": info.image_size,
        "num_classes": info.num_classes,
        "in_channels": info.channels,
    }
    if settings.space in FAMILIES:
        source: Any = FAMILIES[settings.space](0, held_out=True, **kind)
    else:
        rules = split_rules("search", image_size=info.image_size)
        source = EndlessNets("search", 0, rules=rules, **kind)
    pairs = [source.item(_FIRST + k) for k in range(settings.candidates)]
    nets, graphs = zip(*pairs)
    return Candidates(settings=settings, nets=nets, graphs=graphs)


def _predicted_by(name: str) -> Callable[[Candidates], np.ndarray]:
    def scores(candidates: Candidates) -> np.ndarray:
        graphs, labels = load_table(candidates.settings.table)
        ghn = candidates.settings.ghn
        options: dict[str, Any] = {"checkpoint": ghn} if name == "ghn-svr" else {}
        model = make_predictor(name, **options).fit(graphs, labels)
        return np.asarray(model.predict(list(candidates.graphs)), dtype=float)

    return scores


def _under_prediction(candidates: Candidates) -> np.ndarray:
    c = candidates.settings
    images = load_images(c.dataset, data_dir=c.data_dir, split="val")
    pairs = list(zip(candidates.nets, candidates.graphs))
    ghn = from_pretrained(c.ghn).eval()
    found = evaluate_nets(ghn, pairs, evaluation_batches(images), progress=False)
    return np.array([result.top1 for result in found])


def _size(candidates: Candidates) -> np.ndarray:
    return np.array([graph.num_params() for graph in candidates.graphs], dtype=float)


RANKINGS: dict[str, Callable[[Candidates], np.ndarray]] = {
    "embeddings": _predicted_by("ghn-svr"),
    "gp-graph": _predicted_by("gp-graph"),
    "under-prediction": _under_prediction,
    "size": _size,
}
"""What orders candidates: a regression on embeddings by the hypernetwork (arXiv:2110.13100, section
5.3), a Gaussian process on features of the graph, the accuracy with predicted parameters on
validation images, the number of parameters."""


def rank_networks(candidates: Candidates) -> dict[str, list[int]]:
    """Return the numbers of the networks that each ranking chooses, best first, and random ones."""
    c = candidates.settings
    chosen = {
        name: np.argsort(-RANKINGS[name](candidates), kind="stable")[: c.top].tolist()
        for name in c.rankings
    }
    order = np.random.RandomState(0).permutation(c.candidates)
    return {**chosen, "random": order[: c.random].tolist()}


@dataclass(frozen=True, kw_only=True)
class _One:
    """A network to train."""

    settings: NasSettings
    net: Net
    number: int
    seed: int


def run_nas(
    settings: NasSettings, folder: str | Path, *, jobs: int = 1, progress: bool = True
) -> list[Row]:
    """Rank the candidates, train what the rankings choose, and return a row for each training.

    The same call goes on with a study that was stopped.

    Args:
        settings: What is searched and how.
        folder: Folder of the results, one file a training.
        jobs: Number of processes.
        progress: Whether to show a bar.

    Returns:
        Rows with `ranking`, `place` (0 the best), `number`, `seed`, `test` (accuracy in percent,
        None where training has diverged) and `parameters`. A network that several rankings choose
        is trained once.

    Raises:
        RuntimeError: Trainings that failed.
        ValueError: The folder holds a study with other settings.
    """
    run = RunFolder(folder, to_dict(settings), resume=True, may_differ=("seeds", "data_dir"))
    try:
        candidates = draw_candidates(settings)
        chosen = rank_networks(candidates)
        numbers = sorted({number for found in chosen.values() for number in found})
        plan = {
            (number, seed): _job(candidates, number, seed, run.path)
            for seed in range(settings.seeds)
            for number in numbers
        }
        done = run_campaign(run, list(plan.values()), jobs=jobs, progress=progress)
        done.check("networks")
        trained = {key: read_rows(job.results[0])[0] for key, job in plan.items()}
    finally:
        run.close()
    return [
        {"ranking": name, "place": place, **trained[number, seed]}
        for name, found in chosen.items()
        for place, number in enumerate(found)
        for seed in range(settings.seeds)
    ]


def _job(candidates: Candidates, number: int, seed: int, folder: Path) -> Job:
    one = _One(settings=candidates.settings, net=candidates.nets[number], number=number, seed=seed)
    name = f"{number}_s{seed}"
    path = folder / "networks" / f"{name}.jsonl"
    return Job(name=name, work=_train, payload=one, results=(path,))


def _train(one: _One) -> list[list[Row]]:
    c = one.settings
    net = one.net
    if isinstance(net, NetConfig) and net.has_norm:
        net = net.with_(norm="bn-track")
    with seeded(one.seed):
        model = build_network(net)
    recipe = Recipe(
        epochs=c.epochs,
        batch_size=c.batch_size,
        lr=c.lr,
        nesterov=False,
        weight_decay=3e-4,
        grad_clip=5.0,
        precise_bn=0,
        eval_every=c.epochs,
    )
    data = _images(c.dataset, c.data_dir)
    last = train(model, data, recipe, seed=one.seed, progress=False)[-1]
    error = last["top1_error"]
    found = {
        "test": None if error is None else 100 - error,
        "parameters": count_parameters(model),
    }
    return [[{"number": one.number, "seed": one.seed, **found}]]


@lru_cache(maxsize=2)
def _images(name: str, data_dir: str | None) -> Any:
    return tuple(load_images(name, data_dir=data_dir, split=part) for part in ("trainval", "test"))


def nas_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the table of a study as Markdown: trained accuracy of each ranking's networks.

    Standard errors are over networks, of means over seeds; the difference is from the mean of the
    random networks, its standard error that of two independent means.

    Args:
        rows: Rows of `run_nas`.
    """
    means = {
        name: _means([row for row in rows if row["ranking"] == name])
        for name in dict.fromkeys(row["ranking"] for row in rows)
    }
    base = means["random"]
    lines = []
    for name, values in means.items():
        error = standard_error(values)
        apart = float(values.mean() - base.mean())
        joint = float(np.hypot(error, standard_error(base)))
        lines.append(
            [
                name,
                str(len(values)),
                with_error(float(values.mean()), error, 2),
                "" if name == "random" else with_error(apart, joint, 2, signed=True),
                f"{values[0]:.2f}",
                f"{values.max():.2f}",
            ]
        )
    header = ["chosen by", "networks", "test (%)", "against random", "its first", "its best"]
    return markdown_table(header, lines)


def _means(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Mean over seeds of each network's accuracy, in the order of the ranking; nothing is 0."""
    by_place: dict[int, list[float]] = {}
    for row in rows:
        by_place.setdefault(row["place"], []).append(row["test"] or 0.0)
    return np.array([np.mean(by_place[place]) for place in sorted(by_place)])
