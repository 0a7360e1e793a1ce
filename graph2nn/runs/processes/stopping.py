"""How does a program end that is asked to stop? After the step it is at, with a checkpoint."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from graph2nn.runs.processes.workers import Workers

__all__ = ["StopRequest", "Stopped", "stoppable", "stopped_with", "stopping_between_steps"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = 2.0  # seconds; what comes sooner is the same request, sent by a terminal and a launcher


class Stopped(KeyboardInterrupt):
    """The program was asked to end, by Ctrl-C or by the system.

    Args:
        number: Number of the signal.
        kept: What of the work is kept, and where; "" where nothing is.
    """

    def __init__(self, number: int = signal.SIGINT, kept: str = "") -> None:
        super().__init__(signal.Signals(number).name)
        self.number, self.kept = number, kept


class _Requests:
    """What signals have asked of this process."""

    def __init__(self) -> None:
        self.number = 0
        self.since = 0.0
        self.patient = 0  # loops that look for a request between their steps
        self.lock = threading.Lock()

    def note(self, number: int, _: object) -> None:
        """Take a signal: a loop that looks for it may finish its step, all else ends now."""
        now = time.monotonic()
        again = bool(self.number) and now - self.since > _AGAIN
        if not self.number:
            self.number, self.since = number, now
        if again or not self.patient:
            raise Stopped(number)
        if os.environ.get("RANK", "0") == "0":
            os.write(2, b"\nstopping after this step; once more stops at once\n")


_requests = _Requests()


@contextmanager
def stoppable() -> Iterator[None]:
    """Take Ctrl-C and SIGTERM as requests to stop, in the block; for programs, not libraries.

    A training loop then finishes its step and saves (`stopping_between_steps`); other code ends
    where it is, as does a loop at the second request. A signal that is ignored stays so.
    """
    before = {n: signal.getsignal(n) for n in _SIGNALS}
    mine = {n for n, handler in before.items() if handler is not signal.SIG_IGN}
    for number in mine:
        signal.signal(number, _requests.note)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])
        _requests.number = 0


class StopRequest:
    """What a training loop asks between its steps.

    Args:
        workers: Processes of the run, which stop after the same step.
    """

    def __init__(self, workers: Workers | None = None) -> None:
        self._workers = workers

    def asked(self) -> bool:
        """Tell whether this process, or another of the run, is to stop; called in all of them."""
        mine = bool(_requests.number)
        return mine if self._workers is None else self._workers.any_true(mine)

    def stop(self, kept: str) -> NoReturn:
        """Leave the loop.

        Args:
            kept: What of the work is kept, and where.

        Raises:
            Stopped: Always.
        """
        raise Stopped(_requests.number or signal.SIGTERM, kept)


@contextmanager
def stopped_with(kept: str) -> Iterator[None]:
    """Say what is kept if the block is stopped, unless something within has said it.

    Args:
        kept: What of the work is kept, and where.
    """
    try:
        yield
    except Stopped as stop:
        stop.kept = stop.kept or kept
        raise


@contextmanager
def stopping_between_steps(workers: Workers | None = None) -> Iterator[StopRequest]:
    """Hold requests to stop back until the loop in the block asks for them.

    Outside of `stoppable` nothing is held back and nothing asked.

    Args:
        workers: Processes of the run.

    Raises:
        Stopped: The request came after the loop last asked.
    """
    with _requests.lock:
        _requests.patient += 1
    try:
        yield StopRequest(workers)
    finally:
        with _requests.lock:
            _requests.patient -= 1
    if _requests.number and not _requests.patient:
        raise Stopped(_requests.number)
