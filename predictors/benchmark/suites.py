"""Named sets of tables, targets and sizes: what the leaderboard is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph2nn.names import choose
from predictors.benchmark.protocol import TRAIN_SIZES, Trial
from predictors.registry import BASELINE, MODELS
from predictors.tables import TableLike, read_table
from predictors.tables.trained import PROPERTIES

__all__ = ["SUITES", "Suite", "suite_trials", "table_suite"]

_CLASSICAL = ("gp-graph", "svr-graph", "rf-graph", "xgb-graph")
_USUAL = 400  # networks to learn from, where there are twice as many
_FEWEST = 4  # labelled networks of a table
_TNB_TASKS = (
    *("autoencoder", "class_object", "class_scene", "jigsaw", "normal", "room_layout"),
    "segmentsemantic",
)
_COSTS = tuple(
    f"hw_cifar10_{cost}"
    for cost in (
        *("raspi4_latency", "pixel3_latency", "edgegpu_latency", "fpga_latency"),
        *("eyeriss_latency", "edgegpu_energy", "eyeriss_energy", "fpga_energy"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One table under one protocol.

    Args:
        summary: One line for lists.
        table, subset, attributes: Fields of `Trial`.
        targets: Targets to predict.
        train: Numbers of training networks; None is the table's own half.
        models: Names of `MODELS`; the linear baseline is added.
        test: Number of test networks; None is the protocol's.
    """

    summary: str
    table: TableLike
    targets: tuple[str, ...]
    train: tuple[int | None, ...]
    models: tuple[str, ...]
    subset: str | None = None
    attributes: tuple[str, ...] = ()
    test: int | None = None


SUITES: dict[str, Suite] = {
    "nb201": Suite(
        summary="NAS-Bench-201, CIFAR-10 validation accuracy, all 15 625",
        table="nb201",
        targets=("c10_val",),
        train=TRAIN_SIZES,
        models=_CLASSICAL,
    ),
    "nb201-best": Suite(
        summary="the same at fewer sizes: the ensemble, the token transformer, the tuned GCN",
        table="nb201",
        targets=("c10_val",),
        train=(100, 400, 781),
        models=("ensemble-mean", "ensemble-tart", "tart", "gcn"),
    ),
    "nb201-neural": Suite(
        summary="the same at two sizes: published features, further neural predictors",
        table="nb201",
        targets=("c10_val",),
        train=(100, 400),
        models=("xgb-graf", "svr-graf", "neurpred", "gcn-raw", "tart-scratch", "gin", "bananas"),
    ),
    "nb201-datasets": Suite(
        summary="NAS-Bench-201, CIFAR-100 and ImageNet16-120",
        table="nb201",
        targets=("c100_val", "in16_val"),
        train=(100, 400),
        models=("gp-graph", "xgb-graph", "ensemble-mean", "tart"),
    ),
    "nb201-proxies": Suite(
        summary="NAS-Bench-201, valid networks, with 13 zero-cost proxies",
        table="nb201",
        subset="valid",
        attributes=("zc_*",),
        targets=("c10_val",),
        train=(100, 400),
        models=(*_CLASSICAL, "ensemble-mean", "ensemble-tart"),
    ),
    "nb201-costs": Suite(
        summary="NAS-Bench-201, valid networks, latency and energy",
        table="nb201",
        subset="valid",
        targets=_COSTS,
        train=(100, 400),
        models=("rf-graph", "gp-graph"),
    ),
    "nb101": Suite(
        summary="NAS-Bench-101, 500 cells",
        table="nb101_500",
        targets=("val_accuracy",),
        train=(100, 400),
        models=(*_CLASSICAL, "ensemble-mean", "ensemble-tart", "tart"),
    ),
    "tnb101": Suite(
        summary="TransNAS-Bench-101 micro, seven tasks",
        table="tnb101_micro",
        targets=_TNB_TASKS,
        train=(100, 400),
        models=("svr-graph", "rf-graph", "ensemble-mean"),
    ),
    "macro": Suite(
        summary="NAS-Bench-Macro, mean of three runs",
        table="nas_bench_macro",
        targets=("acc",),
        train=(100, 400),
        models=("svr-graph", "rf-graph", "gp-graph", "ensemble-mean", "tart"),
    ),
    "chains": Suite(
        summary="TransNAS-Bench-101 macro, networks of residual blocks, two tasks",
        table="tnb101_macro",
        targets=("class_scene", "jigsaw"),
        train=(100, 400),
        models=("gp-graph", "ensemble"),
    ),
    "hwgpt": Suite(
        summary="HW-GPT-Bench, perplexity and latency of 10 000 GPTs",
        table="hwgpt",
        targets=("perplexity", "lat_a100_ms"),
        train=(100, 400),
        models=("gp-graph", "ensemble"),
    ),
    "fbnet": Suite(
        summary="FBNet, latency on a CPU and on a GPU",
        table="fbnet",
        targets=("silver_4114", "1080ti_1"),
        train=(100, 400),
        models=("gp-graph", "ensemble"),
    ),
    "relational": Suite(
        summary="relational graphs, MLP on CIFAR-10, mean error of five runs",
        table="relational",
        targets=("mlp_cifar10",),
        train=(100, 400),
        models=("svr-graph", "rf-graph", "gp-graph", "ensemble-mean"),
    ),
    "digits": Suite(
        summary="our DeepNets-1M networks trained on digits",
        table="deepnets_digits",
        targets=PROPERTIES,
        train=(100, 500),
        models=(*_CLASSICAL, "ensemble-mean", "tart"),
    ),
    "digits-neural": Suite(
        summary="the same with slower models, about a minute a fit",
        table="deepnets_digits",
        targets=PROPERTIES,
        train=(100, 500),
        models=("gcn", "ghn-svr"),
    ),
    "graphs": Suite(
        summary="our relational and wired networks trained on digits",
        table="graphs_digits",
        targets=PROPERTIES,
        train=(100, 300),
        models=(*_CLASSICAL, "ensemble-mean", "tart"),
    ),
    "cifar10": Suite(
        summary="our DeepNets-1M networks trained on CIFAR-10",
        table="deepnets_cifar10",
        targets=PROPERTIES,
        train=(50,),
        models=(*_CLASSICAL, "ensemble-mean", "gcn"),
    ),
}
"""Suites by the name that the command line uses."""


def table_suite(
    table: TableLike,
    *,
    targets: Sequence[str] = (),
    train: Sequence[int | None] = (),
    models: Sequence[str] = _CLASSICAL,
    subset: str | None = None,
    attributes: Sequence[str] = (),
    test: int | None = None,
    data_dir: str | Path | None = None,
) -> Suite:
    """Make a suite of any table, one of one's own too.

    Args:
        table: Name of a shipped table, or a table, or the path of its file.
        targets: Targets; none for the four published properties where the table has them, else
            for its default.
        train: Numbers of training networks; none for 400, at most half of the table and two thirds
            of the labelled networks.
        models, subset, attributes, test: Fields of the suite.
        data_dir: Folder of the files of shipped tables.

    Raises:
        ValueError: A table, target, subset or model that is not there, or fewer than four labels.
    """
    for model in models:
        choose("model", model, MODELS)
    found = read_table(table, data_dir=data_dir)
    properties = set(PROPERTIES) <= set(found.targets)
    chosen = tuple(targets) or (PROPERTIES if properties else (found.default,))
    labelled = min(len(found.rows(target, subset)) for target in chosen)
    if labelled < _FEWEST:
        raise ValueError(
            f"table {found.name}: {labelled} labelled networks of {', '.join(chosen)}; a benchmark "
            f"needs at least {_FEWEST}, two to learn from and two to test on: label more"
        )
    usual = min(_USUAL, len(found) // 2, labelled * 2 // 3)
    return Suite(
        summary=f"{found.name}, {', '.join(chosen)}",
        table=table,
        targets=chosen,
        train=tuple(train) or (usual,),
        models=tuple(models),
        subset=subset,
        attributes=tuple(attributes),
        test=test,
    )


def suite_trials(
    suite: Suite,
    *,
    seeds: int = 10,
    models: Sequence[str] = (),
    train: Sequence[int] = (),
) -> list[Trial]:
    """List the trials of a suite.

    Args:
        seeds: Number of seeds, numbered from 0.
        models, train: Models and training sizes in place of the suite's own.

    Raises:
        ValueError: A model that is not there.
    """
    names = dict.fromkeys((*(models or suite.models), BASELINE))
    return [
        Trial(
            table=suite.table,
            model=model,
            target=target,
            subset=suite.subset,
            attributes=suite.attributes if choose("model", model, MODELS).attributes else (),
            train=size,
            test=suite.test,
            seed=seed,
        )
        for target in suite.targets
        for size in (train or suite.train)
        for model in names
        for seed in range(seeds)
    ]
