"""`run_campaign`: many independent jobs over processes or a cluster, each done exactly once."""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from graph2nn.runs.campaign.results import read_or_set_aside, read_rows, write_rows
from graph2nn.runs.checkpoint import remove_leftovers
from graph2nn.runs.folder import RunFolder
from graph2nn.runs.jobs import WORKER_DIED, check_jobs, unordered_map
from graph2nn.runs.jobs.clusters import RESTARTS, Lost
from graph2nn.runs.lock import claimed
from graph2nn.runs.processes.stopping import stopped_with

__all__ = ["Campaign", "Files", "Job", "Report", "follow_jobs", "run_campaign"]

Report = Mapping[str, Any]
"""What a job says at its end, JSON-able; its `error` is empty if all went well."""

Files = list[Any]
"""What is in each of a job's result files: rows, unless the job says otherwise."""

_Kept = tuple["Job", "Files"]
_Outcome = tuple["Job", "Files | None", str]  # no files: what went wrong


@dataclass(frozen=True, kw_only=True)
class Job:
    """One part of a campaign that needs nothing of the others.

    Args:
        name: Name in the log and in messages, no other job's.
        work: Picklable function that does the job: given `payload`, it returns what goes into each
            result file. It may be called again, and then has to return the same.
        payload: Whatever `work` needs.
        results: Paths of the result files. The job is done when all are there.
        networks: Number of networks, or other units of the progress bar, that it stands for.
        scratch: File or folder that goes when the results are there, such as a checkpoint.
        read, write: Picklable functions for result files that are no JSON-able rows. `read`, given
            a path, raises a ValueError for a damaged file; `write`, given path, name of the job and
            content, leaves a whole file or none.
    """

    name: str
    work: Callable[[Any], Sequence[Any]]
    payload: Any
    results: tuple[Path, ...]
    networks: int = 1
    scratch: Path | None = None
    read: Callable[[Path], Any] = read_rows
    write: Callable[[Path, str, Any], Any] = write_rows


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """How a campaign ended.

    Args:
        total: Number of jobs that were to be done.
        failed: Reports of those that failed.
        place: Folder of the results.
    """

    total: int
    failed: Sequence[Report]
    place: Path

    def check(self, what: str = "jobs") -> None:
        """Raise an error if jobs failed.

        Args:
            what: Word for the jobs.

        Raises:
            RuntimeError: Says how many failed, the first of them and why, and what to do.
        """
        if self.failed:
            first = self.failed[0]
            raise RuntimeError(
                f"{len(self.failed)} of {self.total} {what} failed, the first ({first['job']}: "
                f"{first['error']}). The others are done and kept in {self.place}; the same "
                "command repeats those that failed"
            )


def run_campaign(
    place: RunFolder | Path,
    plan: Sequence[Job],
    *,
    jobs: int = 1,
    backend: str | None = None,
    done: int = 0,
    report: Callable[[Files], Mapping[str, Any]] | None = None,
    postfix: Callable[[Report], str] | None = None,
    unit: str = "network",
    progress: bool = True,
) -> Campaign:
    """Do all jobs of a plan whose results are not there yet.

    Each job leaves its results in files that are whole or absent and carry a checksum. However a
    campaign ends, the same call goes on with it: nothing is lost, and no finished job is done
    again. A damaged result is put aside, with a warning, and its job done again. A job that raises
    an error, as on a full disk, is counted, and the others go on. One whose worker dies is started
    again, `RESTARTS` times at most and the last time alone, so that none fails for another's sake.
    Ctrl-C stops the workers and is passed on; workers of this machine also end with this process.

    Args:
        place: The run, which gets a line in `metrics.jsonl` for each job, or a folder of results
            that several campaigns may fill at a time.
        plan: The jobs.
        jobs: Number of processes, see `parallel_map`.
        backend: Joblib's way to run them, see `parallel_map`; on several machines all have to
            reach the result files.
        done: Number of networks that need no job of the plan any more.
        report: Function from the rows of a job's files to what its line in the log says beside
            its name, number of networks and error.
        postfix: Function from a report to the text beside the bar.
        unit: What the bar counts.
        progress: Whether to show a bar.

    Returns:
        What failed; see `Campaign.check`.

    Raises:
        ValueError: Two jobs of one name, a backend that cannot be used, or another campaign of
            this process in the same run.
    """
    check_jobs(jobs)
    twice = [name for name, count in Counter(job.name for job in plan).items() if count > 1]
    if twice:
        raise ValueError(f"run_campaign: expected jobs of different names, {twice[0]} comes twice")
    run = place if isinstance(place, RunFolder) else None

    def told(job: Job, files: Files | None, error: str) -> Report:
        facts = report(files) if report is not None and files is not None else {}
        return {"job": job.name, "networks": job.networks, "error": error, **facts}

    where = run.path if run else Path(str(place))
    with (
        claimed(where) if run else nullcontext(),
        _cleared(plan if run else ()),
        stopped_with(f"what is finished is kept in {where}"),
    ):
        kept, todo = _divided(plan)
        late = _left_half_done(run, kept)
        with closing(_outcomes(todo, jobs, backend)) as outcomes:
            new = ((job.networks, told(job, files, error)) for job, files, error in outcomes)
            failed = follow_jobs(
                run,
                chain(((0, told(job, files, "")) for job, files in late), new),
                total=done + sum(job.networks for job in plan),
                done=done + sum(job.networks for job, _ in kept),
                progress=progress,
                postfix=postfix,
                unit=unit,
            )
    return Campaign(total=len(todo), failed=failed, place=where)


def follow_jobs(
    run: RunFolder | None,
    reports: Iterable[tuple[int, Report]],
    *,
    total: int,
    done: int,
    progress: bool = True,
    postfix: Callable[[Report], str] | None = None,
    unit: str = "network",
) -> list[Report]:
    """Log jobs as they end, numbered on from what the folder has logged.

    Args:
        run: The run whose `metrics.jsonl` gets a line a job; None for no log.
        reports: Number of networks and report of each job, as they come in.
        total: Number of networks of the campaign.
        done: Number of those that need no job any more.
        progress: Whether to show a bar over networks.
        postfix: Function from a report to the text beside the bar.
        unit: What the bar counts.

    Returns:
        The reports of jobs that failed.
    """
    failed: list[Report] = []
    logged = 0 if run is None else len(run.metrics())
    with tqdm(total=total, initial=done, unit=unit, disable=not progress) as bar:
        for line, (networks, report) in enumerate(reports, start=logged):
            if run is not None:
                _log(run, line, report)
            if report["error"]:
                failed.append(report)
            else:
                bar.update(networks)
            if postfix is not None:
                bar.set_postfix_str(postfix(report))
    return failed


def _log(run: RunFolder, line: int, report: Report) -> None:
    try:
        run.log(line, **report)
    except OSError as error:  # the result is in its own file; the next call writes the line
        warnings.warn(f"{error}; the results are not affected", RuntimeWarning)


def _divided(plan: Sequence[Job]) -> tuple[list[_Kept], list[Job]]:
    """Jobs with their results, and jobs to be done; a damaged result is put aside."""
    kept, todo = [], []
    for job in plan:
        again = f"{job.name} is made again"
        files = [read_or_set_aside(path, again, read=job.read) for path in job.results]
        whole = [content for content in files if content is not None]
        if len(whole) < len(files):
            todo.append(job)
        else:
            kept.append((job, whole))
    return kept, todo


@contextmanager
def _cleared(plan: Sequence[Job]) -> Iterator[None]:
    """Remove, before and after, what was left of result files by who died while writing them."""
    folders = {path.parent for job in plan for path in job.results}
    try:
        for results in folders:
            remove_leftovers(results)
        yield
    finally:  # also of workers that Ctrl-C has killed
        for results in folders:
            remove_leftovers(results)


def _left_half_done(run: RunFolder | None, kept: list[_Kept]) -> list[_Kept]:
    """Jobs killed between their results and their line in the log; what they left is tidied."""
    old = set() if run is None else {row.get("job") for row in run.metrics()}
    late = [(job, files) for job, files in kept if job.name not in old]
    for job, _ in late:
        _tidy(job)
    return late


def _outcomes(
    todo: Sequence[Job], jobs: int, backend: str | None
) -> Generator[_Outcome, None, None]:
    """Every job once, with its results or what went wrong, in the order in which they end."""
    left = {job.name: job for job in todo}
    deaths: Counter[str] = Counter()
    while left:
        started: list[Job] = []
        # a cluster has started a lost job again already: only the last time, alone, is left
        reason, died = "", RESTARTS
        try:
            company = _noted(_next(left.values(), deaths), started)
            do = partial(_do, str(Path.cwd()))
            stream = unordered_map(do, company, jobs=jobs, backend=backend)
            with closing(stream):
                for found in stream:
                    if isinstance(found, Lost):
                        reason = str(found)
                    else:
                        name, files, error = found
                        yield left.pop(name), files, error
        except WORKER_DIED as error:
            if not started:
                raise
            reason, died = str(error).split("\n")[0], 1
        for job in [job for job in started if job.name in left]:
            deaths[job.name] += died
            files = _stored(job)  # its worker may have died after it had written them
            if files is not None:
                yield left.pop(job.name), files, ""
            elif deaths[job.name] > RESTARTS:
                text = f"its worker died whenever it was started, the last time alone: {reason}"
                yield left.pop(job.name), None, f"WorkerDied: {text}"


def _next(left: Iterable[Job], deaths: Counter[str]) -> list[Job]:
    """Jobs to run together, those that may have killed a worker last; in the end one, alone."""
    company = [job for job in left if deaths[job.name] < RESTARTS]
    return sorted(company, key=lambda job: deaths[job.name]) or list(left)[:1]


def _noted(group: Iterable[Job], started: list[Job]) -> Iterator[Job]:
    for job in group:
        started.append(job)
        yield job


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """Paths are the caller's: a worker that is used again is still in the folder it began in."""
    if not os.path.isdir(folder):  # that of another machine
        yield
        return
    try:
        before = os.getcwd()
    except FileNotFoundError:  # it is gone
        before = folder
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _do(folder: str, job: Job) -> tuple[str, Files | None, str]:
    """Name of the job, its results, and what went wrong; runs in a worker."""
    with _working_in(folder):
        return _done(job)


def _done(job: Job) -> tuple[str, Files | None, str]:
    try:
        files = _stored(job)  # a cluster repeats a job whose worker died after writing them
        if files is None:
            files = list(job.work(job.payload))
            if len(files) != len(job.results):
                raise ValueError(f"results for {len(files)} files, expected {len(job.results)}")
            for path, content in zip(job.results, files):
                job.write(path, job.name, content)
        _tidy(job)
        return job.name, files, ""
    except Exception as error:  # the other jobs go on; all failures are told at the end
        return job.name, None, f"{type(error).__name__}: {error}"


def _stored(job: Job) -> Files | None:
    try:
        return [job.read(path) for path in job.results]
    except (OSError, ValueError):
        return None


def _tidy(job: Job) -> None:
    if job.scratch is not None and job.scratch.is_dir():
        shutil.rmtree(job.scratch, ignore_errors=True)
    elif job.scratch is not None:
        job.scratch.unlink(missing_ok=True)
