"""The Graphormer trunk: padding, its edge bias against the plain twin, limits of its tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from node_chain import chain

from ghn.trunks.graphormer import MAX_PATH, Graphormer


def trunk(**fields) -> Graphormer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Graphormer(8, **{"layers": 2, "heads": 2, **fields}).double().eval()


@pytest.mark.parametrize(
    "sizes, cutoff", [((7,), 50), ((7, 7), 1), ((3, 11, 1), 50), ((300,), 400)]
)
def test_edge_bias_equals_reference(random_graph, sizes, cutoff: int) -> None:
    attention = trunk()[0].attn
    n = max(sizes)
    lengths = torch.zeros(len(sizes), n, n, dtype=torch.int64)
    for b, k in enumerate(sizes):
        graph = chain(k) if k == 300 else random_graph(k, b)
        lengths[b, :k, :k] = torch.from_numpy(graph.distances(cutoff))
    lengths.clamp_(max=MAX_PATH)
    fast, plain = attention.edge_bias(lengths), attention.edge_bias_reference(lengths)
    assert fast.shape == (len(sizes), 2, n, n)
    torch.testing.assert_close(fast, plain, rtol=1e-12, atol=1e-12)
    weights = list(attention.proj_e.parameters()) + list(attention.edge_embed.parameters())
    fast_grads = torch.autograd.grad(fast.square().sum(), weights)
    plain_grads = torch.autograd.grad(plain.square().sum(), weights)
    torch.testing.assert_close(fast_grads, plain_grads, rtol=1e-9, atol=1e-11)


def test_padding_changes_nothing(random_graph, generator) -> None:
    gnn = trunk()
    sizes = (3, 17, 8)
    graphs = [random_graph(n, n) for n in sizes]
    x = torch.randn(sum(sizes), 8, generator=generator, dtype=torch.float64)
    alone = [gnn(part, [g]) for part, g in zip(x.split(sizes), graphs, strict=True)]
    torch.testing.assert_close(gnn(x, graphs), torch.cat(alone), rtol=1e-10, atol=1e-10)


def test_gradients_of_a_padded_batch(random_graph, generator) -> None:
    gnn = trunk()
    graphs = [random_graph(n, n) for n in (3, 9)]
    x = torch.randn(12, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    together = torch.autograd.grad(gnn(x, graphs).square().sum(), [x, *gnn.parameters()])
    loss = sum(gnn(p, [g]).square().sum() for p, g in zip(x.split((3, 9)), graphs, strict=True))
    apart = torch.autograd.grad(loss, [x, *gnn.parameters()])
    torch.testing.assert_close(together, apart, rtol=1e-8, atol=1e-9)
    assert all(g.isfinite().all() for g in together)


def test_direction_of_edges_matters(generator) -> None:
    gnn, graph = trunk(), chain(5)
    x = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    bare = graph.replace(edges=np.zeros((2, 0), int))
    assert not torch.allclose(gnn(x, [graph]), gnn(x, [bare]))
    assert not torch.allclose(gnn(x, [graph]).flip(0), gnn(x.flip(0), [graph]))


def test_a_star_of_many_edges_and_a_long_chain(generator) -> None:
    """Degrees above 100 and paths above 254 share the last rows of the tables."""
    star = chain(150).replace(edges=np.stack([np.zeros(149, int), np.arange(1, 150)]))
    gnn = trunk(cutoff=300)
    for graph in (star, chain(300)):
        x = torch.randn(graph.num_nodes, 8, generator=generator, dtype=torch.float64)
        assert gnn(x, [graph]).isfinite().all()


def test_same_input_same_output(random_graph, generator) -> None:
    gnn, graph = trunk(), random_graph(12)
    x = torch.randn(12, 8, generator=generator, dtype=torch.float64)
    assert torch.equal(gnn(x, [graph]), gnn(x, [graph]))


def test_published_start(tiny) -> None:
    """Embeddings truncated normal with std h^-1/2; last decoder layers a fifth, without bias."""
    ghn = tiny(hypernet="graphormer", hid=64, heads=8, max_shape=(16, 16, 3, 3))
    for name, weight in ghn.named_parameters():
        if "embed" in name:
            assert abs(weight.std().item() - 1 / 8) < 0.02, name
    for layer in (ghn.decoder_1d.fc[2], ghn.decoder.conv[2], ghn.decoder.class_layer_predictor[1]):
        assert not layer.bias.any()
        assert layer.weight.abs().max() <= 0.2 / layer.in_features**0.5
