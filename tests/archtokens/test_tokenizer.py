"""Tokens of graphs: what they say, padding, batching, presets and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archtokens.batch import EDGE, NODE, PADDING, SPECIAL, TokenBatch
from archtokens.identifiers import IDENTIFIERS, RANDOM_IDENTIFIERS
from archtokens.reference import tokenize_reference
from archtokens.settings import PRESETS, TokenSettings
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import ArchGraph
from graph2nn.cells import cell_graph, macro_network, nb101_cell, nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph

CHAIN = cell_graph(["input", "conv_3x3", "output"], [(0, 1), (1, 2)], name="chain")
FORK = cell_graph(
    ["input", "conv_1x1", "skip", "conv_3x3", "output"], [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)]
)
MATRIX = np.triu(np.ones((5, 5), dtype=int), 1)
MIXED = [
    CHAIN,
    nb201_cell([2, 1, 0, 2, 4, 3]),
    FORK,
    macro_network("01201201"),
    nb101_cell(MATRIX, [0, 4, 3, 2, 1]),
]


def deepnets(count: int) -> list[ArchGraph]:
    nets = EndlessNets("train", seed=3)
    return [build_graph(nets[k]) for k in range(count)]


def assert_equal(a: TokenBatch, b: TokenBatch) -> None:
    for name in ("token", "kind", "u", "v", "nodes", "edges"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    for name in ("identifiers", "features"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=1e-6)
    assert (a.distance is None) == (b.distance is None)
    assert a.distance is None or b.distance is None or torch.equal(a.distance, b.distance)


def test_tokens_of_a_chain() -> None:
    tokenizer = GraphTokenizer.preset("dag")
    tokens = tokenizer([CHAIN])
    names = [tokenizer.vocabulary[k] for k in tokens.token[0]]
    assert names == ["[graph]", "input", "conv_3x3", "output", "[edge]", "[edge]"]
    assert tokens.kind[0].tolist() == [SPECIAL, NODE, NODE, NODE, EDGE, EDGE]
    assert tokens.u[0].tolist() == [-1, 0, 1, 2, 0, 1]
    assert tokens.v[0].tolist() == [-1, 0, 1, 2, 1, 2]
    node, half = tokens.identifiers[0, 1:4], tokenizer.identifier_width // 2
    assert torch.equal(node[:, :half], node[:, half:])
    assert torch.equal(tokens.identifiers[0, 4], torch.cat([node[0, :half], node[1, :half]]))
    assert not tokens.identifiers[0, 0].any()


def test_padding_is_at_the_end_and_says_nothing() -> None:
    tokens = GraphTokenizer.preset("dag")(MIXED)
    lengths = 1 + tokens.nodes + tokens.edges
    assert torch.equal(tokens.mask, torch.arange(tokens.length) < lengths[:, None])
    rest = ~tokens.mask
    assert rest.any() and (tokens.kind[rest] == PADDING).all()
    assert not tokens.token[rest].any() and (tokens.u[rest] == -1).all()
    assert not tokens.identifiers[rest].any() and not tokens.features[rest].any()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_batched_equals_one_by_one_and_the_plain_twin(preset: str, kind: str) -> None:
    tokenizer = GraphTokenizer.preset(preset, identifiers=kind)
    graphs = MIXED + deepnets(3)
    batch = tokenizer(graphs, seed=7) if kind in RANDOM_IDENTIFIERS else tokenizer(graphs)
    assert_equal(batch, tokenize_reference(tokenizer, graphs, seed=7))
    if kind not in RANDOM_IDENTIFIERS:
        for k, graph in enumerate(graphs):
            assert_equal(batch.select(torch.tensor([k])), tokenizer([graph]))


def test_select_padded_and_refresh() -> None:
    tokenizer = GraphTokenizer.preset("tokengt-lap")
    batch = tokenizer(MIXED)
    assert_equal(batch.select(torch.tensor([2, 0])), tokenizer([MIXED[2], MIXED[0]]))
    assert_equal(batch.padded(40).select(torch.arange(len(MIXED))), batch)
    with pytest.raises(ValueError, match="at least"):
        batch.padded(3)
    flipped = tokenizer.refresh(batch, np.random.default_rng(0))
    assert not torch.equal(flipped.identifiers, batch.identifiers)
    torch.testing.assert_close(flipped.identifiers.abs(), batch.identifiers.abs())
    first, second = flipped.identifiers[..., :16], flipped.identifiers[..., 16:]
    nodes = flipped.kind == NODE
    assert torch.equal(first[nodes], second[nodes])
    drawing = GraphTokenizer.preset("tokengt")
    drawn = drawing.refresh(drawing(MIXED), np.random.default_rng(5))
    assert_equal(drawn, drawing(MIXED, generator=np.random.default_rng(5)))


def test_random_identifiers_follow_the_seed() -> None:
    tokenizer = GraphTokenizer.preset("tokengt")
    assert_equal(tokenizer(MIXED, seed=1), tokenizer(MIXED, seed=1))
    assert_equal(tokenizer(MIXED), tokenizer(MIXED))
    one, two = tokenizer(MIXED, seed=1), tokenizer(MIXED, seed=2)
    assert not torch.equal(one.identifiers, two.identifiers)


def test_distances_between_tokens() -> None:
    tokens = GraphTokenizer.preset("dag")([CHAIN, FORK])
    along, against = tokens.token_distances()
    assert torch.equal(along, against.transpose(1, 2))
    assert along[0, 1, 1:4].tolist() == [0, 1, 2]  # from the input to the three nodes
    assert along[0, 3, 1:4].tolist() == [-1, -1, 0]  # nothing leads from the output
    assert along[0, 4, 5] == 0 and along[0, 5, 4] == -1  # edge 0→1 ends where 1→2 begins
    assert (along[0, 0] == -1).all() and (along[0, 6:] == -1).all()
    short = GraphTokenizer.preset("dag", cutoff=1)([FORK]).token_distances()[0]
    assert short[0, 1, 4] == -1 and short[0, 1, 2] == 1


def test_vocabulary_is_open() -> None:
    ops = ("input", "warp", "output")
    graph = cell_graph(ops, [(0, 1)], vocabulary=ops)
    tokenizer = GraphTokenizer.preset("dag")
    with pytest.raises(ValueError, match=r"graph 1 .*'warp'.*known are input.*fit\(graphs\)"):
        tokenizer([CHAIN, graph])
    assert tokenizer.fit([graph])([graph]).token.max() == len(tokenizer.vocabulary) - 1
    own = GraphTokenizer(ops=ops)
    assert own([graph]).token[0].tolist()[1:4] == [5, 6, 7]
    again = GraphTokenizer.from_state(own.state())
    assert again.settings == own.settings and again.ops == own.ops


def test_sizes_are_features() -> None:
    graph = deepnets(1)[0]
    tokens = GraphTokenizer.preset("dag-nodes")([graph])
    expected = np.log2(1 + graph.shape) / 8
    np.testing.assert_allclose(tokens.features[0, 1:, :4].numpy(), expected, rtol=1e-6)
    assert GraphTokenizer.preset("tart")([CHAIN]).features.shape[2] == 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"identifiers": "spectral"}, "identifiers: expected one of none, orf"),
        ({"width": 0}, "width >= 1"),
        ({"special": ("[mask]",)}, r"special: expected some of \[graph\]"),
        ({"features": "all"}, "features: expected sizes or none"),
        ({"max_nodes": 0}, "max_nodes: expected at least 1"),
    ],
)
def test_bad_settings(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TokenSettings(**change)


def test_bad_input() -> None:
    tokenizer = GraphTokenizer.preset("tart", max_nodes=4, max_edges=None)
    with pytest.raises(ValueError, match="preset: expected one of tart"):
        GraphTokenizer.preset("bert")
    with pytest.raises(ValueError, match="at least one ArchGraph"):
        tokenizer([])
    with pytest.raises(ValueError, match=r"graph 1 .*5 nodes, more than the limit of 4; set max_n"):
        tokenizer([CHAIN, FORK])
    with pytest.raises(ValueError, match=r"has 5 edges, more than the limit of 4"):
        GraphTokenizer(max_edges=4)([FORK])
    with pytest.raises(ValueError, match="different operations"):
        GraphTokenizer(ops=("a", "a"))
    with pytest.raises(ValueError, match="no distances: set cutoff"):
        GraphTokenizer.preset("tart")([CHAIN]).token_distances()
