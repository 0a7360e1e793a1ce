"""The token transformer: against its plain twin, in blocks, order of nodes, structure, sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from node_chain import chain
from torch import Tensor

from ghn.trunks import tokens as module
from ghn.trunks.tokens import TOKENS, TokenTrunk
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import reordered

SIZES = (3, 17, 1, 8)


def trunk(tokens: str = "nodes", **fields) -> TokenTrunk:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = TokenTrunk(8, tokens=tokens, **{"layers": 2, "heads": 2, "cutoff": 50, **fields})
        return made.double().eval()


@pytest.fixture
def batch(random_graph, generator) -> tuple[Tensor, list[ArchGraph]]:
    """Graphs of several sizes, one of a single node, with states."""
    x = torch.randn(sum(SIZES), 8, generator=generator, dtype=torch.float64)
    return x, [random_graph(n, n) for n in SIZES]


def gradients(gnn: TokenTrunk, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(y.square().sum(), [x, *gnn.parameters()])


@pytest.mark.parametrize("scores", [2**22, 80])
@pytest.mark.parametrize("tokens", TOKENS)
def test_equals_the_reference(batch, tokens, scores, monkeypatch) -> None:
    """Whole graphs, and blocks of few queries: values and gradients to double precision."""
    monkeypatch.setattr(module, "_SCORES", scores)
    gnn, (x, graphs) = trunk(tokens), batch
    x.requires_grad_()
    ours, plain = gnn(x, graphs), gnn.reference(x, graphs)
    assert ours.shape == x.shape
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    found = gradients(gnn, x, ours)
    torch.testing.assert_close(found, gradients(gnn, x, plain), rtol=1e-9, atol=1e-10)
    assert all(g.abs().sum() > 0 for g in found)


@pytest.mark.parametrize("tokens", TOKENS)
def test_a_batch_equals_one_by_one(batch, tokens) -> None:
    gnn, (x, graphs) = trunk(tokens), batch
    alone = [gnn(part, [graph]) for part, graph in zip(x.split(SIZES), graphs, strict=True)]
    torch.testing.assert_close(gnn(x, graphs), torch.cat(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("seed", range(3))
def test_order_of_nodes_only_reorders_the_states(random_graph, generator, tokens, seed) -> None:
    """Edges are reordered, too; what is left is the rounding of sums."""
    gnn, graph = trunk(tokens), random_graph(20, seed, extra=0.05)
    waiting, order = set(range(20)), []
    rng = np.random.default_rng(seed)
    while waiting:
        ready = [
            v for v in waiting if not waiting.intersection(*[graph.edges[0, graph.edges[1] == v]])
        ]
        order.append(int(rng.choice(sorted(ready))))
        waiting.remove(order[-1])
    assert order != list(range(20))
    x = torch.randn(20, 8, generator=generator, dtype=torch.float64)
    other = reordered(graph, order)
    torch.testing.assert_close(gnn(x[order], [other]), gnn(x, [graph])[order])


@pytest.mark.parametrize("tokens", TOKENS)
def test_edges_and_their_direction_matter(generator, tokens) -> None:
    gnn, graph = trunk(tokens), chain(5)
    x = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    bare = graph.replace(edges=np.zeros((2, 0), int))
    assert not torch.allclose(gnn(x, [graph]), gnn(x, [bare]))
    assert not torch.allclose(gnn(x, [graph]).flip(0), gnn(x.flip(0), [graph]))


def test_nodes_of_equal_depth_are_told_apart_by_the_distance_alone() -> None:
    """0 → 1, 0 → 2, 1 → 3, 2 → 4: which of 3 and 4 follows 1 is not in depths, so not in edges."""
    tree = chain(5).replace(edges=np.array([[0, 0, 1, 2], [1, 2, 3, 4]]))
    crossed = chain(5).replace(edges=np.array([[0, 0, 1, 2], [1, 2, 4, 3]]))
    x = torch.eye(5, 8, dtype=torch.float64)
    for tokens in TOKENS:
        gnn = trunk(tokens)
        told = not torch.allclose(gnn(x, [tree]), gnn(x, [crossed]), rtol=1e-6, atol=1e-6)
        assert told == (tokens != "edges"), tokens


def test_virtual_edges_matter(generator) -> None:
    x = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    near, far = trunk(cutoff=2), trunk(cutoff=50)
    with torch.no_grad():
        for gnn in (near, far):  # rows of paths along edges, against them, and the others
            for table in (p for n, p in gnn.named_parameters() if n == "bias.table.weight"):
                table.copy_(torch.arange(float(len(table)))[:, None] / len(table))
    assert not torch.allclose(near(x, [chain(6)]), far(x, [chain(6)]))


def test_large_graphs_keep_nothing_a_pair(generator, monkeypatch) -> None:
    """For the gradient, too: beside the path lengths, memory grows with the number of tokens."""
    monkeypatch.setattr(module, "_SCORES", 2**16)
    gnn, n = trunk("both", layers=1).float(), 500
    x = torch.randn(n, 8, generator=generator, requires_grad=True)
    sizes = []

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = gnn(x, [chain(n)])
    assert y.isfinite().all() and max(sizes) <= (2 * n - 1) * 3 * 8, "queries, keys and values"
    y.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("tokens", TOKENS)
def test_same_input_same_output(random_graph, generator, tokens) -> None:
    gnn, graph = trunk(tokens), random_graph(12)
    x = torch.randn(12, 8, generator=generator, dtype=torch.float64)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    assert torch.equal(gnn(x, [graph]), gnn.train()(x, [graph]))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_unknown_tokens() -> None:
    with pytest.raises(ValueError, match="tokens: expected one of nodes, edges, both, got 'cells'"):
        TokenTrunk(8, layers=1, heads=2, tokens="cells")
