"""Dask and Ray as backends of joblib that survive the death of a worker.

Joblib's own backend for Dask waits forever for a job whose workers keep dying, and Ray's pool ends
with the first worker that dies and hands results back all at once. Here a batch of jobs is a future
of the cluster, which restarts it three times at most where its worker dies.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar

from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase

__all__ = ["CLUSTERS", "RESTARTS", "Lost", "cluster_backend"]

CLUSTERS = ("dask", "ray")

RESTARTS = 3
"""Times that a job is run again because its worker died."""


class Lost(RuntimeError):
    """A job whose worker died, every time it was started again."""


class _Futures(AutoBatchingMixin, ParallelBackendBase):
    """A future a batch of jobs.

    Args:
        keep_going: A lost job has `Lost` as its result, instead of ending all others.
    """

    supports_retrieve_callback = True
    supports_return_generator = True
    default_n_jobs = -1
    deaths: ClassVar[tuple[str, ...]] = ()

    def __init__(self, keep_going: bool) -> None:
        super().__init__()
        self.keep_going = keep_going
        self.pending: set[Any] = set()

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Callable[[], list], callback: Callable | None = None) -> Any:
        future = self.send(func)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Any) -> list:
        try:
            return out.result()
        except Exception as error:
            if type(error).__name__ not in self.deaths:
                raise
            lost = Lost(str(error).split("\n")[0])
            if self.keep_going:
                return [lost]
            raise lost from error

    def abort_everything(self, ensure_ready: bool = True) -> None:
        self.cancel(list(self.pending))
        self.pending.clear()

    def terminate(self) -> None:
        self.pending.clear()

    def send(self, func: Callable[[], list]) -> Any:
        """Hand a batch of jobs to the cluster and return its future."""
        raise NotImplementedError

    def cancel(self, futures: list[Any]) -> None:
        """Stop what has not ended, where the cluster can."""
        raise NotImplementedError


class _Dask(_Futures):
    deaths = ("KilledWorker",)

    def __init__(self, keep_going: bool, address: str) -> None:
        super().__init__(keep_going)
        distributed = _module("distributed", "dask", "Dask")
        if address:
            self.client = distributed.Client(address, set_as_default=False)
        else:
            self.client = distributed.get_client()  # a ValueError where there is none
        self.owned = bool(address)

    def effective_n_jobs(self, n_jobs: int) -> int:
        self.client.wait_for_workers(1, timeout=30)
        return sum(self.client.nthreads().values())

    def send(self, func: Callable[[], list]) -> Any:
        return self.client.submit(func, pure=False)

    def cancel(self, futures: list[Any]) -> None:
        self.client.cancel(futures)

    def terminate(self) -> None:
        super().terminate()
        if self.owned:
            self.client.close()


class _Ray(_Futures):
    deaths = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "LocalRayletDiedError")

    def __init__(self, keep_going: bool, address: str) -> None:
        super().__init__(keep_going)
        self.ray = _module("ray", "ray", "Ray")
        if not self.ray.is_initialized():
            self.ray.init(address=address or None)
        self.call = self.ray.remote(max_retries=RESTARTS)(_call)
        self.references: dict[Any, Any] = {}

    def effective_n_jobs(self, n_jobs: int) -> int:
        return int(self.ray.cluster_resources()["CPU"]) if n_jobs < 0 else n_jobs

    def send(self, func: Callable[[], list]) -> Any:
        reference = self.call.remote(func)
        future = reference.future()
        self.references[future] = reference
        future.add_done_callback(lambda done: self.references.pop(done, None))
        return future

    def cancel(self, futures: list[Any]) -> None:
        for future in futures:
            if future in self.references:
                self.ray.cancel(self.references[future], force=True)


def cluster_backend(name: str, address: str, *, keep_going: bool) -> ParallelBackendBase:
    """Return the backend for a cluster.

    Args:
        name: One of `CLUSTERS`.
        address: Address of the cluster; empty for the Dask client of this process, or for Ray as
            it is configured.
        keep_going: Whether a job that is lost has `Lost` as its result, instead of ending all.

    Raises:
        ValueError: The package is not installed, or no such cluster runs.
    """
    return {"dask": _Dask, "ray": _Ray}[name](keep_going, address)


def _call(func: Callable[[], list]) -> list:
    return func()


def _module(name: str, backend: str, title: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(
            f'the backend {backend} needs {title}; run: pip install "netwright[cluster]"'
        ) from None
