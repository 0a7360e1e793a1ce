"""Following independent jobs: a line in the log for each, a bar over networks, what failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from graph2nn.runs.folder import RunFolder
from graph2nn.runs.job_results import Row, read_job

__all__ = ["Report", "follow_jobs", "read_or_set_aside"]

Report = Mapping[str, Any]
"""What a job says at its end, JSON-able; its `error` is empty if all went well."""


def follow_jobs(
    run: RunFolder,
    reports: Iterable[tuple[int, Report]],
    *,
    total: int,
    done: int,
    progress: bool = True,
    postfix: Callable[[Report], str] | None = None,
) -> list[Report]:
    """Logs jobs as they end, numbered on from what the folder has logged.

    Args:
        run: whose `metrics.jsonl` gets a line a job.
        reports: number of networks and report of each job, as they come in.
        total, done: networks of the sweep, and those that need no job any more.
        progress: show a bar over networks.
        postfix: text beside the bar after a job.

    Returns:
        the reports of jobs that failed.
    """
    failed: list[Report] = []
    logged = len(run.metrics())
    with tqdm(total=total, initial=done, unit="network", disable=not progress) as bar:
        for line, (networks, report) in enumerate(reports, start=logged):
            run.log(line, **report)
            if report["error"]:
                failed.append(report)
            else:
                bar.update(networks)
            if postfix is not None:
                bar.set_postfix_str(postfix(report))
    return failed


def read_or_set_aside(path: Path, again: str) -> list[Row] | None:
    """The rows of a job's result file; None where there is none.

    A damaged file is renamed to `.damaged`, with a warning that ends in `again`, so that its job
    runs again.
    """
    if not path.is_file():
        return None
    try:
        rows = read_job(path)
        if not rows:
            raise ValueError(f"{path} has no rows")
        return rows
    except ValueError as error:
        path.replace(path.with_suffix(".damaged"))
        warnings.warn(f"{error}. {again}", RuntimeWarning)
        return None
