"""Every method on every property over seeds, as numbers, a table and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from graph2nn.runs.figures import canvas, figure_path, save_figure, shades
from graph2nn.runs.pages import markdown_table, page
from graph2nn.runs.summaries import standard_error, with_error
from predictors.metrics import kendall_tau
from predictors.studies.properties.methods import Method
from predictors.studies.properties.tasks import PROPERTIES, PropertyTask
from predictors.targets import TargetTransform

__all__ = ["PropertyScore", "best_networks", "plot_scores", "score_methods", "score_table"]


@dataclass(frozen=True, kw_only=True)
class PropertyScore:
    """Kendall tau of a method on a property, one a seed.

    Args:
        prop: One of `PROPERTIES`.
        method: Name of the method.
        taus: Kendall tau, one a seed.
        n_train, n_test: Number of labelled networks of both halves.
    """

    prop: str
    method: str
    taus: tuple[float, ...]
    n_train: int
    n_test: int

    @property
    def mean(self) -> float:
        """Mean of tau over seeds."""
        return float(np.mean(self.taus))

    @property
    def stderr(self) -> float:
        """Standard error of the mean over seeds; NaN for one."""
        return standard_error(self.taus)


def score_methods(
    task: PropertyTask,
    methods: Sequence[Method],
    *,
    seeds: Sequence[int] = range(5),
    round_predictions: bool = False,
    progress: bool = True,
) -> list[PropertyScore]:
    """Learn from one half of a table, predict the other (arXiv:2110.13100, section 5.3).

    Args:
        task: Networks of the table.
        methods: Methods to compare.
        seeds: Seeds of folds, forests and initial weights; the halves stay as they are.
        round_predictions: Whether predictions are rounded to whole numbers before ranking, all but
            convergence times, as published.
        progress: Whether to show a bar.

    Raises:
        ValueError: A property of which a half has fewer than two different values.
    """
    rows = {prop: task.rows(prop) for prop in task.targets}
    for prop, halves in rows.items():
        for half, part in zip(("train", "test"), halves):
            if len(np.unique(task.targets[prop][part])) < 2:
                raise ValueError(
                    f"{task.name}: the {half} half has {len(part)} labelled networks with no two "
                    f"values of {prop}; take a larger table"
                )
    taus: dict[tuple[str, str], list[float]] = {}
    plan = [(method, seed) for method in methods for seed in seeds]
    for method, seed in tqdm(plan, desc="properties", disable=not progress, leave=False):
        x = method.features(seed)
        for prop, (train, test) in rows.items():
            y = task.targets[prop]
            predicted = _predicted(method, seed, x[train], y[train], x[test])
            if round_predictions and prop != "convergence time":
                predicted = np.round(predicted)
            taus.setdefault((prop, method.name), []).append(kendall_tau(y[test], predicted))
    return [
        PropertyScore(
            prop=prop,
            method=name,
            taus=tuple(found),
            n_train=len(rows[prop][0]),
            n_test=len(rows[prop][1]),
        )
        for (prop, name), found in taus.items()
    ]


def best_networks(
    task: PropertyTask, method: Method, features: np.ndarray, *, count: int = 5, seed: int = 0
) -> dict[str, list[tuple[int, float]]]:
    """Find the networks predicted best of many others, by property: (row, predicted value).

    As published, the method now learns from both halves. Best are the most accurate and the
    fastest.

    Shapes:
        features (M, d), of the same kind as the method's.
    """
    x = method.features(seed)
    best: dict[str, list[tuple[int, float]]] = {}
    for prop in task.targets:
        known = np.concatenate(task.rows(prop))
        values = _predicted(method, seed, x[known], task.targets[prop][known], features)
        order = np.argsort(values if prop.endswith("time") else -values, kind="stable")[:count]
        best[prop] = [(int(row), float(values[row])) for row in order]
    return best


def _predicted(
    method: Method, seed: int, x: np.ndarray, y: np.ndarray, x_test: np.ndarray
) -> np.ndarray:
    transform = TargetTransform(method.target).fit(y[:, None])
    model = method.model(seed).fit(x, transform.transform(y[:, None])[:, 0])
    return transform.inverse(model.predict(x_test)[:, None])[:, 0]


def score_table(
    scores: Sequence[PropertyScore], noise: Mapping[str, float], *, title: str = ""
) -> str:
    """Tabulate scores as Markdown: a row a method, a column a property.

    Entries are mean ± standard error of tau; below stands how well labels agree with a second
    measurement.

    Args:
        scores: Scores of `score_methods`.
        noise: Agreement of labels with a second measurement, by property.
        title: Line above the table.
    """
    by_place = {(s.method, s.prop): s for s in scores}
    methods = list(dict.fromkeys(s.method for s in scores))
    props = [prop for prop in PROPERTIES if any(s.prop == prop for s in scores)]
    rows = []
    for method in methods:
        found = [by_place[method, prop] for prop in props]
        rows.append([method, *(with_error(s.mean, s.stderr) for s in found)])
    known = [with_error(noise.get(prop), None) or "-" for prop in props]
    rows.append(["*labels against a second measurement*", *known])
    return page(title, markdown_table(["method", *props], rows))


def plot_scores(
    scores: Sequence[PropertyScore], noise: Mapping[str, float], path: str | Path, title: str = ""
) -> Path:
    """Draw bars of tau, grouped by property, one colour a method, with standard errors.

    A line stands where the labels agree with a second measurement.
    """
    path = figure_path(path)
    methods = list(dict.fromkeys(s.method for s in scores))
    props = [prop for prop in PROPERTIES if any(s.prop == prop for s in scores)]
    by_place = {(s.method, s.prop): s for s in scores}
    figure, (axis,) = canvas(2.6 * len(props), 4, layout=None)
    width = 0.84 / len(methods)
    colours = shades("tab20", np.arange(len(methods)) % 20)
    for k, method in enumerate(methods):
        found = [by_place[method, prop] for prop in props]
        places = np.arange(len(props)) - 0.42 + (k + 0.5) * width
        bars = {"yerr": [s.stderr for s in found], "color": colours[k], "label": method}
        axis.bar(places, [s.mean for s in found], width, capsize=2, **bars)
    for place, prop in enumerate(props):
        if np.isfinite(noise.get(prop, np.nan)):
            axis.hlines(noise[prop], place - 0.44, place + 0.44, color="black", linestyle="--")
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(range(len(props)), props)
    axis.set(ylabel="Kendall tau on the test half", title=title)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return save_figure(figure, path, tight=True)
