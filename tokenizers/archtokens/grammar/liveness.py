"""Which cells carry the signal through a DeepNets-1M network whose operations may be `none`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["FULL", "completable", "survives"]

FULL = 3
"""Mask of a cell whose output depends on both of its inputs; bit i stands for input i."""


@lru_cache(maxsize=4096)
def survives(n_cells: int, normal: int, reduce: int) -> bool:
    """Tell whether the network's output depends on its input, given the masks of its cells.

    Bit i of a mask says that the cell's output depends on the i-th of its two inputs. A cell
    without output is allowed where the next one reads around it; two in a row cut the network, and
    so does a dead last cell. Raising bits of a mask never cuts.

    Examples:
        >>> survives(5, FULL, 0), survives(4, FULL, 0)    # reductions 1 and 3, 1 and 2
        (True, False)
    """
    reductions = (n_cells // 3, 2 * n_cells // 3)
    older = newer = True
    for k in range(n_cells):
        mask = reduce if k > 0 and k in reductions else normal
        older, newer = newer, bool((mask & 1 and older) or (mask & 2 and newer))
    return newer


def completable(n_cells: int, normal: int | None, mask: int, rest: Sequence[int]) -> bool:
    """Tell whether the last step of a cell can still be filled so that the network is connected.

    Only the last step needs looking at: it always is part of the cell's output and may read both
    inputs of the cell, so what comes before it can be made good.

    Args:
        n_cells: Cells of the network.
        normal: Mask of the normal cell when the reduction cell is filled; None for the normal cell
            itself, after which the best of reduction cells can come.
        mask: Inputs on which the cell's output depends so far, as bits.
        rest: What the step's second input could add, while it is open.
    """
    for more in rest or (0,):
        filled = mask | more
        pair = (filled, FULL) if normal is None else (normal, filled)
        if survives(n_cells, *pair):
            return True
    return False
