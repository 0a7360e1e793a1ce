"""How does a program become several processes on this machine that are one run?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from torch import distributed as dist

from graph2nn.runs.processes.stopping import Stopped

__all__ = ["relaunch"]

_PATIENCE = 30.0  # seconds for a checkpoint
_EVERY = 0.1


def relaunch(processes: int) -> int:
    """Run this program once more, with its arguments, in several processes that are one run.

    They end when this process does, however it ends; a request to stop is passed on to them, and
    when one fails the others are stopped.

    Args:
        processes: Their number.

    Returns:
        The exit status: 0, or that of the first that failed.

    Raises:
        Stopped: This process was asked to stop, and all have ended.
    """
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    shared = {
        "OMP_NUM_THREADS": threads,
        **os.environ,
        "WORLD_SIZE": str(processes),
        "NETWRIGHT_LAUNCHER": f"{os.getpid()}:{store.port}",
    }
    started: list[subprocess.Popen] = []
    try:
        for rank in range(processes):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            started.append(subprocess.Popen([sys.executable, *sys.argv], env={**shared, **own}))
        status = _first_failure(started)
        if status < 0:
            name = signal.Signals(-status).name
            print(f"a process of the run was ended by {name}; the others stop", file=sys.stderr)
            status = 128 - status
        return status
    except Stopped as stop:
        _wait(started)
        if any(process.returncode == 128 + stop.number for process in started):
            sys.exit(128 + stop.number)  # they have said what is kept
        raise
    finally:
        _end(started)


def _first_failure(started: list[subprocess.Popen]) -> int:
    """Wait for all to end, or for one to fail."""
    while True:
        ended = [process.poll() for process in started]
        failed = [status for status in ended if status]
        if failed or None not in ended:
            return failed[0] if failed else 0
        time.sleep(_EVERY)


def _wait(started: list[subprocess.Popen]) -> None:
    """Ask all to stop, and let them save."""
    for process in started:
        with suppress(OSError):
            process.terminate()
    end = time.monotonic() + _PATIENCE
    for process in started:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))


def _end(started: list[subprocess.Popen]) -> None:
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
