"""Features of graphs as given: GRAF's, one-hot codes, counts."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.cells import nb101_cell, nb201_cell
from predictors.features import GraphFeatures


def every_op() -> list:
    return [nb201_cell([2, 0, 1, 3, 4, 2]), nb201_cell([1, 1, 1, 1, 1, 1])]


def test_graf_has_65_columns_on_nas_bench_201() -> None:
    features = GraphFeatures(("graf",)).fit(every_op())
    table = features.transform(every_op())
    row = dict(zip(features.get_feature_names_out(), table[0]))
    assert table.shape == (2, 65)
    # edges: 0→1 conv_3x3, 0→2 skip, 1→2 conv_1x1, 1→3 avg_pool, 2→3 conv_3x3
    assert row["graf: number conv_3x3"] == 2 and row["graf: number none"] == 1
    assert row["graf: shortest conv_3x3"] == 9 and row["graf: longest conv_3x3"] == 0
    assert row["graf: shortest conv_3x3+skip"] == 2
    assert row["graf: longest conv_1x1+conv_3x3"] == 3
    assert row["graf: fed conv_3x3+skip"] == 2 and row["graf: read avg_pool_3x3"] == 1
    assert set(table[1]) == {0.0, 6.0, 9.0}


def test_one_hot_codes_tell_all_cells_apart() -> None:
    rng = np.random.default_rng(0)
    codes = np.unique(rng.integers(0, 5, (60, 6)), axis=0)
    table = GraphFeatures(("positions",)).fit_transform([nb201_cell(code) for code in codes])
    assert len(np.unique(table, axis=0)) == len(codes)
    assert (table.sum(1) == 8).all()


def test_counts_and_adjacency() -> None:
    matrix = np.zeros((4, 4), int)
    matrix[[0, 0, 1, 2], [1, 2, 3, 3]] = 1
    cells = [nb101_cell(matrix, [0, 2, 4, 1]), nb101_cell(matrix, [0, 3, 4, 1])]
    counts = GraphFeatures(("counts",)).fit(cells)
    row = dict(zip(counts.get_feature_names_out(), counts.transform(cells)[0]))
    assert row == {
        "counts: count conv_1x1": 0,
        "counts: count conv_3x3": 1,
        "counts: count max_pool_3x3": 1,
        "counts: nodes": 4,
        "counts: edges": 4,
    }
    bits = GraphFeatures(("adjacency",)).fit_transform(cells)
    assert bits[0].tolist() == [1, 1, 0, 0, 1, 1]


@pytest.mark.parametrize("block", ["positions", "adjacency"])
def test_codes_by_node_number_need_one_size(block: str) -> None:
    small = nb101_cell(np.triu(np.ones((2, 2), int), 1), [0, 1])
    with pytest.raises(ValueError, match="need graphs of one size"):
        GraphFeatures((block,)).fit([small, nb201_cell([0] * 6)])
    fitted = GraphFeatures((block,)).fit([nb201_cell([0] * 6)])
    with pytest.raises(ValueError, match="2 to 2 nodes"):
        fitted.transform([small])
