"""Search for good networks, guided by a predictor, and train what was found.

    python experiments/search.py
    python experiments/search.py --budget 64 --strategy random evolution guided --jobs 2
    python experiments/search.py --table nb201 --seeds 10
    python experiments/search.py --table nb201 --predictor rf-graph --strategy guided
    python experiments/search.py --table mine.h5
    python experiments/search.py --table hwgpt --objectives perplexity lat_a100_ms

Without --table: networks of the DeepNets-1M grammar, small ones for 8x8 digits; no download. Each
strategy may train the same number of networks with the common trainer, by validation accuracy. The
guide starts from the shipped table of 1000 trained networks (--no-known: from none) and learns from
each batch. The best networks of each strategy are then trained with further seeds and tested.

With --table: the same on a table, where evaluating is looking up: a complete published one, or your
own (docs/how_to/own_table.md). Shown is the regret, the distance of the best network so far from
the best of the table. With two --objectives, targets of the table, searches look for the networks
that are best in both; shown is the hypervolume of what they found.

The same command goes on with a search that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archtokens import ArchGrammar
from graph2nn.archgraph import ArchGraph
from graph2nn.ground_truth import find_table
from graph2nn.names import choose
from graph2nn.runs import option, parse_config, run_script
from predictors import MODELS, load_table
from predictors.search import (
    Comparison,
    GrammarSpace,
    GuidedSearch,
    ParetoEvolution,
    ParetoGuided,
    RandomSearch,
    RegularisedEvolution,
    Strategy,
    TrainedNetworks,
    compare_on_table,
    compare_trained,
    compare_two_on_table,
)

STRATEGIES = ("random", "evolution", "guided")
SMALL = {"cells": (4, 8), "steps": (1, 4), "widths": (16, 24, 32, 48), "fc_dims": (32, 64)}
SMALL_POPULATION = {"population": 12, "sample": 4}  # for budgets of a few dozen networks

Known = tuple[Sequence[ArchGraph], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings of the comparison."""

    table: str | None = option(None, "-t", help="nb201, ..., or a file; none trains")
    target: str | None = option(None, help="target of the table; none for its own")
    objectives: tuple[str, ...] = option((), help="two targets to search for the best in both")
    attributes: tuple[str, ...] = option((), help="attributes of graphs to use, for --objectives")
    strategy: tuple[str, ...] = option(STRATEGIES, help="strategies to compare", choices=STRATEGIES)
    predictor: str | None = option(
        None,
        "-m",
        help="the guide, see neural_predictor.py --list; none: svr-graph, or gp-graph if trained "
        "or with --objectives",
    )
    acquisition: str = option("mean", help="thompson explores", choices=("mean", "thompson"))
    budget: int | None = option(None, "-n", help="networks a search; none for 150, or 32 trained")
    batch: int = option(8, "-b", help="networks between two fits of the guide")
    seeds: int | None = option(None, "-s", help="searches a strategy; none for 10, or 1 trained")
    known: bool = option(True, help="start the guide from the shipped table of digits")
    final: int = option(3, help="best networks of each search that are trained further")
    jobs: int = option(1, "-j", help="processes that train, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    device: str = option("cpu", help="device of training")
    data_dir: str | None = option(None, "-D", help="folder of the images, or of the table's files")
    out: str | None = option(None, "-o", help="run folder; none for runs/search_WHAT")

    def __post_init__(self) -> None:
        if self.predictor is not None:
            choose("model", self.predictor, MODELS)
        if not self.strategy:
            raise ValueError(f"--strategy: expected some of {', '.join(STRATEGIES)}")
        for name in ("budget", "batch", "seeds"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"--{name}: expected at least 1, got {getattr(self, name)}")
        if self.objectives and (self.table is None or len(self.objectives) != 2):
            raise ValueError("--objectives: expected two targets, and a --table that has them")
        if self.objectives and self.target is not None:
            raise ValueError("--target: the two --objectives say what is searched for")
        if self.attributes and not self.objectives:
            raise ValueError("--attributes: expected --objectives beside")
        if self.final < 0:
            raise ValueError(f"--final: expected at least 0, got {self.final}")

    @property
    def folder(self) -> Path:
        what = "_".join([Path(self.table or "digits").stem, *self.objectives])
        return Path(self.out or f"runs/search_{what}")


def strategies(config: SearchConfig) -> dict[str, Strategy]:
    """The strategies to compare, by name."""
    if config.objectives:
        evolution: Strategy = ParetoEvolution()
        guided: Strategy = ParetoGuided(
            predictor=config.predictor or "gp-graph",
            acquisition=config.acquisition,
            attributes=config.attributes,
        )
    else:
        trains = config.table is None
        known: Known = load_table("deepnets_digits") if trains and config.known else ((), ())
        evolution = RegularisedEvolution(**SMALL_POPULATION if trains else {})
        guided = GuidedSearch(
            predictor=config.predictor or ("gp-graph" if trains else "svr-graph"),
            acquisition=config.acquisition,
            crossover=0.3 if trains else 0.0,
            initial=config.batch if trains else 20,
            known=known,
        )
    every = {"random": RandomSearch(), "evolution": evolution, "guided": guided}
    return {name: every[name] for name in config.strategy}


def on_table(config: SearchConfig) -> Comparison:
    """Simulates searches on a table, for the best network or for the best in two respects."""
    assert config.table is not None
    how: dict[str, Any] = {
        "budget": config.budget or 150,
        "batch": config.batch,
        "seeds": config.seeds or 10,
        "data_dir": config.data_dir,
    }
    place = config.table, strategies(config), config.folder
    if config.objectives:
        how |= {"targets": config.objectives, "attributes": config.attributes}
        return compare_two_on_table(*place, **how)
    return compare_on_table(*place, target=config.target, **how)


def on_digits(config: SearchConfig) -> Comparison:
    """Searches the grammar of DeepNets-1M by training."""
    settings = find_table("deepnets_digits")
    grammar = ArchGrammar("deepnets", canonical=True, image_size=settings.images.side, **SMALL)
    trained = TrainedNetworks(
        grammar,
        settings,
        config.folder / "networks",
        data_dir=config.data_dir,
        device=config.device,
        jobs=config.jobs,
        backend=config.backend,
    )
    return compare_trained(
        GrammarSpace(grammar, accept=small_enough, name="deepnets, small, 8x8"),
        strategies(config),
        trained,
        config.folder,
        budget=config.budget or 32,
        batch=config.batch,
        seeds=config.seeds or 1,
        final=config.final,
    )


def small_enough(graph: ArchGraph) -> bool:
    """The limits of the shipped table's networks."""
    return graph.num_params() <= 10**6 and graph.num_nodes <= 250


def parse(argv: Sequence[str] | None = None) -> SearchConfig:
    """The settings that the command line gives."""
    return parse_config(SearchConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison that the command line describes."""
    config = parse(argv)
    found = (on_table if config.table else on_digits)(config)
    print(found.report)
    if not config.table and config.known:
        labels = load_table("deepnets_digits")[1]
        print(f"Best of the {len(labels)} networks that the guide knew: {max(labels):.2f}")
    print(f"wrote {config.folder}/report.md, {', '.join(path.name for path in found.figures)}")


if __name__ == "__main__":
    run_script(main)
