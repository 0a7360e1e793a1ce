"""`FolderLock`: who works in a folder, so that no two runs mix their files."""

from __future__ import annotations

import json
import os
import platform
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import filelock

__all__ = ["LOCK_FILES", "FolderLock", "claimed"]

_LOCK, _HOLDER = ".lock", ".holder.json"
LOCK_FILES = frozenset({_LOCK, _HOLDER})
"""Names of the files that the lock of a folder leaves in it."""

_held: dict[Path, filelock.BaseFileLock] = {}  # of this process, and how many use each
_users: Counter[Path] = Counter()
_claimed: set[Path] = set()
_guard = threading.RLock()


class FolderLock:
    """A folder held by this process, from now until `release` or the end of the process.

    The operating system keeps the lock, so it goes with the process however that ends, and a lock
    left by one that was killed holds up nobody. Within a process a folder can be held repeatedly;
    `first` says whether it was not held before.

    Args:
        folder: Path of an existing folder.
        seconds: Time to wait for another process, which may be about to end.

    Raises:
        ValueError: Another process holds the folder; says which, and since when.
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: str | Path, *, seconds: float = 3.0) -> None:
        self.folder = Path(folder).resolve()
        self._process: int | None = os.getpid()
        with _guard:
            self.first = not _users[self.folder]
            if self.first:
                _held[self.folder] = _acquired(self.folder, seconds)
            _users[self.folder] += 1

    def release(self) -> None:
        """Let others in, unless this process holds the folder elsewhere; again changes nothing."""
        mine, self._process = self._process == os.getpid(), None
        with _guard:
            if not mine or not _users[self.folder]:
                return
            _users[self.folder] -= 1
            if not _users[self.folder]:
                with suppress(OSError):
                    (self.folder / _HOLDER).unlink(missing_ok=True)
                _held.pop(self.folder).release()

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of the process modules may be gone already
            self.release()


@contextmanager
def claimed(folder: str | Path) -> Iterator[None]:
    """Let one thread of this process in at a time.

    Args:
        folder: Path of the folder.

    Raises:
        ValueError: Another thread is in.
    """
    folder = Path(folder).resolve()
    with _guard:
        if folder in _claimed:
            raise ValueError(_refusal(folder, f"process {os.getpid()}, this one, in another call"))
        _claimed.add(folder)
    try:
        yield
    finally:
        _claimed.discard(folder)


def _acquired(folder: Path, seconds: float) -> filelock.BaseFileLock:
    # Not bound to a thread: who lets go of a run may be another than who began it.
    lock = filelock.FileLock(str(folder / _LOCK), thread_local=False)
    try:
        lock.acquire(timeout=seconds, poll_interval=0.1)
    except filelock.Timeout:
        raise ValueError(_refusal(folder, _holder(folder))) from None
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "since": now}
    with suppress(OSError):  # a full disk: the lock holds, only its description is missing
        (folder / _HOLDER).write_text(json.dumps(holder) + "\n", encoding="utf-8")
    return lock


def _holder(folder: Path) -> str:
    try:
        stated = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return f"process {stated['pid']} on {stated['host']} since {stated['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _refusal(folder: Path, holder: str) -> str:
    return (
        f"{folder} is in use by {holder}; two runs in one folder would mix their files: wait for "
        "that one, stop it, or choose another folder"
    )
