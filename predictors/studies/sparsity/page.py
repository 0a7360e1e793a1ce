"""`report.md`: what the studies of sparse networks found, in tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.runs.pages import (
    bullets,
    files,
    image,
    join_blocks,
    markdown_table,
    page,
    section,
)
from graph2nn.runs.summaries import with_error
from graph2nn.sparsity.campaign.feature_sets import FEATURE_SETS
from predictors.studies.sparsity.ranking import TauRow
from predictors.studies.sparsity.regression import BLEND, IN_SAMPLE, TrialScore, difference
from predictors.studies.sparsity.scoring import tail_share

if TYPE_CHECKING:
    from predictors.studies.sparsity.studies import Study

__all__ = ["FIGURES", "TABLES", "render_page"]

FIGURES = {
    "protocols": "R² and tau of extra trees on networks held out; dashed: what training noise "
    "leaves to be predicted.",
    "predictions": "Drops predicted without the pruning algorithm against true ones.",
    "metrics": "Kendall tau of single metrics with accuracy; red: layer densities, no graph.",
    "importance_feature": "Loss when one topometric is permuted. One whose twin stays loses "
    "nothing.",
    "importance_correlated": "The same with correlated topometrics permuted together.",
    "importance_group": "The same with the published groups permuted together.",
    "importance_both": "A predictor that has layer densities too: what is still needed.",
    "importance_both_within_contests": "The same with values of networks of the same model and "
    "sparsity: what orders pruning algorithms.",
    "shares_sparsity": "Part of each group in the loss, by sparsity.",
    "shares_model": "Part of each group in the loss, by model.",
}
"""What each figure shows."""

TABLES = {
    "ceilings": "networks, contests, and what training noise leaves to be predicted",
    "regression": "R² and tau of every trial",
    "metrics": "tau of single metrics, by data set and sparsity",
    "baselines": "tau of rankings copied from elsewhere",
    "importance": "losses under permutation",
    "shap": "mean absolute SHAP values, in units of the drop",
}
"""What each table holds."""

_BASELINE = "density8"


def render_page(
    found: Study, *, title: str, figures: Mapping[str, Path], tables: Mapping[str, Path]
) -> str:
    """Write the page as Markdown.

    Args:
        found: Findings of `study`.
        title: Title of the page.
        figures, tables: Files beside the page, by name.
    """
    plain = [s for s in found.scores if not s.trial.relative]
    shown = [
        block for name, path in figures.items() for block in (image(path, name), FIGURES[name])
    ]
    return page(
        "How to read it: `docs/understand/sparsity.md`.",
        _ceilings(found),
        section("In sample: adjusted R² of ordinary least squares", _in_sample(found, plain)),
        section("Regressors: R² on held-out networks", _regressors(found, plain)),
        section("Extra trees: R² and Kendall tau on held-out networks", _held_out(found, plain)),
        section(
            "Learnt within contests: Kendall tau of ridge, and blended with trees",
            _relative(found),
        ),
        section("Difference in tau from layer densities", _differences(found)),
        section("Single metrics: Kendall tau with accuracy", _taus(found.metrics)),
        section("Rankings copied from elsewhere", _taus(found.baselines)),
        section("Importance: loss of R² · tau under permutation", _importance(found)),
        section("Figures", *shown),
        section("Tables", files(tables, TABLES)),
        section(
            "Feature sets", bullets(f"`{n}`: {kind.meaning}" for n, kind in FEATURE_SETS.items())
        ),
        section("Not computed", bullets(found.notes)),
        title=title,
    )


def _ceilings(found: Study) -> str:
    rows = []
    for task in found.tasks:
        limit = found.ceilings[task.name]
        seeds = len(np.unique(task.table["seed"]))
        size = f"{task.table.num_rows}", f"{task.left_out}", f"{seeds}"
        limits = _number(limit.r2, 3), _number(limit.tau), _number(limit.seed_tau)
        rows.append([task.name, *size, *limits, f"{tail_share(task):.0%}"])
    head = ["data set", "networks", "left out", "seeds", "R² allowed by noise"]
    head += ["tau allowed by noise", "tau of one seed", "variance in the 2 % largest drops"]
    return markdown_table(head, rows)


def _in_sample(found: Study, scores: Sequence[TrialScore]) -> str:
    mine = [s for s in scores if s.trial.protocol == IN_SAMPLE]
    return _grid(found, mine, lambda s: s.trial.features, "features", lambda s: _number(s.r2))


def _regressors(found: Study, scores: Sequence[TrialScore]) -> str:
    protocols = ("random 10-fold", "grouped 5-fold")
    mine = [s for s in scores if s.trial.protocol in protocols]
    random = {s.trial.features for s in mine if s.trial.protocol == protocols[0]}
    mine = [s for s in mine if s.trial.features in random]  # the others: extra trees only
    name = "regressor, features, protocol"
    return _grid(
        found,
        sorted(mine, key=lambda s: (s.trial.protocol, s.trial.features), reverse=True),
        lambda s: f"{s.trial.regressor}, `{s.trial.features}`, {s.trial.protocol}",
        name,
        lambda s: with_error(s.r2, s.r2_error, 2),
    )


def _held_out(found: Study, scores: Sequence[TrialScore]) -> str:
    mine = [s for s in scores if s.trial.regressor == "extra trees"]
    mine = [s for s in mine if s.trial.protocol not in ("random 10-fold", IN_SAMPLE)]
    grid = _grid(
        found,
        sorted(mine, key=lambda s: _order(s.trial.protocol)),
        lambda s: f"{s.trial.protocol}, `{s.trial.features}`",
        "protocol, features",
        lambda s: f"{_number(s.r2)} · {with_error(s.tau, s.tau_error, 2)}",
    )
    pooled = [s for s in mine if s.trial.protocol == "leave-dataset-out"]
    if not pooled:
        return grid
    rows = [[f"`{s.trial.features}`", with_error(s.tau, s.tau_error, 2)] for s in pooled]
    words = "Learnt on the other data sets (leave-dataset-out):"
    return join_blocks(grid, words, markdown_table(["features", "tau"], rows))


def _relative(found: Study) -> str:
    mine = [s for s in found.scores if s.trial.relative]
    return _grid(
        found,
        sorted(mine, key=lambda s: _order(s.trial.protocol)),
        lambda s: f"{s.trial.protocol}, `{s.trial.features}`",
        "protocol, features",
        lambda s: with_error(s.tau, s.tau_error, 2),
    )


def _differences(found: Study) -> str:
    """Paired over comparison groups; extra trees on densities are what is subtracted."""
    rows = []
    groups: dict[tuple[str, str, str, bool], list[TrialScore]] = {}
    for s in found.scores:
        t = s.trial
        if t.task in found.ceilings and t.protocol not in (IN_SAMPLE, "random 10-fold"):
            if t.regressor in ("extra trees", "strong ridge"):
                groups.setdefault((t.protocol, t.features, t.regressor, t.relative), []).append(s)
    for (protocol, features, regressor, relative), scores in groups.items():
        base = groups.get((protocol, _BASELINE, "extra trees", False))
        if base is None or len(base) != len(scores) or scores is base:
            continue
        if regressor == "strong ridge" and not relative:
            continue
        mean, error = difference(scores, base)
        how = "ridge within contests" if regressor == "strong ridge" else regressor
        how = "extra trees and ridge" if features == BLEND else how
        rows.append([protocol, f"`{features}`", how, with_error(mean, error, signed=True)])
    rows.sort(key=lambda row: _order(row[0]))
    head = ["protocol", "features", "how", f"tau less that of `{_BASELINE}` with extra trees"]
    return markdown_table(head, rows)


def _taus(rows: Sequence[TauRow]) -> str:
    if not rows:
        return ""
    levels = list(rows[0].by_sparsity())
    tasks = list(rows[0].by_task())
    head = ["", "tau", *tasks, *(f"s = {level:g}" for level in levels)]
    body = []
    for row in rows:
        values = [*row.by_task().values(), *row.by_sparsity().values()]
        body.append([row.name, with_error(row.tau, row.error, 2), *map(_number, values)])
    return markdown_table(head, body)


def _importance(found: Study) -> str:
    blocks = []
    for what in dict.fromkeys(what for _, what in found.importance):
        mine = [found.importance[task.name, what] for task in found.tasks]
        losses = [
            np.mean([i.r2_loss[at].mean() for i in mine]) for at in range(len(mine[0].groups))
        ]
        rows = []
        for at in np.argsort(losses)[::-1]:
            entries = [f"{i.r2_loss[at].mean():.3f} · {i.tau_loss[at].mean():.3f}" for i in mine]
            rows.append([list(mine[0].groups)[at], *entries])
        head = [f"permuted ({what})", *(task.name for task in found.tasks)]
        blocks.append(markdown_table(head, rows))
    return join_blocks(*blocks) + "\n" if blocks else ""  # two empty lines follow, as ever


def _grid(
    found: Study,
    scores: Iterable[TrialScore],
    name: Callable[[TrialScore], str],
    head: str,
    entry: Callable[[TrialScore], str],
) -> str:
    """A row a name, a column a data set."""
    rows: dict[str, dict[str, str]] = {}
    for score in scores:
        if score.trial.task in found.ceilings:
            rows.setdefault(name(score), {})[score.trial.task] = entry(score)
    names = [task.name for task in found.tasks]
    body = [[row, *(entries.get(n, "") for n in names)] for row, entries in rows.items()]
    return markdown_table([head, *names], body)


def _order(protocol: str) -> int:
    known = ("grouped 5-fold", "leave-pruner-out", "leave-model-out", "leave-dataset-out")
    return known.index(protocol) if protocol in known else len(known)


def _number(value: float, digits: int = 2) -> str:
    return with_error(value, None, digits)
