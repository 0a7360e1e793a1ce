"""`write_report`: figures, tables and a page of what the studies of sparse networks found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.checkpoint import write_text
from graph2nn.runs.figures import check_formats, save_formats
from graph2nn.runs.summaries import standard_error
from graph2nn.runs.tables import write_rows
from predictors.studies.sparsity import figures
from predictors.studies.sparsity.page import render_page
from predictors.studies.sparsity.regression import held_out_predictions
from predictors.studies.sparsity.scoring import tail_share
from predictors.studies.sparsity.studies import Study

__all__ = ["report_tables", "write_report"]

Rows = list[dict[str, Any]]


def write_report(
    found: Study,
    out: str | Path,
    *,
    title: str = "Sparse networks",
    formats: Sequence[str] = ("png",),
) -> Path:
    """Write `report.md` with all figures and tables beside it, and return the page.

    Args:
        found: Findings of `study`.
        out: Folder of the page.
        title: Title of the page.
        formats: Formats of the figures: png, pdf, svg. The page shows the first.

    Raises:
        ValueError: An unknown format.
    """
    check_formats(formats)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        name: write_rows(out / f"{name}.csv", rows)
        for name, rows in report_tables(found).items()
        if rows
    }
    drawn = {
        name: save_formats(figure, out, name, formats)[0]
        for name, figure in _figures(found).items()
    }
    text = render_page(found, title=title, figures=drawn, tables=tables)
    return write_text(out / "report.md", text)


def report_tables(found: Study) -> dict[str, Rows]:
    """Collect every number, as rows by name of the table."""
    return {
        "ceilings": [
            {
                "task": task.name,
                "networks": task.table.num_rows,
                "left_out": task.left_out,
                "contests": int(task.comparison_group.max()) + 1,
                "r2": found.ceilings[task.name].r2,
                "tau": found.ceilings[task.name].tau,
                "seed_tau": found.ceilings[task.name].seed_tau,
                "tail_share": tail_share(task),
            }
            for task in found.tasks
        ],
        "regression": [
            {
                **{name: getattr(score.trial, name) for name in score.trial.__dataclass_fields__},
                "r2": score.r2,
                "r2_error": score.r2_error,
                "tau": score.tau,
                "tau_error": score.tau_error,
            }
            for score in found.scores
        ],
        "metrics": [_tau_row(row) for row in found.metrics],
        "baselines": [_tau_row(row) for row in found.baselines],
        "importance": _importance_rows(found),
        "shap": [
            {"task": task, "feature": feature, "mean_abs_shap": value}
            for task, values in found.shap.items()
            for feature, value in values.items()
        ],
    }


def _tau_row(row: Any) -> dict[str, Any]:
    by_task = {f"tau {name}": value for name, value in row.by_task().items()}
    by_sparsity = {f"tau at {level:g}": value for level, value in row.by_sparsity().items()}
    return {"name": row.name, "tau": row.tau, "error": row.error, **by_task, **by_sparsity}


def _importance_rows(found: Study) -> Rows:
    rows = []
    for (task, what), importance in found.importance.items():
        for at, group in enumerate(importance.groups):
            r2, tau = importance.r2_loss[at], importance.tau_loss[at]
            rows.append(
                {
                    "task": task,
                    "permuted": what,
                    "protocol": importance.protocol,
                    "group": group,
                    "r2_loss": float(r2.mean()),
                    "r2_loss_error": standard_error(r2),
                    "tau_loss": float(tau.mean()),
                    "tau_loss_error": standard_error(tau),
                }
            )
    return rows


def _figures(found: Study) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    trees = [s for s in found.scores if s.trial.regressor == "extra trees"]
    trees = [s for s in trees if s.trial.task in found.ceilings and not s.trial.relative]
    if trees:
        held_out = [s for s in trees if s.trial.protocol != "random 10-fold"]
        compared = {s.trial.features for s in held_out if s.trial.protocol != "grouped 5-fold"}
        shown = [s for s in held_out if not compared or s.trial.features in compared]
        drawn["protocols"] = figures.draw_protocols(shown, found.ceilings)
        drawn["predictions"] = _scatter(found)
    if found.metrics:
        drawn["metrics"] = figures.draw_metrics([*found.metrics])
    titles = {
        "feature": "Each topometric permuted alone, configurations held out",
        "correlated": "Correlated topometrics permuted together",
        "group": "Groups of topometrics permuted together",
        "both": "Topometrics and layer densities in one predictor",
        "both, within contests": "Topometrics and layer densities, permuted within contests",
    }
    for what, title in titles.items():
        mine = {t: i for (t, w), i in found.importance.items() if w == what}
        if mine:
            name = f"importance_{what.replace(',', '').replace(' ', '_')}"
            drawn[name] = figures.draw_importance(mine, title=title)
    groups = {t: i for (t, w), i in found.importance.items() if w == "group"}
    for column in ("sparsity", "model") if groups else ():
        drawn[f"shares_{column}"] = figures.draw_shares(groups, column)
    return drawn


def _scatter(found: Study) -> Any:
    """Leave-pruner-out predictions by extra trees, from densities and from topometrics."""
    predicted: dict[str, list[np.ndarray]] = {}
    for name in ("density8", "mge16"):
        if not any(s.trial.features == name for s in found.scores):
            continue
        predicted[name] = [
            held_out_predictions(
                task, task.features(name).values, "extra trees", "leave-pruner-out"
            )
            for task in found.tasks
        ]
    return figures.draw_predictions(found.tasks, predicted)
