"""Predict what pruning costs from metrics of the sparse network, and see what that rests on.

    python experiments/studies/sparse_regression.py
    python experiments/studies/sparse_regression.py --source published --study ranking --quick
    python experiments/studies/sparse_regression.py --source digits --out runs/digits
    python experiments/studies/sparse_regression.py --source runs/my_grid/table.csv

Regression of the accuracy drop on topometrics, Ramanujan properties and layer densities, in sample
and on held-out pruning algorithms, models and configurations; importance of the metrics; ranking of
pruning algorithms ("Sparse networks as multipartite graphs", arXiv:2305.16886). Sources are the
published table, which comes with the package, our own in data/sparse, or a table that
`sparse_topology.py` wrote. The output folder gets report.md with its figures and tables;
docs/understand/sparsity.md says how to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph2nn.runs import option, parse_config, run_script
from graph2nn.runs.shipped import find_data
from graph2nn.runs.summaries import with_error
from graph2nn.sparsity.campaign.results import OWN_TABLES, SparseTable, read_sparse_table
from predictors.studies.sparsity.report import write_report
from predictors.studies.sparsity.studies import PARTS, Study, study
from predictors.studies.sparsity.task import published_networks


@dataclass(frozen=True, kw_only=True)
class RegressionConfig:
    """Flags of `sparse_regression.py`."""

    source: str | None = option(
        None, "-s", help="published, digits, cifar10, or a table; none for published"
    )
    study: str = option("all", help="what to do", choices=("all", *PARTS))
    repeats: int = option(5, "-r", help="seeds of folds, forests and permutations")
    quick: bool = option(False, help="one seed, few feature sets and regressors; a minute")
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    formats: tuple[str, ...] = option(("png",), help="formats of the figures: png, pdf, svg")
    out: str | None = option(None, "-o", help="folder; none for runs/sparse_regression_SOURCE")

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats: expected at least 1, got {self.repeats}")


def open_source(name: str | None) -> tuple[str, SparseTable]:
    """The table that a source names, and a short name of it."""
    if name is None or name == "published":
        return "published", published_networks()
    if name in OWN_TABLES:
        return name, read_sparse_table(find_data(f"sparse/{name}.csv"))
    path = Path(name)
    return path.name.removesuffix(".gz").removesuffix(".csv"), read_sparse_table(path)


def summary(found: Study) -> str:
    """The most telling numbers, in a few lines."""
    lines = []
    for task in found.tasks:
        limit = found.ceilings[task.name]
        line = f"{task.name}: {task.table.num_rows} networks; noise allows R2 {limit.r2:.3f}"
        lines.append(line)
        for score in found.scores:
            t = score.trial
            if t.task == task.name and t.protocol == "leave-pruner-out" and not t.relative:
                lines.append(
                    f"  leave-pruner-out, {t.features}: R2 {score.r2:.2f}, tau {score.tau:.2f}"
                )
    for row in found.metrics[:3]:
        tau = with_error(row.tau, row.error, signed=True)
        lines.append(f"{row.name}: tau {tau} with accuracy")
    return "\n".join(lines)


def parse(argv: Sequence[str] | None = None) -> RegressionConfig:
    """The settings that the command line gives."""
    return parse_config(RegressionConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> Path:
    """Read, study, write; returns the page."""
    config = parse(argv)
    name, table = open_source(config.source)
    parts = PARTS if config.study == "all" else (config.study,)
    found = study(
        table,
        parts=parts,
        repeats=config.repeats,
        quick=config.quick,
        jobs=config.jobs,
        backend=config.backend,
    )
    out = config.out or f"runs/sparse_regression_{name}"
    page = write_report(found, out, title=f"Sparse networks: {name} table", formats=config.formats)
    print(summary(found))
    print(f"wrote {page}")
    return page


if __name__ == "__main__":
    run_script(main)
