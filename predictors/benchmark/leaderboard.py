"""Tables of results: mean and standard error over seeds, with the noise of the labels beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs import write_text
from graph2nn.runs.pages import markdown_table, page, section
from graph2nn.runs.summaries import standard_error, with_error
from graph2nn.runs.tables import write_rows
from predictors.benchmark.tables import label_noise
from predictors.tables import NoiseReference

__all__ = ["Setting", "Summary", "markdown", "summarise", "write_leaderboard"]

METRICS = ("tau", "rho", "precision", "regret", "fit_s")


@dataclass(frozen=True, order=True)
class Setting:
    """What models are compared on."""

    table: str
    target: str
    subset: str
    attributes: str

    def title(self) -> str:
        """Make a title for captions: `nb201, c10_val (valid), with zc_*`."""
        subset = f" ({self.subset})" if self.subset else ""
        known = f", with {self.attributes}" if self.attributes else ""
        return f"{self.table}, {self.target}{subset}{known}"


@dataclass(frozen=True)
class Summary:
    """Results of a model over seeds.

    Args:
        mean, error: Mean and standard error of each metric; the standard error is NaN for one seed.
    """

    setting: Setting
    model: str
    train: int
    test: int
    seeds: int
    mean: Mapping[str, float]
    error: Mapping[str, float]


def summarise(records: Iterable[Mapping[str, Any]]) -> list[Summary]:
    """Summarise records of `run_benchmark` over seeds; sorted by setting, size and mean tau."""
    groups: dict[tuple[Setting, int, str], list[Mapping[str, Any]]] = {}
    for r in records:
        setting = Setting(r["table"], r["target"], r["subset"] or "", r["attributes"])
        groups.setdefault((setting, r["train"], r["model"]), []).append(r)
    found = [_summary(*key, rows) for key, rows in groups.items()]
    return sorted(found, key=lambda s: (s.setting, s.train, -s.mean["tau"]))


def _summary(setting: Setting, train: int, model: str, rows: Sequence[Mapping]) -> Summary:
    values = {m: np.array([row[m] for row in rows], dtype=float) for m in METRICS}
    count = len(rows)
    return Summary(
        setting,
        model,
        train,
        rows[0]["test"],
        count,
        {m: float(v.mean()) for m, v in values.items()},
        {m: standard_error(v) for m, v in values.items()},
    )


def markdown(
    summaries: Sequence[Summary],
    *,
    folder: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> str:
    """Write a page with a table a setting: rows are models, columns training sizes.

    Entries are Kendall tau, mean ± standard error over seeds; the best mean of a column is bold.

    Args:
        folder: Folder of the run, which holds tables of one's own.
        data_dir: Folder of the files of shipped tables.
    """
    parts = []
    for setting in sorted({s.setting for s in summaries}):
        here = [s for s in summaries if s.setting == setting]
        noise = label_noise(setting.table, setting.target, folder=folder, data_dir=data_dir)
        parts.append(section(setting.title(), _table(here), _reference(here, noise)))
    return page(*parts, title="Leaderboard")


def _table(here: Sequence[Summary]) -> str:
    sizes = sorted({s.train for s in here})
    best = {n: max(s.mean["tau"] for s in here if s.train == n) for n in sizes}
    models = sorted({s.model for s in here}, key=lambda m: -_last_tau(here, m))
    rows = []
    for model in models:
        entries = {s.train: _entry(s, best[s.train]) for s in here if s.model == model}
        rows.append([model, *(entries.get(n, "") for n in sizes)])
    return markdown_table(["model", *(f"{n} networks" for n in sizes)], rows)


def _last_tau(here: Sequence[Summary], model: str) -> float:
    """Tau at the model's largest training set; the larger set counts first."""
    return max((s.train, s.mean["tau"]) for s in here if s.model == model)[1]


def _entry(summary: Summary, best: float) -> str:
    text = with_error(summary.mean["tau"], summary.error["tau"])
    return f"**{text}**" if summary.mean["tau"] >= best else text


def _reference(here: Sequence[Summary], noise: NoiseReference | None) -> str:
    seeds = sorted({s.seeds for s in here})
    tests = sorted({s.test for s in here})
    text = (
        f"Kendall tau on {_range(tests)} test networks, mean ± standard error over "
        f"{_range(seeds)} seeds."
    )
    if noise is not None:
        text += f" Label noise: {noise.meaning}, tau {noise.tau:.3f}."
    return text


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def write_leaderboard(
    folder: str | Path,
    records: Iterable[Mapping[str, Any]],
    *,
    data_dir: str | Path | None = None,
) -> list[Summary]:
    """Write `leaderboard.md` and `leaderboard.csv` (all metrics) into the folder."""
    summaries = summarise(records)
    text = markdown(summaries, folder=folder, data_dir=data_dir)
    write_text(Path(folder) / "leaderboard.md", text)
    rows = [
        {
            **asdict(s.setting),
            **{name: getattr(s, name) for name in ("model", "train", "test", "seeds")},
            **{f"{m}{end}": v[m] for m in METRICS for end, v in (("", s.mean), ("_se", s.error))},
        }
        for s in summaries
    ]
    write_rows(Path(folder) / "leaderboard.csv", rows, digits=5)
    return summaries
