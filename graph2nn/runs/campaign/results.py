"""Result files of independent jobs: whole or absent, and checked when read."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graph2nn.runs.checkpoint import write_atomic

__all__ = [
    "Row", "read_job", "read_or_set_aside", "read_rows", "result_files", "write_job", "write_rows",
]  # fmt: skip

Row = dict[str, Any]
"""One line of results, JSON-able."""


def write_job(path: str | Path, job: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write the rows of a finished job as JSON lines, after a line with their checksum.

    Args:
        path: Path of the file, replaced only when the new one is complete.
        job: Id of the job.
        rows: JSON-able; None where a network diverged.
    """
    body = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    head = {"job": job, "rows": body.count("\n"), "sha256": _digest(body)}
    text = json.dumps(head) + "\n" + body
    return write_atomic(path, lambda file: file.write(text.encode()))


def read_job(path: str | Path) -> list[Row]:
    """Read the rows of a file of `write_job`.

    Raises:
        ValueError: Half-written or altered, with the path and what to do.
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
            f"{path} is half-written or altered ({error}); run again with the same folder, which "
            "repeats this job, or delete the file"
        ) from None


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a result file, which has some.

    Raises:
        ValueError: None, half-written or altered.
    """
    rows = read_job(path)
    if not rows:
        raise ValueError(f"{path} has no rows")
    return rows


def write_rows(path: Path, job: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write the rows of a result file, see `write_job`.

    Args:
        path: The file.
        job: Name of the job.
        rows: Rows, one at least, JSON-able.
    """
    if not rows:
        raise ValueError(f"no rows for {path.name}")
    return write_job(path, job, rows)


def read_or_set_aside(path: Path, again: str, *, read: Callable[[Path], Any] = read_rows) -> Any:
    """Return what is in a job's result file, or None where there is none.

    A damaged file is renamed to `.damaged`, so that its job runs again.

    Args:
        path: The file.
        again: End of the warning about a damaged one.
        read: Function that reads it, or raises a ValueError.
    """
    if not path.is_file():
        return None
    try:
        return read(path)
    except ValueError as error:
        path.replace(path.with_suffix(".damaged"))
        warnings.warn(f"{error}. {again}", RuntimeWarning)
        return None


def result_files(folder: str | Path) -> list[Path]:
    """List the result files of a run folder, in order of name."""
    return sorted((Path(folder) / "results").glob("*.jsonl"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
