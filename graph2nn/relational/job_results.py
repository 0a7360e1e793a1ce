"""Result files of the jobs of a sweep: whole or absent, checked when read, merged without loss."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graph2nn.relational.results import ResultTable
from graph2nn.training.checkpoint import write_atomic

__all__ = ["Row", "merge_results", "read_job", "result_files", "write_job"]

Row = dict[str, Any]
"""One trained network after one epoch: the columns of `results.COLUMNS` and training figures."""

_KEY = ("task", "graph_id", "seed", "epoch")


def write_job(path: str | Path, job: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Writes the rows of a finished job as JSON lines, after a line with their checksum.

    Args:
        path: the file, replaced only when the new one is complete.
        job: id of the job.
        rows: JSON-able; None where a network diverged.
    """
    body = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    head = {"job": job, "rows": body.count("\n"), "sha256": _digest(body)}
    text = json.dumps(head) + "\n" + body
    return write_atomic(path, lambda file: file.write(text.encode()))


def read_job(path: str | Path) -> list[Row]:
    """The rows of a file of `write_job`.

    Raises:
        ValueError: half-written or altered, with the path and what to do.
    """
    path = Path(path)
    try:
        head, _, body = path.read_text(encoding="utf-8").partition("\n")
        stated = json.loads(head)
        if stated["rows"] != body.count("\n") or stated["sha256"] != _digest(body):
            raise ValueError(f"expected {stated['rows']} rows with the stated checksum")
        return [json.loads(line) for line in body.splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is half-written or altered ({error}); train again with the same folder, which "
            "repeats this job, or delete the file"
        ) from None


def result_files(folder: str | Path) -> list[Path]:
    """The result files of a run folder, in order of name."""
    return sorted((Path(folder) / "results").glob("*.jsonl"))


def merge_results(folder: str | Path) -> ResultTable:
    """All rows of a sweep, by epoch; a run counts once even where two files hold it.

    Networks that diverged have no error and stay out of the table; a warning names them.

    Args:
        folder: of the run.

    Raises:
        FileNotFoundError: no results yet.
        ValueError: a damaged file, or two files that contradict each other.

    Example:
        >>> merge_results("runs/mlp_digits").final().num_rows  # doctest: +SKIP
        265
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


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
