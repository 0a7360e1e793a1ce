"""Features of the living part: equal for networks that compute the same."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.archgraph.canonical import canonical, isomorphic_variants
from graph2nn.cells import cell_graph, macro_network, nb101_cell, nb201_cell
from predictors.features import GraphFeatures

BLOCKS = ("paths", "live", "merge", "flow", "pairs")


def column(graphs, name: str, blocks=BLOCKS) -> np.ndarray:
    features = GraphFeatures(blocks)
    table = features.fit_transform(graphs)
    return table[:, features.get_feature_names_out().tolist().index(name)]


def random_cells(count: int):
    rng = np.random.default_rng(1)
    return [nb201_cell(rng.integers(0, 5, 6)) for _ in range(count)]


def test_isomorphic_graphs_have_equal_features() -> None:
    cells = random_cells(20)
    features = GraphFeatures(BLOCKS).fit(cells)
    twins = [isomorphic_variants(cell, 1, seed=k)[0] for k, cell in enumerate(cells)]
    assert any((a.op != b.op).any() for a, b in zip(cells, twins))
    np.testing.assert_allclose(features.transform(twins), features.transform(cells))


def test_dead_parts_do_not_count() -> None:
    cells = random_cells(20)
    features = GraphFeatures(BLOCKS).fit(cells)
    pruned = [canonical(cell, contract=()) for cell in cells]
    assert sum(c.num_nodes for c in pruned) < sum(c.num_nodes for c in cells)
    np.testing.assert_allclose(features.transform(pruned), features.transform(cells))


def test_contraction_agrees_with_the_canonical_form() -> None:
    cells = [c for c in random_cells(60) if "skip" not in canonical(c).op_names()]
    forms = [canonical(cell) for cell in cells]
    assert any("skip" in c.op_names() for c in cells) and len(cells) > 10
    edges = column(cells, "live: working edges", ("live",))
    nodes = column(cells, "live: working nodes", ("live",))
    assert edges.tolist() == [form.num_edges for form in forms]
    assert nodes.tolist() == [form.num_nodes - 2 for form in forms]


def test_columns_of_a_cell_counted_by_hand() -> None:
    # 0→1 conv_3x3, 0→3 conv_1x1, 1→3 skip, the rest none
    graphs = [nb201_cell([2, 1, 3, 1, 0, 1]), nb201_cell([1] * 6), nb201_cell([4] * 6)]
    expected = {
        "paths: paths": np.log2(1 + 2),
        "paths: mean conv_3x3": 0.5,
        "paths: most conv_1x1+conv_3x3+skip": 2,
        "paths: paths conv_1x1": 1.0,
        "live: live skip": 1,
        "live: fed conv_3x3": 1,
        "live: read conv_3x3": 0,
        "live: read through conv_3x3": 1,
        "live: live edges": 5,
        "live: working edges": 4,
        "live: into output": 2,
        "merge: widest level": 2,
        "merge: nodes a branch": 1,
        "flow: doubled conv_3x3": np.log2(3.01),
        "pairs: conv_3x3 to output": 1,
        "pairs: input to output": 0,
    }
    for name, value in expected.items():
        assert column(graphs, name)[0] == pytest.approx(value), name
    assert column(graphs, "paths: most conv_3x3")[1] == -1, "a cell without a path"
    assert column(graphs, "live: live nodes")[1] == 0


def test_direct_edges_from_input_to_output_are_seen_through_identities() -> None:
    direct = cell_graph(["input", "skip", "conv_3x3", "output"], [(0, 1), (1, 3), (0, 2), (2, 3)])
    bare = nb101_cell(np.triu(np.ones((2, 2), int), 1), [0, 1])
    assert column([direct, bare], "live: input to output", ("live",)).tolist() == [1, 1]


def test_positions_count_only_where_networks_have_stages() -> None:
    networks = [macro_network("01201201"), macro_network("01201221")]
    features = GraphFeatures(("stages", "depth")).fit(networks)
    table = features.transform(networks)
    names = features.get_feature_names_out().tolist()
    changed = [names[k] for k in np.flatnonzero(table[0] != table[1])]
    stage = networks[0].cell[7]
    assert changed == [
        f"stages: stage {stage} mbconv_k5_e6",
        f"stages: stage {stage} skip",
        "depth: depth 7 mbconv_k5_e6",
        "depth: depth 7 skip",
    ]
    cells = random_cells(5)
    both = GraphFeatures(("live", "depth", "stages")).fit_transform(cells)
    assert both.shape == GraphFeatures(("live",)).fit_transform(cells).shape


def test_flow_of_a_thousand_layers_is_a_number() -> None:
    count = 1_100
    ops = ["input", *["conv_3x3"] * count, "output"]
    deep = cell_graph(ops, [(k, k + 1) for k in range(count + 1)])
    features = GraphFeatures(blocks=("flow",)).fit_transform([deep])
    assert np.isfinite(features).all() and features.max() > 990
