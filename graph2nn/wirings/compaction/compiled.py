"""The compiled loops of products with edges. Import only through `execution`, their twin."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["multiply_edges"]

_TILE = 512  # columns that are worked on before the next: their rows stay in the cache


@njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def multiply_edges(
    pointers: np.ndarray,
    senders: np.ndarray,
    values: np.ndarray,
    bias: np.ndarray,
    sent: np.ndarray,
    heard: np.ndarray,
    first: int,
    end: int,
) -> None:
    """Set heard[:, first:end] = bias + W sent[:, first:end], W given by its rows.

    Four edges at a time, so that sums are loaded and stored once for four products.

    Shapes:
        pointers (receivers + 1,); senders, values (edges,); bias (receivers,); sent (senders, N);
        heard (receivers, N).
    """
    for start in range(first, end, _TILE):
        width = min(_TILE, end - start)
        for row in range(len(pointers) - 1):
            total = heard[row, start : start + width]
            for i in range(width):
                total[i] = bias[row]
            k, last = pointers[row], pointers[row + 1]
            while k + 3 < last:
                u, v, w, x = values[k], values[k + 1], values[k + 2], values[k + 3]
                a = sent[senders[k], start : start + width]
                b = sent[senders[k + 1], start : start + width]
                c = sent[senders[k + 2], start : start + width]
                d = sent[senders[k + 3], start : start + width]
                for i in range(width):
                    total[i] += u * a[i] + v * b[i] + w * c[i] + x * d[i]
                k += 4
            while k < last:
                u = values[k]
                a = sent[senders[k], start : start + width]
                for i in range(width):
                    total[i] += u * a[i]
                k += 1
