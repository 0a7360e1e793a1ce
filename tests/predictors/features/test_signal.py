"""How signals pass, against values by hand, and the analytic targets made of it."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical, isomorphic_variants
from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.relational.as_archgraph import message_graph
from graph2nn.relational.graphs.generators import ws_flex
from predictors.features.padded import padded_batches
from predictors.features.signal import SIGNAL_FEATURES, signal_block
from predictors.features.space import space_of
from predictors.tart.analytic import analytic_targets


def signals(*graphs: ArchGraph) -> list[dict[str, float]]:
    space = space_of(graphs)
    table = np.zeros((len(graphs), len(SIGNAL_FEATURES)))
    for rows, batch in padded_batches(graphs, space.ops):
        names, table[rows] = signal_block(batch, space)
        assert names == list(SIGNAL_FEATURES)
    return [dict(zip(SIGNAL_FEATURES, row.tolist())) for row in table]


def chain(*ops: str) -> ArchGraph:
    names = ["input", *ops, "output"]
    return cell_graph(names, [(k, k + 1) for k in range(len(ops) + 1)])


def test_chains() -> None:
    conv, skip, pool, two = signals(
        chain("conv_3x3"), chain("skip"), chain("avg_pool_3x3"), chain("skip", "conv_1x1")
    )
    assert conv["variance"] == conv["gradient"] == skip["variance"] == skip["gradient"] == 1
    assert conv["mean convolutions"] == conv["mean wide convolutions"] == 1
    assert skip["mean convolutions"] == 0 and two["mean convolutions"] == 1
    assert pool["variance"] == pool["gradient"] == pytest.approx(0.6)
    assert pool["mean pooling"] == pool["mean field growth"] == 1
    assert two["log gradient of 1x1 kernels"] == pytest.approx(np.log(2))
    assert two["mean field growth"] == 0


def test_a_residual_block() -> None:
    # input → conv → +, input → skip → +, then a convolution that sees variance 2
    graph = cell_graph(
        ["input", "conv_3x3", "skip", "conv_1x1", "output"],
        [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)],
    )
    (found,) = signals(graph)
    assert found["variance"] == 1
    # the last convolution divides the gradient by 2, and both branches carry what is left
    assert found["gradient"] == pytest.approx(0.5 + 0.5)
    assert found["mean convolutions"] == pytest.approx(1.5)
    open_end = cell_graph(["input", "conv_3x3", "skip", "output"], [(0, 1), (0, 2), (1, 3), (2, 3)])
    (found,) = signals(open_end)
    assert found["variance"] == found["gradient"] == 2
    assert found["mean convolutions"] == pytest.approx(0.5)


def test_nothing_passes_none_and_dead_nodes_do_not_count() -> None:
    blocked, one, other = signals(
        chain("none"), nb201_cell([2, 1, 1, 1, 1, 1]), nb201_cell([1, 1, 1, 1, 1, 1])
    )
    assert blocked["variance"] == blocked["gradient"] == 0
    assert one == other == blocked


def test_isomorphic_graphs_have_equal_signals() -> None:
    graph = nb201_cell([2, 0, 4, 3, 1, 2])
    found = signals(graph, *isomorphic_variants(graph, 4, 0))
    for row in found[1:]:
        assert row == pytest.approx(found[0])


def test_targets_are_standardised_and_vary() -> None:
    codes = np.random.default_rng(0).integers(0, 5, (60, 6)).tolist()
    names, table = analytic_targets([canonical(nb201_cell(code)) for code in codes])
    assert len(names) == table.shape[1] == len(set(names)) and table.dtype == np.float32
    assert any(name.startswith("signal: ") for name in names)
    assert np.abs(table).max() <= 4 and (table.std(0) > 0.3).all()
    assert np.abs(table.mean(0)).max() < 0.2


def test_relational_graphs_have_targets_of_their_own() -> None:
    graphs = [message_graph(ws_flex(16, 4, p, 1)) for p in (0.0, 0.3, 0.9)]
    names, table = analytic_targets(graphs)
    assert table.shape == (3, len(names)) and not any("signal" in name for name in names)
