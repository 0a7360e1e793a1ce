"""Predict four properties of DeepNets-1M networks from embeddings by a graph hypernetwork.

    python experiments/property_prediction.py
    python experiments/property_prediction.py cifar10 checkpoints/ghn2_cifar10.pt
    python experiments/property_prediction.py cifar10 ghn2-cifar10 --search 2000
    python experiments/property_prediction.py cifar10 ghn2-cifar10 --published FOLDER

Accuracy on clean and on corrupted images, inference time and convergence time: learned on the train
half of data/ground_truth/deepnets_DATASET.h5, predicted on the test half (arXiv:2110.13100, section
5.3), beside what needs no graph. `--published` takes the published networks and results, where you
have them. The run folder gets results.csv, report.md, properties.png, and best.json after --search.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from ghn import GHN, from_pretrained
from graph2nn.deepnets import EndlessNets, build_graph, split_rules
from graph2nn.runs import (
    RunFolder,
    one_thread,
    option,
    parse_config,
    run_script,
    to_dict,
    write_text,
)
from graph2nn.runs.shipped import find_data
from graph2nn.runs.summaries import with_error
from graph2nn.runs.tables import write_rows
from graph2nn.vision import Batches, load_sets
from predictors.models.embeddings import GHNEmbedding
from predictors.proxies import proxy_attributes
from predictors.studies.properties import (
    Method,
    PropertyScore,
    PropertyTask,
    best_networks,
    own_task,
    plot_scores,
    published_task,
    scalar_methods,
    score_methods,
    score_table,
    svr_method,
    with_numbers,
)


@dataclass(frozen=True, kw_only=True)
class PropertyConfig:
    """Flags of `property_prediction.py`."""

    dataset: str = option("digits", positional=True, help="digits or cifar10")
    checkpoint: str | None = option(None, positional=True, help="file, name; none: ghn2-DATASET")
    table: str | None = option(None, help="file; none for data/ground_truth/deepnets_DATASET.h5")
    published: str | None = option(None, help="folder of the published networks and results")
    seeds: int = option(5, "-s", help="number of seeds of folds, forests and initial weights")
    folds: int = option(5, help="folds of the cross-validation that chooses the settings")
    round: bool = option(False, help="round predictions before ranking, as published")
    zero_shot: bool = option(True, help="measure accuracy of predicted parameters, or look it up")
    search: int = option(0, help="networks of split search to rank")
    data_dir: str | None = option(None, "-D", help="folder of the images")
    out: str | None = option(None, "-o", help="run folder; none for runs/properties_DATASET")

    def __post_init__(self) -> None:
        for name, least in (("seeds", 1), ("folds", 2), ("search", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name}: expected at least {least}, got {getattr(self, name)}; change --{name}"
                )


def load_task(config: PropertyConfig, ghn: GHN) -> PropertyTask:
    """The table, with accuracies under predicted parameters."""
    if config.published:
        return published_task(config.published)
    task = own_task(config.table or find_data(f"ground_truth/deepnets_{config.dataset}.h5"))
    for half, size in (("train", task.train.sum()), ("test", (~task.train).sum())):
        if size < config.folds:
            raise ValueError(
                f"{task.name}: {config.folds}-fold cross-validation needs at least {config.folds} "
                f"networks, the {half} half has {size}; pass --folds, or take a larger table"
            )
    return add_zero_shot(task, ghn, config.data_dir) if config.zero_shot else task


def add_zero_shot(task: PropertyTask, ghn: GHN, data_dir: str | None) -> PropertyTask:
    """The task with `ghn_acc` and `ghn_loss` on validation images among its numbers."""
    assert task.images is not None
    val = load_sets(task.images, data_dir).val
    images, labels = next(iter(Batches(val, len(val), train=False)))
    names = ("ghn_acc", "ghn_loss")
    values = list(proxy_attributes(task.configs, images, labels, names=names, ghn=ghn))
    kept = {n: v for n, v in task.scalars.items() if n not in names}
    for name in names:
        column = np.array([v[name] for v in values])
        if np.isfinite(column).any():
            kept[name] = column
    return replace(task, scalars=kept)


def methods(config: PropertyConfig, task: PropertyTask, ghn: GHN) -> list[Method]:
    """Embeddings by trained and initial weights, then what needs no graph."""
    trained = GHNEmbedding(ghn).transform(task.graphs)

    @cache
    def initial(seed: int) -> np.ndarray:
        return GHNEmbedding(ghn, initial=True, seed=seed).transform(task.graphs)

    kinds = (("", False), (", scaled, ranks", True))
    found = []
    for suffix, scaled in kinds:
        how: dict[str, Any] = {"folds": config.folds, "scaled": scaled}
        found.append(svr_method(f"GHN embedding{suffix}", lambda seed: trained, **how))
        found.append(svr_method(f"initial GHN{suffix}", initial, **how))
    both = with_numbers(task, trained)
    name = "GHN embedding and numbers, scaled, ranks"
    found.append(svr_method(name, lambda seed: both, folds=config.folds, scaled=True))
    return [*found, *scalar_methods(task)]


def search(config: PropertyConfig, task: PropertyTask, ghn: GHN, method: Method) -> dict[str, Any]:
    """The best of many networks by predicted property, with their configurations."""
    shape = task.graphs[0].num_classes
    settings = task.images
    size = settings.side if settings else 32
    rules = split_rules("search", image_size=size)
    stream = EndlessNets("search", 0, image_size=size, num_classes=shape or 10, rules=rules)
    nets = [stream[k] for k in range(config.search)]
    features = GHNEmbedding(ghn, progress=True).transform([build_graph(net) for net in nets])
    best = best_networks(task, method, features)
    return {
        prop: [{"index": k, "predicted": v, "network": nets[k].to_json()} for k, v in rows]
        for prop, rows in best.items()
    }


def report(
    config: PropertyConfig, run: RunFolder, task: PropertyTask, scores: list[PropertyScore]
) -> str:
    """Write results.csv, report.md and properties.png; return the page."""
    rows = [
        {
            "property": s.prop,
            "method": s.method,
            "tau": with_error(s.mean, None, 5),
            "stderr": with_error(s.stderr, None, 5),
            "n_train": s.n_train,
            "n_test": s.n_test,
            "taus": " ".join(f"{tau:.5f}" for tau in s.taus),
        }
        for s in scores
    ]
    write_rows(run.path / "results.csv", rows)
    title = f"{task.name}: {int(task.train.sum())} networks to learn from, tau on the others"
    page = score_table(scores, task.noise, title=title)
    write_text(run.path / "report.md", page)
    plot_scores(scores, task.noise, run.path / "properties.png", task.name)
    return page


def parse(argv: Sequence[str] | None = None) -> PropertyConfig:
    """The settings that the command line gives."""
    return parse_config(PropertyConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> list[PropertyScore]:
    """Run the experiment that the command line describes."""
    config = parse(argv)
    with one_thread():  # small networks; more threads only wait for each other
        return predict(config)


def predict(config: PropertyConfig) -> list[PropertyScore]:
    """Load, embed, fit, report."""
    ghn = from_pretrained(config.checkpoint or f"ghn2-{config.dataset}")
    task = load_task(config, ghn)
    run = RunFolder(config.out or f"runs/properties_{config.dataset}", to_dict(config))
    chosen = methods(config, task, ghn)
    scores = score_methods(task, chosen, seeds=range(config.seeds), round_predictions=config.round)
    print(report(config, run, task, scores))
    if config.search:
        best = search(config, task, ghn, chosen[0])
        write_text(run.path / "best.json", json.dumps(best, indent=1))
        for prop, rows in best.items():
            print(f"best {prop}: network {rows[0]['index']} of search, {rows[0]['predicted']:.3g}")
    print(f"wrote {run.path}/report.md, results.csv and properties.png")
    return scores


if __name__ == "__main__":
    run_script(main)
