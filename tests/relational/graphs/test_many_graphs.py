"""Kernels: numba and plain agree, and meet every published C and L."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys

import numpy as np
import pytest

from graph2nn.relational.graphs import generators, many_graphs
from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.many_graphs import (
    compiled_loops,
    measure_graphs,
    ws_flex_graphs,
    ws_flex_measures,
)
from graph2nn.relational.graphs.measures import clustering, path_length
from graph2nn.relational.graphs.published import PUBLISHED_GRAPHS, published_graph, published_graphs
from graph2nn.runs.engines import has_numba

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")
SIZES = [2, 3, 5, 16, 31, 63, 64, 65, 100, 130]


def arguments(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees from the least to the complete graph, with the seeds out of order."""
    rng = random.Random(n)
    least = min(n, 2.5 if n < 65 else 4)  # on a thinner ring many tries end disconnected
    k = [2, n, max(n - 1, 2), *(rng.uniform(least, n) for _ in range(7))]
    p = [0.0, 1.0, 1.0, 0.5, *(rng.random() for _ in range(6))]
    return np.array(k, float), np.array(p), np.array([3, 1, 2**70, 1, 0, -4, 3, 3, 7, 1], object)


@needs_numba
@pytest.mark.parametrize("n", SIZES)
def test_numba_equals_plain(n: int) -> None:
    k, p, seed = arguments(n)
    seed = np.array([abs(value) % 2**40 for value in seed])
    plain, fast = (ws_flex_graphs(n, k, p, seed, engine=e) for e in ("plain", "numba"))
    assert np.array_equal(plain, fast)
    for a, b in zip(*(measure_graphs(plain, engine=e) for e in ("plain", "numba"))):
        assert np.array_equal(a, b)
    for a, b in zip(*(ws_flex_measures(n, k, p, seed, engine=e) for e in ("plain", "numba"))):
        assert np.array_equal(a, b)


@needs_numba
def test_general_rewiring_equals_one_word() -> None:
    compiled = compiled_loops("numba")
    stream = np.empty(624 * 20, np.uint32)
    compiled._fill(stream, 0, np.array(random.Random(5).getstate()[1][:-1], np.uint32))
    draws = compiled._draws(stream, 64)
    for edges, p in [(300, 0.3), (1500, 0.9), (2016, 1.0)]:
        one, many = np.zeros((2, 64, 1), np.uint64)
        for adjacency in (one, many):
            compiled._ring(adjacency, edges)
        end = compiled._rewire_word(one[:, 0], edges, p, stream, *draws, 0)
        assert end > edges
        assert compiled._rewire(many, edges, p, stream, *draws, 0) == end
        assert np.array_equal(one, many)
        assert compiled._distance_sum_word(one[:, 0]) == compiled._distance_sum_words(one)


@needs_numba
def test_outputs_are_those_of_random() -> None:
    compiled = compiled_loops("numba")
    rng = random.Random(11)
    mt = np.array(rng.getstate()[1][:-1], np.uint32)
    stream = np.empty(624, np.uint32)
    compiled._fill(stream, 0, mt)
    stream = compiled._longer(stream, mt)
    assert stream.tolist() == [rng.getrandbits(32) for _ in range(2 * 624)]


@needs_numba
def test_a_second_try_goes_on_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most rewired rings of degree 2 fall apart, so some need many tries."""
    seed = np.arange(12)
    k, p = np.full(12, 2.0), np.full(12, 0.3)
    assert np.array_equal(
        ws_flex_graphs(200, k, p, seed, engine="numba"),
        ws_flex_graphs(200, k, p, seed, engine="plain"),
    )
    monkeypatch.setattr(many_graphs, "TRIES", 1)
    with pytest.raises(ValueError, match="no connected graph in 1 tries"):
        ws_flex_graphs(200, k, p, seed, engine="numba")


@pytest.mark.parametrize("engine", [pytest.param("numba", marks=needs_numba), "plain"])
def test_out_of_tries(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (many_graphs, generators):
        monkeypatch.setattr(module, "TRIES", 1)
    with pytest.raises(ValueError, match=r"k=2.0, p=1.0, seed=1\): no connected graph in 1"):
        ws_flex_measures(200, 2.0, np.array([0.0, 1.0]), 1, engine=engine)


@pytest.mark.parametrize("name", PUBLISHED_GRAPHS)
def test_published_measures(name: str) -> None:
    """All 6640 published graphs, regenerated: C and L are equal to the last bit."""
    rows = published_graphs(name)
    n = int(rows[0, 0])
    engine = "auto" if has_numba() or len(rows) < 400 else "plain"
    c, length = ws_flex_measures(n, n * rows[:, 1], rows[:, 2], rows[:, 3], engine=engine)
    assert np.array_equal(c, rows[:, 4])
    assert np.array_equal(length, rows[:, 5])


@pytest.mark.parametrize("name", ["n64_52", "n16_48"])
def test_published_measures_one_by_one(name: str) -> None:
    for row in published_graphs(name):
        graph = published_graph(row, rounded=False)
        assert (clustering(graph), path_length(graph)) == (row[4], row[5])


@needs_numba
@pytest.mark.parametrize("nodes", [64, 16])
def test_rounding_to_6_decimals_changes_one_graph(nodes: int) -> None:
    rows = published_graphs("n64_3942" if nodes == 64 else "n16_2698")
    k, p, seed = nodes * rows[:, 1], rows[:, 2], rows[:, 3]
    rounded = nodes * np.round(rows[:, 1], 6), np.round(p, 6)
    changed = ws_flex_graphs(nodes, k, p, seed) != ws_flex_graphs(nodes, *rounded, seed)
    assert changed.any((1, 2)).sum() == (0 if nodes == 64 else 1)


def test_disconnected_length_is_infinite() -> None:
    table = np.zeros((1, 4, 4), bool)
    table[0, 0, 1] = table[0, 1, 0] = True
    for engine in ("plain", *(["numba"] if has_numba() else [])):
        c, length = measure_graphs(table, engine=engine)
        assert (c.tolist(), length.tolist()) == ([0.0], [float("inf")])


def test_numba_is_not_imported_by_the_package() -> None:
    code = (
        "import sys, graph2nn.relational.graphs.many_graphs as k; k.ws_flex_measures(8, 3., .1, 1, "
        "engine='plain'); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert compiled_loops() is None
    monkeypatch.setitem(sys.modules, "graph2nn.relational.graphs.compiled", None)
    with pytest.raises(ValueError, match='pip install "netwright\\[fast\\]"'):
        ws_flex_measures(8, 3.0, 0.1, 1, engine="numba")
    assert ws_flex_measures(8, 3.0, 0.1, 1)[0] == clustering(ws_flex(8, 3.0, 0.1, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ws_flex_measures(16, 17.0, 0.1, 1), "degree k from 2 to n = 16, got 17"),
        (lambda: ws_flex_measures(16, [4, 1.5], 0.1, 1), "got 1.5"),
        (lambda: ws_flex_measures(16, np.nan, 0.1, 1), "got nan"),
        (lambda: ws_flex_graphs(16, 4.0, [0, 1.1], 1), "p from 0 to 1, got 1.1"),
        (lambda: ws_flex_graphs(16, 4.0, 0.1, 1.5), "whole numbers as seeds"),
        (lambda: ws_flex_graphs(1, 2.0, 0.1, 1), "at least 2, got 1"),
        (lambda: ws_flex_graphs(16, [[4.0]], 0.1, 1), "of one dimension"),
        (lambda: ws_flex_graphs(16, 4.0, 0.1, 1, engine="c"), "one of auto, numba, plain"),
        (lambda: measure_graphs(np.zeros((4, 4))), r"shape \(graphs, n, n\)"),
        (lambda: measure_graphs(np.ones((1, 4, 4))), "without self-edges"),
        (lambda: measure_graphs(np.triu(np.ones((1, 4, 4)), 1)), "symmetric"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
