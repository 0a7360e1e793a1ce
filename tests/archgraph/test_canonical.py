"""The canonical form: pruning, contraction, and one numbering for isomorphic graphs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import (
    canonical,
    canonical_key,
    isomorphic_variants,
    reordered,
)
from graph2nn.cells import cell_graph, macro_network, nb101_cell, nb201_cell
from graph2nn.deepnets import build_graph, sample_config, split_rules


def same(a: ArchGraph, b: ArchGraph) -> bool:
    arrays = ("op", "shape", "edges", "cell")
    return a.outputs == b.outputs and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays
    )


def random_dag(rng: np.random.Generator, ops: list[str], largest: int = 13) -> ArchGraph:
    n, density = int(rng.integers(2, largest)), rng.random()
    pairs = [(u, v) for u in range(n) for v in range(u + 1, n) if rng.random() < density]
    return cell_graph(["input", *rng.choice(ops, n - 2), "output"], pairs)


def undirected(graph: nx.Graph) -> ArchGraph:
    n = graph.number_of_nodes()
    pairs = np.sort(np.array(nx.convert_node_labels_to_integers(graph).edges).reshape(-1, 2))
    return ArchGraph(
        op=np.zeros(n, dtype=np.int64),
        shape=np.zeros((n, 4), dtype=np.int64),
        edges=pairs[np.lexsort(pairs.T[::-1])].T.copy(),
        params=((),) * n,
        param_shapes={},
        cell=np.zeros(n, dtype=np.int64),
        ops=("node",),
    )


def isomorphic(a: ArchGraph, b: ArchGraph) -> bool:
    graphs = []
    for graph in (a, b):
        g = nx.DiGraph()
        g.add_nodes_from((k, {"op": op}) for k, op in enumerate(graph.op_names()))
        g.add_edges_from(graph.edges.T.tolist())
        graphs.append(g)
    return nx.is_isomorphic(*graphs, node_match=lambda x, y: x == y)


@pytest.mark.parametrize("ops", [["conv_3x3"], ["skip"], ["conv_3x3", "skip", "none", "conv_1x1"]])
def test_relabelled_dags_have_one_form(ops: list[str]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        graph = random_dag(rng, ops)
        form, order = canonical(graph), canonical(graph, prune=False)
        assert same(canonical(form), form)
        for variant in isomorphic_variants(graph, 2, rng):
            assert same(canonical(variant), form)
            assert same(canonical(variant, prune=False), order)


def test_keys_agree_with_isomorphism() -> None:
    rng = np.random.default_rng(1)
    graphs = [random_dag(rng, ["conv_3x3", "conv_1x1"], 6) for _ in range(120)]
    keys = [canonical_key(g) for g in graphs]
    forms = [canonical(g) for g in graphs]
    pairs = list(itertools.combinations(range(len(graphs)), 2))
    equal = [keys[a] == keys[b] for a, b in pairs]
    assert 20 < sum(equal) < len(pairs)
    assert equal == [isomorphic(forms[a], forms[b]) for a, b in pairs]


@pytest.mark.parametrize(
    "graph",
    [
        nx.circulant_graph(64, [1, 2, 3]),
        nx.complete_graph(64),
        nx.watts_strogatz_graph(64, 8, 0.2, seed=1),
        nx.hypercube_graph(5),
        nx.petersen_graph(),
        nx.disjoint_union_all([nx.cycle_graph(6)] * 5),
        nx.random_regular_graph(4, 40, seed=1),
    ],
    ids=["ring", "complete", "ws", "cube", "petersen", "cycles", "regular"],
)
def test_relational_graphs_are_undirected_and_never_pruned(graph: nx.Graph) -> None:
    given = undirected(graph)
    form = canonical(given)
    assert form.num_nodes == given.num_nodes and form.num_edges == given.num_edges
    for variant in isomorphic_variants(given, 3, 0):
        assert same(canonical(variant), form)


def test_equal_parallel_branches() -> None:
    count = 12
    pairs = [
        p for b in range(0, 3 * count, 3) for p in [(0, b + 1), (b + 1, b + 2), (b + 2, b + 3)]
    ]
    pairs += [(b + 3, 3 * count + 1) for b in range(0, 3 * count, 3)]
    graph = cell_graph(["input", *["conv_3x3"] * (3 * count), "output"], pairs)
    form = canonical(graph)
    for variant in isomorphic_variants(graph, 3, 0):
        assert same(canonical(variant), form)


@pytest.mark.parametrize("split", ["train", "dense", "bnfree"])
def test_deepnets_graphs(split: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(8):
        graph = replace(
            build_graph(sample_config(split_rules(split), rng), name="net"),
            attributes={"flops": 3.0},
        )
        form = canonical(graph)
        assert form.num_nodes == graph.num_nodes  # the builder leaves nothing dead
        assert form.num_params() == graph.num_params()
        assert form.name == "net" and form.attributes == {"flops": 3.0}
        for variant in isomorphic_variants(graph, 2, rng):
            assert same(canonical(variant), form)
            assert canonical_key(variant) == canonical_key(graph)
            shapes = [[s for _, _, s in g.parameters()] for g in (canonical(variant), form)]
            assert shapes[0] == shapes[1]


def test_unique_cells_of_nas_bench_201() -> None:
    codes = itertools.product(range(5), repeat=6)
    keys = {canonical_key(nb201_cell(code)) for code in codes}
    # The benchmark's own strings tell 6466 apart (arXiv:2001.00326): they keep sums of zeros and
    # nested sums apart, and take one shared operation for two equal ones.
    assert len(keys) == 5425


def test_a_cell_without_path_stays_valid() -> None:
    form = canonical(nb201_cell([1] * 6))
    assert form.op_names() == ["input", "output"] and form.num_edges == 0
    assert same(canonical(nb201_cell([2, 1, 1, 1, 1, 2])), form)


def test_identities_that_count_stay() -> None:
    both = canonical(nb201_cell([0, 1, 0, 1, 0, 1]))  # input reaches the output twice
    assert both.op_names() == ["input", "skip", "output"]
    assert both.edges.T.tolist() == [[0, 1], [0, 2], [1, 2]]
    once = canonical(nb201_cell([0, 1, 1, 1, 0, 1]))
    assert once.op_names() == ["input", "output"] and once.num_edges == 1
    four = canonical(nb201_cell([0] * 6))
    assert four.op_names() == ["input", "skip", "skip", "skip", "output"]
    wired = cell_graph(
        ["input", "skip", "skip", "conv_3x3", "output"],
        [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)],
    )
    plain = cell_graph(["input", "skip", "conv_3x3", "output"], [(0, 1), (0, 2), (1, 2), (2, 3)])
    assert canonical_key(wired) == canonical_key(plain)


def test_sums_that_double_again_and_again_stay_as_they_are() -> None:
    levels = 40
    pairs = [(0, 1), (0, 2)]
    for k in range(1, levels):
        pairs += [
            (2 * k - 1, 2 * k + 1),
            (2 * k, 2 * k + 1),
            (2 * k - 1, 2 * k + 2),
            (2 * k, 2 * k + 2),
        ]
    last = 2 * levels + 1
    graph = cell_graph(
        ["input", *["skip"] * (2 * levels), "output"], [*pairs, (last - 2, last), (last - 1, last)]
    )
    form = canonical(graph)
    assert form.num_nodes == graph.num_nodes
    assert same(canonical(isomorphic_variants(graph, 1, 0)[0]), form)


def test_an_identity_that_enters_a_stage_stays() -> None:
    form = canonical(macro_network("01002010"))
    ops = ["skip", "mbconv_k3_e3", "skip", "mbconv_k5_e6", "skip", "mbconv_k3_e3"]
    assert form.op_names()[1:-1] == ops
    assert form.cell[1:-1].tolist() == [1, 1, 2, 2, 3, 3]
    assert canonical_key(macro_network("00010000")) == canonical_key(macro_network("00001000"))
    assert canonical_key(macro_network("00100000")) != canonical_key(macro_network("00010000"))


def test_dead_nodes_go() -> None:
    matrix = np.zeros((5, 5), dtype=int)
    matrix[0, 1] = matrix[1, 4] = matrix[0, 2] = matrix[3, 4] = 1
    form = canonical(nb101_cell(matrix, [0, 4, 3, 3, 1]))
    assert form.op_names() == ["input", "conv_3x3", "output"]


def test_parameters_without_inputs_are_sources() -> None:
    graph = cell_graph(["input", "conv_1x1", "conv_3x3", "output"], [(0, 3), (1, 3), (2, 3)])
    graph = replace(
        graph, params=((), ("token",), (), ()), param_shapes={"token": (1, 1, 4)}, name="named"
    )
    form = canonical(graph)
    assert sorted(form.op_names()) == ["conv_1x1", "input", "output"]
    assert form.param_shapes == {"token": (1, 1, 4)} and form.name == "named"


def test_several_outputs_keep_their_places() -> None:
    graph = replace(
        cell_graph(["input", "conv_3x3", "conv_1x1", "conv_1x1"], [(0, 1), (0, 2), (1, 3)]),
        outputs=(1, 2),
    )
    form = canonical(graph)
    assert [form.op_names()[k] for k in form.outputs] == ["conv_1x1", "conv_3x3"]
    assert form.num_nodes == 3
    assert canonical_key(graph) != canonical_key(replace(form, outputs=(1,)))


def test_variants_are_valid_and_seeded() -> None:
    graph = nb201_cell([2, 3, 4, 0, 2, 3])
    one, two = isomorphic_variants(graph, 30, 5), isomorphic_variants(graph, 30, 5)
    assert all(same(a, b) for a, b in zip(one, two))
    assert len({tuple(g.op.tolist()) for g in one}) > 3
    assert all(g.op_names()[-1] == "output" and isomorphic(g, graph) for g in one)


def test_bad_input() -> None:
    graph = nb201_cell([2] * 6)
    with pytest.raises(ValueError, match="at least 0 variants, got -1"):
        isomorphic_variants(graph, -1, 0)
    with pytest.raises(ValueError, match="permutation of 8 nodes"):
        reordered(graph, [0, 1])
