"""What are C and L of many graphs at once? By compiled loops where numba is installed.

`pip install "netwright[fast]"` brings numba; it is imported on first use only, and without it the
plain functions give the same values, about a hundred times slower.
"""

from __future__ import annotations

import importlib
import random
from types import ModuleType

import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.generators import TRIES, check_ws_flex, ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.graphs.measures import clustering, pack_bits, path_length
from graph2nn.runs.engines import has_numba

__all__ = [
    "ENGINES",
    "compiled_loops",
    "measure_graphs",
    "ws_flex_graphs",
    "ws_flex_measures",
]

ENGINES = ("auto", "numba", "plain")
"""`auto` takes numba where it is installed."""


def compiled_loops(engine: str = "auto") -> ModuleType | None:
    """Import the module of compiled loops; None where the plain functions are to be used.

    Raises:
        ValueError: An unknown engine, or numba asked for and not installed.
    """
    choose("engine", engine, ENGINES)
    if engine == "plain" or (engine == "auto" and not has_numba()):
        return None
    try:
        return importlib.import_module("graph2nn.relational.graphs.compiled")
    except ImportError as error:
        raise ValueError(
            f'engine numba: {error}; run: pip install "netwright[fast]", or use engine "plain"'
        ) from None


def measure_graphs(
    adjacencies: np.ndarray, *, engine: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Compute C and L of many undirected graphs of one size.

    Args:
        adjacencies: Symmetric adjacencies of zero diagonal.
        engine: One of `ENGINES`.

    Returns:
        C and L; L is infinite for a disconnected graph.

    Shapes:
        adjacencies (graphs, n, n) bool; C and L (graphs,) float64.

    Raises:
        ValueError: Another shape, directed graphs, or self-edges.
    """
    tables = np.asarray(adjacencies)
    if tables.ndim != 3 or tables.shape[1] != tables.shape[2] or tables.shape[1] < 2:
        raise ValueError(
            f"expected adjacencies of shape (graphs, n, n) with n >= 2, got {tables.shape}"
        )
    tables = tables.astype(bool)
    if (tables != tables.transpose(0, 2, 1)).any() or tables.diagonal(axis1=1, axis2=2).any():
        raise ValueError(
            "expected symmetric adjacencies without self-edges; measure directed graphs one by "
            "one with `clustering` and `path_length`"
        )
    compiled = compiled_loops(engine)
    if compiled is None:
        graphs = [RelationalGraph(adjacency=table) for table in tables]
        return _both([clustering(g) for g in graphs], [path_length(g) for g in graphs])
    count, n = tables.shape[:2]
    words = pack_bits(tables.reshape(count * n, n)).reshape(count, n, -1)
    c, sums = np.empty(count), np.empty(count, np.int64)
    compiled.measure_many(words, c, sums)
    return c, _lengths(sums, n)


def ws_flex_measures(
    n: int, k: np.ndarray, p: np.ndarray, seed: np.ndarray, *, engine: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Compute C and L of `ws_flex(n, k[i], p[i], seed[i])` for each i, keeping no graph.

    Shapes:
        k, p, seed broadcast to (graphs,); C and L (graphs,) float64.

    Raises:
        ValueError: What `ws_flex` refuses, with the first graph that it refuses.
    """
    k, p, seed = _arguments(n, k, p, seed)
    compiled = compiled_loops(engine)
    if compiled is None:
        graphs = [ws_flex(n, *one) for one in zip(k.tolist(), p.tolist(), seed.tolist())]
        return _both([clustering(g) for g in graphs], [path_length(g) for g in graphs])
    c, sums, _ = _generate(compiled, n, k, p, seed, keep=False)
    return c, _lengths(sums, n)


def ws_flex_graphs(
    n: int, k: np.ndarray, p: np.ndarray, seed: np.ndarray, *, engine: str = "auto"
) -> np.ndarray:
    """Compute the adjacencies of `ws_flex(n, k[i], p[i], seed[i])` for each i.

    Shapes:
        k, p, seed broadcast to (graphs,); the result (graphs, n, n) bool.

    Raises:
        ValueError: What `ws_flex` refuses, with the first graph that it refuses.
    """
    k, p, seed = _arguments(n, k, p, seed)
    compiled = compiled_loops(engine)
    if compiled is None:
        graphs = [ws_flex(n, *one) for one in zip(k.tolist(), p.tolist(), seed.tolist())]
        return np.array([graph.adjacency for graph in graphs]).reshape(len(k), n, n)
    _, _, words = _generate(compiled, n, k, p, seed, keep=True)
    bits = np.unpackbits(words.view(np.uint8), axis=-1, count=n, bitorder="little")
    return bits.astype(bool)


def _arguments(
    n: int, k: np.ndarray, p: np.ndarray, seed: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k, p, seed = np.broadcast_arrays(
        np.atleast_1d(np.asarray(k, float)), np.asarray(p, float), np.asarray(seed)
    )
    if k.ndim != 1:
        raise ValueError(f"expected k, p and seed of one dimension, got shape {k.shape}")
    if seed.size and seed.dtype.kind not in "iu":
        whole = seed.astype(np.int64)
        if (whole != seed).any():
            raise ValueError("expected whole numbers as seeds")
        seed = whole
    for i in np.flatnonzero(~((k >= 2) & (k <= n) & (p >= 0) & (p <= 1)))[:1]:
        check_ws_flex(n, float(k[i]), float(p[i]))
    check_ws_flex(n, 2.0, 0.0)
    return np.ascontiguousarray(k), np.ascontiguousarray(p), np.ascontiguousarray(seed)


def _generate(
    compiled: ModuleType, n: int, k: np.ndarray, p: np.ndarray, seed: np.ndarray, *, keep: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C, sums of distances and, to `keep`, bit sets; in the order asked for."""
    edges = np.round(k * n / 2).astype(np.int64)  # half to even, as Python rounds
    distinct, which = np.unique(seed, return_inverse=True)
    order = np.lexsort((edges, which))
    count = len(k)
    c, sums = np.empty(count), np.empty(count, np.int64)
    words = np.empty((count if keep else 0, n, -(-n // 64)), np.uint64)
    states = np.array([_state(value) for value in distinct.tolist()], dtype=np.uint32)
    which = which.astype(np.int64)
    compiled.sweep_many(n, edges[order], p[order], which[order], states, TRIES, c, sums, words)
    back = np.argsort(order)
    c, sums, words = c[back], sums[back], words[back] if keep else words
    for i in np.flatnonzero(sums < 0)[:1]:
        raise ValueError(
            f"ws_flex(n={n}, k={k[i]}, p={p[i]}, seed={seed[i]}): no connected graph in {TRIES} "
            "tries; raise k, lower p, or take another seed"
        )
    return c, sums, words


def _state(seed: int) -> tuple[int, ...]:
    """The Mersenne twister of a fresh `random.Random(seed)`, all of its 624 words used up."""
    words = random.Random(seed).getstate()[1]
    assert words[-1] == len(words) - 1 == 624
    return words[:-1]


def _lengths(sums: np.ndarray, n: int) -> np.ndarray:
    return np.where(sums < 0, np.inf, sums / (n * (n - 1)))


def _both(c: list[float], length: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(c, dtype=float), np.array(length, dtype=float)
