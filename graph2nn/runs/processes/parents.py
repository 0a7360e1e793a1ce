"""Does a process outlive the one that started it? No, however that one ends."""

from __future__ import annotations

import os
import threading
import time

__all__ = ["end_with_parent"]

_EVERY = 0.5  # seconds between two looks


def end_with_parent(parent: int) -> None:
    """Let this process end at once when the one that started it has ended, killed or not.

    Args:
        parent: Number of the process that started this one; if that is gone already, this one ends
            now.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)
