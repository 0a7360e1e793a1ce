"""Layers on tokens: blocks of the distance bias against the whole, what a layer mixes."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from archtokens.attention import DistanceBias, TokenBlock
from archtokens.settings import TokenSettings
from archtokens.tokenizer import GraphTokenizer
from graph2nn.cells import cell_graph, nb201_cell

CHAIN = cell_graph(["input", "conv_3x3", "output"], [(0, 1), (1, 2)])
GRAPHS = [CHAIN, nb201_cell([2, 1, 0, 2, 4, 3]), nb201_cell([1, 1, 3, 2, 4, 3])]


def tokens_of(**settings):
    return GraphTokenizer(TokenSettings(**settings))(GRAPHS)


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("special", [(), ("[graph]",)])
@pytest.mark.parametrize("cutoff", [1, 8])
def test_blocks_are_parts_of_the_whole(edges, special, cutoff) -> None:
    tokens = tokens_of(edges=edges, special=special, cutoff=cutoff)
    bias = DistanceBias(cutoff, heads=2)
    whole, (along, against) = bias(tokens), tokens.token_distances()
    for graph, length in enumerate(tokens.mask.sum(1).tolist()):
        for part in (slice(0, length), slice(1, 3)):
            expected = whole[graph, :, part, :length]
            torch.testing.assert_close(bias.block(tokens, graph, part), expected, rtol=0, atol=0)
            ways = tokens.distances_from(graph, part)
            assert torch.equal(ways[0], along[graph, part, :length])
            assert torch.equal(ways[1], against[graph, part, :length])


def test_rows_of_the_bias() -> None:
    """A node and the edges that leave and enter it are told apart, and so are the directions."""
    tokens = GraphTokenizer(TokenSettings(special=(), cutoff=8))([CHAIN])
    bias = DistanceBias(8, heads=1)
    with torch.no_grad():
        bias.table.weight.copy_(torch.arange(21.0)[:, None])
    itself, along, against = 19, (0, 1, 2), (9, 10, 11)
    rows = bias(tokens)[0, 0].int().tolist()  # nodes 0, 1, 2, edges 0 → 1, 1 → 2
    assert rows[0] == [itself, along[1], along[2], along[0], along[1]]
    assert rows[1] == [against[1], itself, along[1], against[0], along[0]]
    assert rows[3] == [against[0], along[0], along[1], 18, along[0]]


def test_tokens_without_distances() -> None:
    tokens = tokens_of(cutoff=0)
    with pytest.raises(ValueError, match="no distances: set cutoff >= 1 in the tokenizer"):
        tokens.distances_from(0, slice(0, 1))
    with pytest.raises(ValueError, match="no distances: set cutoff >= 1 in the tokenizer"):
        DistanceBias(8, heads=1)(tokens)


def test_a_layer_with_and_without_a_batch_axis(generator) -> None:
    block = TokenBlock(8, 2, widening=2).eval()
    x = torch.randn(3, 5, 8, generator=generator)
    attend = F.scaled_dot_product_attention
    together = block(x, attend)
    assert together.shape == x.shape
    for one, expected in zip(x, together, strict=True):
        torch.testing.assert_close(block(one, attend), expected, rtol=1e-5, atol=1e-6)
    # without attention a token knows itself alone
    alone = partial(block, attend=lambda q, k, v, dropout_p: v)
    torch.testing.assert_close(alone(x)[:, 1:2], alone(x[:, 1:2]), rtol=1e-5, atol=1e-6)
