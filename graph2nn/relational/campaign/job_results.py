"""The results of the jobs of a sweep, merged without loss."""

from __future__ import annotations

import warnings
from pathlib import Path

from graph2nn.relational.campaign.results import ResultTable
from graph2nn.runs.campaign import Row, read_job, result_files

__all__ = ["diverged_runs", "merge_results"]

_KEY = ("task", "graph_id", "seed", "epoch")


def merge_results(folder: str | Path) -> ResultTable:
    """Merge all rows of a campaign, by epoch; a run counts once even where two files hold it.

    Runs that diverged stay out of the table, the epochs before included; a warning names them.

    Args:
        folder: Folder of the run.

    Raises:
        FileNotFoundError: No results yet.
        ValueError: A damaged file, or two files that contradict each other.

    Examples:
        >>> from graph2nn.runs.campaign import write_job
        >>> row = {"task": "mlp", "graph_id": "complete", "seed": 1, "epoch": 1, "top1_error": 33.0}
        >>> row |= {"C": 1.0, "L": 1.0, "is_baseline": True}
        >>> path = write_job("runs/sweep/results/first.jsonl", "first", [row])
        >>> merge_results("runs/sweep")
        ResultTable(1 rows, tasks=['mlp'])
    """
    whole = _rows(folder)
    lost = _diverged(whole)
    if lost:
        names = ", ".join(f"{graph} (seed {seed})" for _, graph, seed in lost[:5])
        warnings.warn(
            f"{folder}: {len(lost)} runs diverged and stay out of the table: {names}"
            + (" ..." if len(lost) > 5 else ""),
            RuntimeWarning,
        )
    whole.sort(key=lambda row: (row["task"], row["seed"], row["graph_id"], row["epoch"]))
    left_out = set(lost)
    kept = [row for row in whole if _run(row) not in left_out]
    return ResultTable.from_rows(kept, where=str(folder))


def diverged_runs(folder: str | Path) -> list[tuple[str, str, int]]:
    """List the runs of a campaign whose loss stopped being finite: task, graph and seed of each.

    Args:
        folder: Folder of the campaign.

    Raises:
        FileNotFoundError: No results yet.
        ValueError: A damaged file, or two files that contradict each other.

    Examples:
        >>> from graph2nn.runs.campaign import write_job
        >>> row = {"task": "mlp", "graph_id": "complete", "seed": 1, "epoch": 1, "top1_error": None}
        >>> path = write_job("runs/sweep/results/first.jsonl", "first", [row])
        >>> diverged_runs("runs/sweep")
        [('mlp', 'complete', 1)]
    """
    return _diverged(_rows(folder))


def _run(row: Row) -> tuple[str, str, int]:
    return row["task"], row["graph_id"], row["seed"]


def _diverged(rows: list[Row]) -> list[tuple[str, str, int]]:
    return sorted({_run(row) for row in rows if row["top1_error"] is None})


def _rows(folder: str | Path) -> list[Row]:
    """All rows, each once."""
    files = result_files(folder)
    if not files:
        raise FileNotFoundError(f"{folder} holds no results of finished jobs (results/*.jsonl)")
    rows: dict[tuple, tuple[Row, Path]] = {}
    for path in files:
        for row in read_job(path):
            key = tuple(row[name] for name in _KEY)
            first, origin = rows.setdefault(key, (row, path))
            if first["top1_error"] != row["top1_error"]:
                raise ValueError(
                    f"{path} and {origin} have different errors for {dict(zip(_KEY, key))}; keep "
                    "the one that you trust and delete the other"
                )
    return [row for row, _ in rows.values()]
