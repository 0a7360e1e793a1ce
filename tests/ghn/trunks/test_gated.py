"""The GatedGNN's level-wise pass against its plain twin, and its invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ghn.trunks.gated import GatedGNN
from ghn.trunks.gated_pass import GatedPass, NodeOrder
from ghn.trunks.mlp import NodeMLP
from graph2nn.archgraph import ArchGraph


def trunk(hid: int = 8, *, ve: bool, cutoff: int = 50) -> GatedGNN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GatedGNN(hid, ve=ve, cutoff=cutoff).double()


def run(gnn: GatedGNN, how: str, x: Tensor, graphs: list[ArchGraph]) -> tuple[Tensor, list]:
    """States, and the gradients of a fixed function of them."""
    x = x.clone().requires_grad_()
    y = getattr(gnn, how)(x, graphs)
    probe = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    inputs = [x, *gnn.parameters()]
    found = torch.autograd.grad((y * probe).sum(), inputs, allow_unused=True)
    return y, [torch.zeros_like(i) if g is None else g for i, g in zip(inputs, found, strict=True)]


@pytest.mark.parametrize("ve, cutoff", [(False, 50), (True, 50), (True, 2)])
@pytest.mark.parametrize("sizes", [(1,), (2,), (13,), (9, 1, 14), (5, 5, 5, 5)])
def test_fast_equals_reference(random_graph, generator, sizes, ve: bool, cutoff: int) -> None:
    gnn = trunk(ve=ve, cutoff=cutoff)
    graphs = [random_graph(n, seed) for seed, n in enumerate(sizes)]
    x = torch.randn(sum(sizes), 8, generator=generator, dtype=torch.float64)
    fast, fast_grads = run(gnn, "forward", x, graphs)
    plain, plain_grads = run(gnn, "reference", x, graphs)
    torch.testing.assert_close(fast, plain, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(fast_grads, plain_grads, rtol=1e-9, atol=1e-11)


def test_batch_equals_single_graphs(random_graph, generator) -> None:
    gnn = trunk(ve=True)
    graphs = [random_graph(n, n) for n in (4, 11, 7)]
    x = torch.randn(22, 8, generator=generator, dtype=torch.float64)
    alone = [gnn(part, [g]) for part, g in zip(x.split([4, 11, 7]), graphs, strict=True)]
    torch.testing.assert_close(gnn(x, graphs), torch.cat(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ve", [False, True])
def test_gradcheck_of_the_pass(random_graph, generator, ve: bool) -> None:
    gnn, graph = trunk(4, ve=ve), random_graph(5, 3)
    x = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    for backward in (False, True):
        order = NodeOrder.of([graph], gnn.cutoff, backward=backward, like=x)
        weights = [w.detach().requires_grad_() for w in gnn._weights()]
        assert torch.autograd.gradcheck(
            lambda x, *w, s=order: GatedPass.apply(x, s, *w), (x, *weights)
        )


def test_the_pass_is_differentiable_once(random_graph, generator) -> None:
    gnn = trunk(ve=True)
    x = torch.randn(4, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    y = gnn(x, [random_graph(4)])
    (g,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_virtual_edges_matter(random_graph, generator) -> None:
    chain = random_graph(6, extra=0.0)
    x = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    near, far = trunk(ve=True, cutoff=2), trunk(ve=True, cutoff=50)
    assert not torch.allclose(near(x, [chain]), far(x, [chain]))


def relabelled(graph: ArchGraph, seed: int) -> tuple[ArchGraph, np.ndarray]:
    """The same graph in another topological order; `order[i]` is the old number of node i."""
    rng = np.random.default_rng(seed)
    waiting = np.bincount(graph.edges[1], minlength=graph.num_nodes)
    ready, order = list(np.flatnonzero(waiting == 0)), []
    while ready:
        u = ready.pop(rng.integers(len(ready)))
        order.append(u)
        for v in graph.edges[1][graph.edges[0] == u]:
            waiting[v] -= 1
            if waiting[v] == 0:
                ready.append(v)
    place = np.argsort(order)
    edges = place[graph.edges]
    return (
        ArchGraph(
            op=graph.op[order],
            shape=graph.shape[order],
            edges=edges[:, np.lexsort((edges[1], edges[0]))],
            params=tuple(graph.params[u] for u in order),
            param_shapes=graph.param_shapes,
            cell=graph.cell[order],
        ),
        np.asarray(order),
    )


@pytest.mark.parametrize("seed", range(3))
def test_any_topological_order_gives_the_same_states(random_graph, generator, seed: int) -> None:
    gnn, graph = trunk(ve=True), random_graph(20, seed, extra=0.05)
    other, order = relabelled(graph, seed)
    assert (order != np.arange(20)).any()
    x = torch.randn(20, 8, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(gnn(x[order], [other]), gnn(x, [graph])[order])


@pytest.mark.parametrize("hypernet", ["gatedgnn", "mlp", "graphormer", "tokens"])
def test_any_topological_order_gives_the_same_parameters(tiny, random_graph, hypernet) -> None:
    ghn, graph = tiny(hypernet=hypernet), random_graph(20, 1, extra=0.05)
    other, order = relabelled(graph, 1)
    ours, theirs = ghn.predict_graphs([graph, other])
    ends = {18, 19, *order[-2:]}  # the classification layer, by position
    for node in set(range(20)) - ends:
        torch.testing.assert_close(ours[f"p{node}"], theirs[f"p{node}"], rtol=1e-4, atol=1e-5)


def test_same_input_same_output(random_graph, generator) -> None:
    gnn, graph = trunk(ve=True), random_graph(30, 2)
    x = torch.randn(30, 8, generator=generator, dtype=torch.float64)
    assert torch.equal(gnn(x, [graph]), gnn(x, [graph]))


def test_the_mlp_trunk_ignores_edges(generator, random_graph) -> None:
    mlp = NodeMLP(8)
    x = torch.randn(3, 8, generator=generator)
    y = mlp(x, [random_graph(3)])
    torch.testing.assert_close(y, mlp(x))
    assert (y >= 0).all() and y.shape == (3, 8)
