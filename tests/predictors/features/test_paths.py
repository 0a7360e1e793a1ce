"""Path statistics: the sweep over all graphs against an enumeration of all paths."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.cells import CELL_OPS, cell_graph, nb201_cell
from predictors.features.padded import padded_batches, vocabulary
from predictors.features.paths import op_subsets, path_statistics, path_statistics_reference

INNER = ("conv_1x1", "conv_3x3", "skip", "none")


def random_dag(rng: np.random.Generator, n: int):
    ops = ["input", *rng.choice(INNER, n - 2), "output"]
    edges = [(u, v) for v in range(1, n) for u in range(v) if rng.random() < 0.5]
    return cell_graph(ops, edges)


@pytest.mark.parametrize("seed", range(4))
def test_the_sweep_equals_the_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graphs = [random_dag(rng, int(n)) for n in rng.integers(2, 9, size=12)]
    for _, batch in padded_batches(graphs, vocabulary(graphs)):
        shape = (*batch.op.shape, 3)
        allowed = rng.random(shape) < 0.8
        weight = rng.integers(0, 4, size=shape).astype(float)
        fast = path_statistics(batch, allowed, weight)
        plain = path_statistics_reference(batch, allowed, weight)
        for field in ("shortest", "longest", "count", "total"):
            np.testing.assert_allclose(getattr(fast, field), getattr(plain, field), err_msg=field)


def test_statistics_of_a_cell_counted_by_hand() -> None:
    graph = nb201_cell([2, 1, 3, 1, 0, 1])  # 0→1 conv_3x3, 0→3 conv_1x1, 1→3 skip
    ((_, batch),) = padded_batches([graph], vocabulary([graph]))
    names = vocabulary([graph])
    live = ((batch.op >= 0) & (batch.op != names.index("none")))[..., None]
    found = path_statistics(batch, live, (~batch.ends)[..., None].astype(float))
    assert (found.shortest[0, 0], found.longest[0, 0]) == (1, 2)
    assert (found.count[0, 0], found.total[0, 0]) == (2, 3)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 3), (4, 15), (5, 21), (8, 17)])
def test_the_number_of_subsets_does_not_explode(count: int, expected: int) -> None:
    subsets = op_subsets(CELL_OPS[:count])
    assert len(subsets) == len(set(subsets)) == expected
    assert CELL_OPS[:count] in subsets


def test_batches_hold_every_graph_once_whatever_their_size() -> None:
    rng = np.random.default_rng(0)
    graphs = [random_dag(rng, int(n)) for n in rng.integers(2, 20, size=50)]
    batches = list(padded_batches(graphs, vocabulary(graphs), entries=900))
    rows = np.concatenate([rows for rows, _ in batches])
    assert sorted(rows) == list(range(50)) and len(batches) > 5
    for rows, batch in batches:
        assert batch.adjacency.sum() == sum(graphs[r].num_edges for r in rows)
        assert batch.end.sum() == len(rows)
