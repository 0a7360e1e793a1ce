"""Many independent jobs on the cores of a machine, or on a cluster that joblib knows."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from typing import Any, TypeVar

import joblib
import torch
from joblib._parallel_backends import LokyBackend
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from joblib.parallel import get_active_backend
from tqdm import tqdm

from graph2nn.runs.jobs.clusters import CLUSTERS, Lost, cluster_backend
from graph2nn.runs.processes.parents import end_with_parent

__all__ = [
    "WORKER_DIED", "check_jobs", "follow_parent", "one_thread", "parallel_map",
    "threads", "unordered_map",
]  # fmt: skip

WORKER_DIED = BrokenProcessPool
"""What joblib raises when a process of this machine died."""

_PATIENCE = 2.0  # seconds; it takes milliseconds, unless a fork of this process holds the pipe open

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int = 1,
    backend: str | None = None,
    description: str = "",
    progress: bool = True,
    total: int | None = None,
    batch_size: int | str = "auto",
) -> Iterator[Result]:
    """Yield the results of `function` for each item, in the order of the items, as they come in.

    For pure functions: nothing is kept, and the first error ends all. Results that are kept and
    resumed are those of a campaign, see `run_campaign`.

    Args:
        function: Function of one item; must be picklable where `jobs` is not 1.
        items: Its arguments; may be a generator.
        jobs: Number of processes; -1 means one a core, 1 runs in this process.
        backend: Name of a backend of joblib (`loky`, `threading`, ...), or a cluster: `dask` (the
            client of this process), `dask:tcp://scheduler:8786`, `ray` (starts or joins one as Ray
            is configured), `ray:ADDRESS`. There `jobs=-1` takes all workers, and a job whose worker
            dies is started again, three times at most. None leaves a surrounding
            `joblib.parallel_config` in charge.
        description: Text beside the progress bar.
        progress: Whether to show one.
        total: Number of items, where `items` does not tell.
        batch_size: Number of jobs sent together; "auto" lets joblib measure.

    Raises:
        ValueError: `jobs` is 0, or an unknown backend, or one that is not installed or not running.

    Examples:
        >>> list(parallel_map(abs, [-1, 2, -3], progress=False))
        [1, 2, 3]
    """
    check_jobs(jobs)
    if total is None and isinstance(items, Sized):
        total = len(items)
    return _results(function, items, jobs, backend, batch_size, total, description, progress)


def _results(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    backend: str | None,
    batch_size: int | str,
    total: int | None,
    description: str,
    progress: bool,
) -> Iterator[Result]:
    if jobs == 1 and backend is None:
        stream: Iterable[Result] = map(function, items)
    else:
        pool = _pool(jobs, backend, batch_size=batch_size, return_as="generator")
        stream = pool(joblib.delayed(function)(item) for item in items)
    yield from tqdm(stream, total=total, desc=description or None, disable=not progress)


def unordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    jobs: int = 1,
    backend: str | None = None,
) -> Generator[Result | Lost, None, None]:
    """Yield the results of `function` as they come in, whatever their order.

    Items are taken from `items` no sooner than they can run. With several processes each runs apart
    from this one, also a single item.

    Args:
        function: Function of one item; must be picklable where `jobs` is not 1.
        items: Its arguments; may be a generator.
        jobs: Number of processes, see `parallel_map`.
        backend: Name of the backend, see `parallel_map`.

    Returns:
        The results; `Lost` in place of one whose worker a cluster has started again in vain.

    Raises:
        ValueError: See `parallel_map`; or a process cannot read the function or an item.
        WORKER_DIED: A process of this machine died, and with it all jobs that were running.
    """
    check_jobs(jobs)
    if jobs == 1 and backend is None:
        yield from map(function, items)
        return
    pool = _pool(jobs, backend, keep_going=True, batch_size=1, return_as="generator_unordered")
    with closing(pool(joblib.delayed(function)(item) for item in items)) as stream:
        try:
            for result in stream:  # noqa: UP028 (which would close it)
                yield result
        except GeneratorExit:
            with suppress(CancelledError):  # to a close joblib would say what it cancels
                stream.throw(CancelledError)
            raise
        except BrokenProcessPool as error:
            if isinstance(error, TerminatedWorkerError) or error.__cause__ is None:
                raise
            # Nobody died; what was sent could not be read, and would not be the next time either.
            reason = str(error.__cause__).strip('" \n').split("\n")[-1]
            raise ValueError(
                f"a worker process cannot read its job ({reason}): functions, and classes of what "
                "they are given, must be in modules that can be imported there; or use jobs=1"
            ) from error


def check_jobs(jobs: int) -> None:
    """Complain about a number of processes that cannot be."""
    if jobs == 0:
        raise ValueError("jobs must not be 0: give a number of processes, or -1 for one a core")


def _pool(
    jobs: int, backend: str | None, *, keep_going: bool = False, **how: Any
) -> joblib.Parallel:
    name, _, address = (backend or "").partition(":")
    how |= {"n_jobs": jobs, "pre_dispatch": "n_jobs" if keep_going or name == "ray" else "2*n_jobs"}
    active: Any = get_active_backend()[0] if backend is None else None
    if name == "loky" or isinstance(active, LokyBackend):
        how |= {"initializer": follow_parent, "initargs": (os.getpid(),)}
    try:
        if name in CLUSTERS:
            how["backend"] = cluster_backend(name, address, keep_going=keep_going)
        elif name == "loky":
            how["backend"] = _Workers()
        elif type(active) is LokyBackend:
            threads = active.inner_max_num_threads
            how["backend"] = _Workers(inner_max_num_threads=threads, **active.backend_kwargs)
        elif backend is not None:
            how["backend"] = name
        return joblib.Parallel(**how)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"cannot use the backend {backend!r}: {reason} (known: loky, threading, "
            "multiprocessing, dask, dask:tcp://SCHEDULER:8786, ray, ray:ADDRESS)"
        ) from None


class _Workers(LokyBackend):
    """Joblib's processes; when they are given up, the thread that feeds them ends, too.

    Loky leaves that thread behind. As a daemon it is stopped anywhere while Python ends, such as
    between the removal of a lock and the word of it to loky's resource tracker, which then
    complains of a leak, below the traceback of who pressed Ctrl-C.
    """

    def abort_everything(self, ensure_ready: bool = True) -> None:
        queue = self._workers._call_queue
        super().abort_everything(ensure_ready=ensure_ready)
        if queue is not None and queue._thread is not None:
            queue._reader.close()  # an item half sent, read by nobody, then holds up no thread
            queue._thread.join(_PATIENCE)


def follow_parent(parent: int) -> None:
    """Let this process end with the one that started it, and leave Ctrl-C to that one.

    Args:
        parent: Number of the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)


def one_thread() -> AbstractContextManager[None]:
    """Let torch compute with a single thread: sums come out the same on any number of cores."""
    return threads(1)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch compute with so many threads in the block.

    Args:
        count: Their number, on which sums depend; None leaves it as it is.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
