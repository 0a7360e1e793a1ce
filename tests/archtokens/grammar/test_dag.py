"""The language of labelled DAGs: the cells of the benchmarks, isomorphism, what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical_key, isomorphic_variants
from graph2nn.cells import cell_graph, macro_network, nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from predictors.tables import read_table


def _round_trips(grammar: ArchGrammar, graphs: list[ArchGraph]) -> int:
    """Checks each; returns the number of different strings."""
    codes = set()
    for x in graphs:
        tokens = grammar.encode(x)
        expected = grammar.space.canonical(x) if grammar.canonical else x
        assert grammar.equal(grammar.decode(tokens), expected), x
        codes.add(tuple(tokens))
    return len(codes)


def test_all_cells_of_nas_bench_201() -> None:
    """341 of the 15 625 have no path from input to output: they are no networks."""
    graphs = [nb201_cell(code) for code in itertools.product(range(5), repeat=6)]
    assert _round_trips(ArchGrammar("dag", connected=False), graphs) == 15_625
    grammar = ArchGrammar("dag")
    cut = []
    for x in graphs:
        try:
            tokens = grammar.encode(x)
        except ValueError:
            cut.append(x)
        else:
            assert grammar.equal(grammar.decode(tokens), x)
    assert len(cut) == 341
    with pytest.raises(ValueError, match="every path runs through none; connected=False"):
        grammar.encode(cut[0])


def test_canonical_strings_of_nas_bench_201() -> None:
    """One string for networks that only dead parts, identities or the order of nodes tell apart."""
    rng = np.random.default_rng(0)
    grammar = ArchGrammar("dag", canonical=True)
    strings: dict[str, set[str]] = {}
    for code in rng.integers(5, size=(600, 6)).tolist():
        x = nb201_cell(code)
        if canonical_key(x) == canonical_key(nb201_cell([1] * 6)):
            continue
        strings.setdefault(canonical_key(x), set()).add(grammar.to_string(x))
    assert all(len(same) == 1 for same in strings.values())
    assert len(set().union(*strings.values())) == len(strings) > 200


def test_cells_of_nas_bench_101() -> None:
    plain, grammar = ArchGrammar("dag"), ArchGrammar("dag", canonical=True)
    unlabelled = read_table("nb101_unlabelled").graphs
    assert _round_trips(plain, unlabelled) == len(unlabelled) == 10_250
    raw = read_table("nb101_500").graphs
    assert _round_trips(grammar, raw) == 292
    with pytest.raises(ValueError, match="prune the graph, or use canonical=True"):
        plain.encode(raw[0])


def test_cells_of_transnas_bench_and_macro() -> None:
    grammar = ArchGrammar("dag", connected=False)
    cells = read_table("tnb101_micro").graphs
    assert _round_trips(grammar, cells) == 4096
    stages = macro_network("01201201").cell.max() + 1
    staged = ArchGrammar("dag", stages=int(stages))
    chains = [macro_network(code) for code in itertools.product(range(3), repeat=8)]
    assert _round_trips(staged, chains[::7]) == len(chains[::7])


def test_isomorphic_graphs_have_one_string() -> None:
    grammar = ArchGrammar("dag", canonical=True)
    for x in ArchGrammar("dag", max_nodes=12).sample(40, seed=0):
        same = {grammar.to_string(y) for y in [x, *isomorphic_variants(x, 5, 0)]}
        assert len(same) == 1
    for x in grammar.sample(20, seed=1):
        assert grammar.equal(grammar.decode(grammar.encode(x)), x)


def test_canonical_codes_are_fixed_points() -> None:
    for limit in (None, 2):
        grammar = ArchGrammar("dag", canonical=True, max_nodes=10, max_inputs=limit)
        for tokens in grammar.random_strings(300, 0, length=(0, 40)):
            code = grammar.canonicalise(tokens)
            assert grammar.canonicalise(code) == code


def test_graphs_of_primitives_are_dags_of_another_vocabulary() -> None:
    stream = EndlessNets("train", seed=0)
    graphs = [build_graph(stream[k]) for k in range(30)]
    ops = graphs[0].ops
    grammar = ArchGrammar(
        "dag", ops=ops, last=("bias",), leaves=("pos_enc",), dead=(), max_nodes=1000
    )
    assert _round_trips(grammar, graphs) == 30


def test_text_of_a_cell() -> None:
    grammar = ArchGrammar("dag")
    x = cell_graph(
        ["input", "conv_3x3", "skip", "output"], [(0, 1), (0, 2), (1, 2), (0, 3), (2, 3)]
    )
    # conv reads the input (forced); skip has 2 inputs, 1 and 2 back (forced); the output reads
    # skip (nothing else does) and one other node, the first of two.
    text = "[OP:conv_3x3][OP:skip][1][END][1][0]"
    assert grammar.to_string(x) == text
    assert grammar.equal(grammar.decode(text), x)


def test_none_never_cuts_the_network() -> None:
    grammar = ArchGrammar("dag", ops=("none", "skip"), max_nodes=7)
    for x in grammar.sample(500, seed=0):
        ops, alive = x.op_names(), [True] + [False] * (x.num_nodes - 1)
        for u, v in sorted(x.edges.T.tolist(), key=lambda edge: edge[1]):
            alive[v] = alive[v] or (alive[u] and ops[v] != "none")
        assert alive[-1]


def test_every_node_is_on_a_path() -> None:
    for x in ArchGrammar("dag", max_inputs=3).sample(300, seed=0):
        sources, targets = set(x.edges[0].tolist()), set(x.edges[1].tolist())
        assert targets == set(range(1, x.num_nodes))
        assert sources == set(range(x.num_nodes - 1))
        inner = x.edges[1][x.edges[1] < x.num_nodes - 1]
        assert np.bincount(inner, minlength=1).max(initial=0) <= 3


@pytest.mark.parametrize(
    "ops, edges, message",
    [
        (["input", "gelu", "output"], [(0, 1), (1, 2)], "op 1: the grammar admits .* got 'gelu'"),
        (["input", "skip", "output"], [(0, 2)], r"node 1 \(skip\) has no input"),
        (["input", "skip", "output"], [(0, 1), (0, 2)], r"no path leads from node 1 \(skip\)"),
        (["input"], [], "at least an input and an output, got 1 nodes"),
        (["skip", "output"], [(0, 1)], "op 0: the grammar admits 'input' here, got 'skip'"),
        (["input", "skip"], [(0, 1)], "op last: the grammar admits 'output' here, got 'skip'"),
        (["input", *["skip"] * 31, "output"], [(k, k + 1) for k in range(32)], "op 31: "),
    ],
)
def test_graphs_outside_the_language(
    ops: list[str], edges: list[tuple[int, int]], message: str
) -> None:
    vocabulary = ("input", "skip", "gelu", "output")
    with pytest.raises(ValueError, match=message):
        ArchGrammar("dag").encode(cell_graph(ops, edges, vocabulary=vocabulary))


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"max_nodes": 1}, "max_nodes: expected at least 2"),
        ({"max_inputs": 0}, "max_inputs: expected at least 1"),
        ({"stages": 0}, "stages: expected at least 1"),
        ({"ops": ()}, "at least one operation"),
        ({"ops": ("a]b",)}, "is no token"),
        ({"last": ("none",)}, "last: expected operations that pass values on"),
    ],
)
def test_bad_rules(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchGrammar("dag", **rules)


def test_networks_of_the_wrong_kind() -> None:
    with pytest.raises(ValueError, match="expected an ArchGraph, got str"):
        ArchGrammar("dag").encode("x")
    x = macro_network("00000000")
    with pytest.raises(ValueError, match="stage"):
        ArchGrammar("dag", stages=2).encode(x)
