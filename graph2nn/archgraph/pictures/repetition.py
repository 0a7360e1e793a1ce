"""Where does a sequence repeat itself? Runs of equal stretches, found greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Repetition", "repetitions"]

_LONGEST = 48  # items of a stretch that is looked for


class Repetition(NamedTuple):
    """The stretch from `start` to `stop` is one of `period` items, several times over."""

    start: int
    stop: int
    period: int


def repetitions(keys: Sequence[int]) -> list[Repetition]:
    """Find stretches that repeat at once, first to last; the one that covers most wins.

    Of stretches that cover equally much the shortest wins: `ababab` is `ab` thrice.

    Args:
        keys: Numbers of the items; equal items have equal numbers.

    Examples:
        >>> repetitions([7, 1, 2, 1, 2, 1, 2, 5])
        [Repetition(start=1, stop=7, period=2)]
    """
    n = len(keys)
    values = np.asarray(keys, dtype=np.int64)
    covered = np.zeros(n, dtype=np.int64)
    period = np.ones(n, dtype=np.int64)
    for p in range(1, min(_LONGEST, n // 2) + 1):
        cover = _cover(values, p)
        better = cover > covered
        covered[better], period[better] = cover[better], p
    found, k = [], 0
    while k < n:
        if not covered[k]:
            k += 1
            continue
        # a longer cover that begins within the first stretch is worth waiting for
        ahead = covered[k : k + period[k]]
        k += int(ahead.argmax()) if ahead.max() > covered[k] + period[k] else 0
        found.append(Repetition(k, int(k + covered[k]), int(period[k])))
        k = found[-1].stop
    return found


def _cover(values: np.ndarray, period: int) -> np.ndarray:
    """Items covered by repeats of the stretch that begins at each item, 0 if it comes but once."""
    same = values[period:] == values[:-period]
    ends = np.append(np.flatnonzero(~same), len(same))
    run = ends[np.searchsorted(ends, np.arange(len(same)))] - np.arange(len(same))
    cover = np.zeros(len(values), dtype=np.int64)
    cover[: len(same)] = np.where(run >= period, (run // period + 1) * period, 0)
    return cover
