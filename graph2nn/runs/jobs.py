"""Many independent jobs on the cores of a machine, or on a cluster that joblib knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

import joblib
import torch
from tqdm import tqdm

__all__ = ["one_thread", "parallel_map"]

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
    """Results of `function` for each item, in the order of the items, as they come in.

    Args:
        function: must be picklable where `jobs` is not 1.
        items: its arguments; may be a generator.
        jobs: processes; -1 means one a core, 1 runs in this process.
        backend: of joblib (`loky`, `threading`, ...), or a cluster: `dask` (the client of this
            process), `dask:tcp://scheduler:8786`, `ray` (starts or joins one as Ray is configured),
            `ray:ADDRESS`. There `jobs=-1` takes all workers. None leaves a surrounding
            `joblib.parallel_config` in charge.
        description, progress, total: of the progress bar.
        batch_size: jobs sent together; "auto" lets joblib measure.

    Raises:
        ValueError: `jobs` is 0, or an unknown backend, or one that is not installed or not running.

    Example:
        >>> list(parallel_map(abs, [-1, 2, -3], progress=False))
        [1, 2, 3]
    """
    if jobs == 0:
        raise ValueError("jobs must not be 0: give a number of processes, or -1 for one a core")
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
        pool = _pool(jobs, backend, batch_size)
        stream = pool(joblib.delayed(function)(item) for item in items)
    yield from tqdm(stream, total=total, desc=description or None, disable=not progress)


def _pool(jobs: int, backend: str | None, batch_size: int | str) -> joblib.Parallel:
    how: dict[str, Any] = {"n_jobs": jobs, "batch_size": batch_size, "return_as": "generator"}
    if backend is None:
        return joblib.Parallel(**how)
    name, _, address = backend.partition(":")
    options = {"scheduler_host": address} if name == "dask" and address else {}
    if name == "ray":
        _start_ray(address)
        how["return_as"] = "list"  # Ray's pool hands results back all at once
    try:
        # Parallel(backend="dask") knows joblib's own backends only; the configuration knows all.
        with joblib.parallel_config(backend=name, **options):
            return joblib.Parallel(**how)
    except (ValueError, TypeError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"cannot use the backend {backend!r}: {reason} (known: loky, threading, "
            "multiprocessing, dask, dask:tcp://SCHEDULER:8786, ray, ray:ADDRESS)"
        ) from None


def _start_ray(address: str) -> None:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise ValueError("the backend ray needs Ray; run: pip install ray") from None
    register_ray()
    if not ray.is_initialized():
        ray.init(address=address or None)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with a single thread: sums come out the same on any number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
