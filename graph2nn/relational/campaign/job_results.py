"""The results of the jobs of a sweep, merged without loss."""

from __future__ import annotations

import warnings
from pathlib import Path

from graph2nn.relational.campaign.results import ResultTable
from graph2nn.runs.campaign import Row, read_job, result_files

__all__ = ["merge_results"]

_KEY = ("task", "graph_id", "seed", "epoch")


def merge_results(folder: str | Path) -> ResultTable:
    """Merge all rows of a campaign, by epoch; a run counts once even where two files hold it.

    Networks that diverged have no error and stay out of the table; a warning names them.

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
    whole = [row for row, _ in rows.values()]
    lost = sorted({(r["graph_id"], r["seed"]) for r in whole if r["top1_error"] is None})
    if lost:
        names = ", ".join(f"{graph} (seed {seed})" for graph, seed in lost[:5])
        warnings.warn(
            f"{folder}: {len(lost)} runs diverged and stay out of the table: {names}"
            + (" ..." if len(lost) > 5 else ""),
            RuntimeWarning,
        )
    whole.sort(key=lambda row: (row["task"], row["seed"], row["graph_id"], row["epoch"]))
    return ResultTable.from_rows(
        [row for row in whole if row["top1_error"] is not None], where=str(folder)
    )
