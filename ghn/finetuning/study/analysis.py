"""What do the runs of the fine-tuning study say? Means, epochs saved, paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import wilcoxon

from graph2nn.runs.campaign.results import Row
from graph2nn.runs.pages import markdown_table
from graph2nn.runs.summaries import standard_error, with_error

__all__ = ["chosen_rates", "compare_starts", "epochs_to_reach", "mean_curves", "study_page"]

BASELINES = ("torch", "kaiming", "orth")
"""Starts without a hypernetwork."""

SHOWN = (0, 1, 5)  # epochs of tables, before the last
_CHANCE = 10.0  # percent, of a run that has diverged, where chance is a tenth


def chosen_rates(rows: Iterable[Row]) -> dict[tuple[str, int], float]:
    """Choose the learning rate of each start and number of images by the last epoch.

    The mean over networks and seeds of the accuracy decides; a run that has diverged counts as
    nothing right. Equal means choose the smaller rate.

    Args:
        rows: Rows of the runs that choose, see `run_study`.
    """
    last: dict[tuple, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _last_epochs(rows):
        top1 = 0.0 if row["top1"] is None else row["top1"]
        last[row["start"], row["shots"]][row["rate"]].append(top1)
    return {
        key: max(sorted(by_rate), key=lambda rate: float(np.mean(by_rate[rate])))
        for key, by_rate in last.items()
    }


def mean_curves(rows: Iterable[Row]) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """Average the accuracy over networks and seeds, epoch by epoch.

    The standard error is over networks, of means over seeds: other networks would be drawn.

    Returns:
        Means and standard errors in percent by start and number of images.

    Shapes:
        each (epochs + 1,).
    """
    found = {}
    for key, by_network in _by_network(rows).items():
        per_network = np.stack([np.mean(runs, axis=0) for runs in by_network.values()])
        found[key] = (per_network.mean(0), np.atleast_1d(standard_error(per_network)))
    return found


def compare_starts(
    rows: Sequence[Row], baseline: str = "torch", *, epoch: int | None = None
) -> list[dict[str, Any]]:
    """Compare each start with a baseline, network by network.

    Args:
        rows: Rows of runs that are reported.
        baseline: Start that the others are compared with.
        epoch: Epoch to compare at; None for the last.

    Returns:
        A row for each start and number of images: mean difference in percentage points over
        networks (of means over seeds) with its standard error, number of networks on which the
        start is ahead, and the p-value of Wilcoxon's signed-rank test over networks.

    Raises:
        ValueError: No runs of the baseline.
    """
    found = _by_network(rows)
    compared = []
    for (start, shots), networks in found.items():
        if start == baseline:
            continue
        base = found.get((baseline, shots))
        if base is None:
            raise ValueError(f"compare_starts: no runs start from {baseline!r}")
        at = -1 if epoch is None else epoch
        shared = sorted(networks.keys() & base.keys())
        own, other = (
            np.array([np.mean(runs[name], axis=0)[at] for name in shared])
            for runs in (networks, base)
        )
        apart = own - other
        tested = len(apart) > 1 and np.any(apart != 0)
        compared.append(
            {
                "start": start,
                "shots": shots,
                "difference": float(apart.mean()),
                "error": standard_error(apart),
                "ahead": int((apart > 0).sum()),
                "networks": len(apart),
                "p": float(wilcoxon(apart).pvalue) if tested else float("nan"),
            }
        )
    return compared


def epochs_to_reach(
    rows: Sequence[Row], baseline: str = "torch"
) -> dict[tuple[str, int], list[int | None]]:
    """Count the epochs until a start has what the baseline has at the end, network by network.

    Returns:
        By start and number of images: the first epoch at which the mean over seeds is that of the
        baseline's last, None where it never is, in the order of the networks' names.
    """
    found = _by_network(rows)
    reached = {}
    for (start, shots), networks in found.items():
        goals = {n: np.mean(runs, axis=0)[-1] for n, runs in found[baseline, shots].items()}
        firsts: list[int | None] = []
        for name in sorted(networks.keys() & goals.keys()):
            there = np.flatnonzero(np.mean(networks[name], axis=0) >= goals[name])
            firsts.append(int(there[0]) if len(there) else None)
        reached[start, shots] = firsts
    return reached


def network_table(rows: Sequence[Row], shots: int) -> str:
    """Write accuracies after the last epoch network by network as Markdown, means over seeds.

    Args:
        rows: Rows of runs that are reported.
        shots: Number of training images of each class.
    """
    found = {start: by for (start, count), by in _by_network(rows).items() if count == shots}
    names = list(dict.fromkeys(name for by in found.values() for name in by))
    lines = []
    for name in names:
        means = {start: np.mean(by[name], axis=0) for start, by in found.items() if name in by}
        best = max(mean[-1] for mean in means.values())
        own = [name]
        own += [f"{means['predicted'][0]:.1f}" if "predicted" in means else ""]
        for start in found:
            value = means[start][-1] if start in means else np.nan
            own.append(f"**{value:.1f}**" if value == best else f"{value:.1f}")
        lines.append(own)
    return markdown_table(["network", "predicted, epoch 0", *found], lines)


def study_page(rows: Sequence[Row]) -> str:
    """Write the tables of the study as Markdown: accuracy by epoch, differences, epochs saved.

    Args:
        rows: Rows of runs that are reported.
    """
    curves, parts = mean_curves(rows), []
    rates = {(row["start"], row["shots"]): row["rate"] for row in rows}
    last = max(row["epoch"] for row in rows)
    epochs = [*(e for e in SHOWN if e < last), last]
    reached = epochs_to_reach(rows)
    compared = {(row["start"], row["shots"]): row for row in compare_starts(rows)}
    for shots in sorted({shots for _, shots in curves}):
        header = ["start", "rate", *(f"epoch {e}" for e in epochs), "against torch", "ahead", "p"]
        lines = []
        for (start, count), (mean, error) in curves.items():
            if count != shots:
                continue
            found = compared.get((start, shots))
            own = [start, f"{rates[start, shots]:g}"]
            own += [with_error(mean[e], error[e], 1) for e in epochs]
            if found is None:
                own += ["", "", "", str(last)]
            else:
                own += [with_error(found["difference"], found["error"], 1, signed=True)]
                own += [f"{found['ahead']} of {found['networks']}", f"{found['p']:.2g}"]
                own.append(_median_epoch(reached[start, shots]))
            lines.append(own)
        parts.append(f"{shots} images a class:\n\n{markdown_table([*header, 'reached'], lines)}")
        parts.append(f"After {last} epochs, by network:\n\n{network_table(rows, shots)}")
    return "\n\n".join(parts)


def _median_epoch(epochs: Sequence[int | None]) -> str:
    """The median first epoch, and on how many networks it is never reached."""
    known = [float("inf") if epoch is None else epoch for epoch in epochs]
    middle, never = float(np.median(known)), sum(epoch is None for epoch in epochs)
    text = "never" if not np.isfinite(middle) else f"{middle:g}"
    return f"{text} ({never} never)" if never and np.isfinite(middle) else text


def _last_epochs(rows: Iterable[Row]) -> list[Row]:
    last: dict[tuple, Row] = {}
    for row in rows:
        key = tuple(row[name] for name in ("network", "start", "shots", "rate", "seed"))
        if key not in last or row["epoch"] > last[key]["epoch"]:
            last[key] = row
    return list(last.values())


def _by_network(rows: Iterable[Row]) -> dict[tuple[str, int], dict[str, list[np.ndarray]]]:
    """Curves of accuracy by start and number of images, then network; one a seed."""
    curves: dict[tuple, dict[int, float]] = defaultdict(dict)
    for row in rows:
        key = (row["start"], row["shots"], row["network"], row["seed"])
        curves[key][row["epoch"]] = _CHANCE if row["top1"] is None else row["top1"]
    found: dict[tuple[str, int], dict[str, list[np.ndarray]]] = {}
    for (start, shots, network, _), by_epoch in curves.items():
        curve = np.array([by_epoch[epoch] for epoch in sorted(by_epoch)])
        found.setdefault((start, shots), {}).setdefault(network, []).append(curve)
    return found
