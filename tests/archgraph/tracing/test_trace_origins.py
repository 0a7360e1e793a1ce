"""What an op reads is found through shared memory, other names and transformations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from graph2nn.archgraph import coverage, trace
from graph2nn.archgraph.tracing.origins import overlap


class Net(nn.Module):
    def __init__(self, act: Callable[[Net, Tensor], Any]) -> None:
        super().__init__()
        self.act = act
        self.a, self.b, self.fc = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 10)
        self.narrow = nn.Linear(2, 3)
        self.w = nn.Parameter(torch.rand(4, 4))
        self.all = [self.w]
        self.register_buffer("buffer", torch.zeros(2, 4))

    def forward(self, x: Tensor) -> Any:
        return self.act(self, x)


@dataclass(slots=True)
class Slots:
    first: Tensor
    more: list[Tensor]


class Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x


def sum_after_the_view(n: Net, x: Tensor) -> Tensor:
    h = n.a(x)
    v = h[:, :2]
    h += n.b(x)
    return n.narrow(v)


def sum_through_another_view(n: Net, x: Tensor) -> Tensor:
    h = n.a(x)
    v, w = h[:, :3], h[:, 1:]
    w += n.b(x)[:, 1:]
    return n.narrow(v[:, :2])


def sum_on_a_buffer(n: Net, x: Tensor) -> Tensor:
    n.buffer += n.b(x)
    return n.fc(n.buffer + n.a(x))


def sum_on_a_view_of_a_buffer(n: Net, x: Tensor) -> Tensor:
    n.buffer[:, :2].add_(n.b(x)[:, :2])
    return n.fc(n.buffer + n.a(x))


def sum_through_data(n: Net, x: Tensor) -> Tensor:
    h = n.a(x)
    h.data.add_(n.b(x))
    return n.fc(h)


def sum_through_detach(n: Net, x: Tensor) -> Tensor:
    h = n.a(x)
    d = h.detach()
    h += n.b(x)
    return n.fc(d)


def into_given_memory(n: Net, x: Tensor) -> Tensor:
    out = torch.empty(2, 4, device=x.device)
    torch.add(n.a(x), n.b(x), out=out)
    return n.fc(out)


def sums_of_lists(n: Net, x: Tensor) -> Tensor:
    sums = [n.a(x), n.a(x)]
    torch._foreach_add_(sums, [n.b(x), n.b(x)])
    return n.fc(sums[1])


def through_a_list(n: Net, x: Tensor) -> Tensor:
    return n.fc(n.a(n.b(x)) @ n.all[0])


def through_new_data(n: Net, x: Tensor) -> Tensor:
    n.w.data = n.w.data * 2
    return n.fc(n.a(n.b(x)) @ n.w)


def through_vmap(n: Net, x: Tensor) -> Tensor:
    return n.fc(torch.vmap(lambda row: n.b(n.a(row)) @ n.w)(x))


def through_vmap_of_the_last_axis(n: Net, x: Tensor) -> Tensor:
    columns = (x @ n.w).T.contiguous()
    return n.fc(n.b(torch.vmap(lambda c: n.a(c), in_dims=1, out_dims=1)(columns).T))


def through_the_gradient_of_weights(n: Net, x: Tensor) -> Tensor:
    slope = torch.func.grad(lambda w: ((n.b(n.a(x)) @ w) ** 2).sum())(n.w)
    return n.fc(x @ slope)


def through_gradients_of_samples(n: Net, x: Tensor) -> Tensor:
    slope = torch.func.vmap(torch.func.grad(lambda y: n.b(n.a(y)).pow(2).sum()))(x)
    return n.fc(slope @ n.w)


def through_autograd(n: Net, x: Tensor) -> Tensor:
    with torch.enable_grad():
        y = x.clone().requires_grad_()
        energy = n.b(n.a(y)).pow(2).sum()
        return n.fc(torch.autograd.grad(energy, y)[0])


def through_a_function_of_autograd(n: Net, x: Tensor) -> Tensor:
    return n.fc(Keep.apply(n.b(Keep.apply(n.a(x)))))


def through_checkpoints(n: Net, x: Tensor) -> Tensor:
    h = torch.utils.checkpoint.checkpoint(n.a, x, use_reentrant=False)
    return n.fc(torch.utils.checkpoint.checkpoint(n.b, h, use_reentrant=False))


def as_an_output(n: Net, x: Tensor) -> Any:
    return n.fc(n.b(n.a(x))), n.w


def in_slots(n: Net, x: Tensor) -> Slots:
    return Slots(n.fc(x), [n.a(x), n.b(x)])


def one_by_one(n: Net, x: Tensor) -> Any:
    return (layer(x) for layer in (n.a, n.b, n.fc))


USES = {
    sum_after_the_view: "a b narrow",
    sum_through_another_view: "a b narrow",
    through_a_list: "a b w fc",
    through_new_data: "a b w fc",
    through_vmap: "a b w fc",
    through_vmap_of_the_last_axis: "a b w fc",
    through_the_gradient_of_weights: "a b w fc",
    through_gradients_of_samples: "a b w fc",
    as_an_output: "a b w fc",
    **dict.fromkeys(
        [sum_on_a_buffer, sum_on_a_view_of_a_buffer, sum_through_data, sum_through_detach]
        + [into_given_memory, sums_of_lists, through_autograd, through_a_function_of_autograd]
        + [through_checkpoints, in_slots, one_by_one],
        "a b fc",
    ),
}


@pytest.mark.parametrize("view", ["full", "primitives"])
@pytest.mark.parametrize("act", USES, ids=lambda act: act.__name__)
def test_what_is_used_has_a_node_that_leads_to_an_output(act: Callable, view: Any) -> None:
    model = Net(act)
    wanted = {n for n, _ in model.named_parameters() if n.split(".")[0] in USES[act].split()}
    graph = trace(model, torch.rand(2, 4), view=view)
    report = coverage(graph, model)
    assert not report.cut_off and graph.param_shapes.keys() == wanted, str(report)
    assert graph.note == ""


def edges(graph: Any) -> set[tuple[str, str]]:
    label = [p[0] if p else op for p, op in zip(graph.params, graph.op_names())]
    return {(label[u], label[v]) for u, v in graph.edges.T.tolist()}


def test_a_view_read_after_the_sum_comes_from_both() -> None:
    found = edges(trace(Net(sum_after_the_view), torch.rand(2, 4)))
    assert {("getitem", "narrow.weight"), ("add", "narrow.weight")} <= found


def test_no_edge_from_a_sum_on_the_other_half() -> None:
    def halves(n: Net, x: Tensor) -> Tensor:
        left, right = n.a(x).chunk(2, 1)
        left += n.b(x)[:, :2]
        return n.narrow(right)

    model = Net(halves)
    graph = trace(model, torch.rand(2, 4))
    assert ("add", "narrow.weight") not in edges(graph)
    assert coverage(graph, model).cut_off == ("b.weight", "b.bias")


def test_no_edge_from_what_is_added_after_the_read() -> None:
    def later(n: Net, x: Tensor) -> Tensor:
        h = n.a(x)
        v = h[:, :2]
        out = n.narrow(v)
        h += n.b(x)
        return out

    assert coverage(trace(Net(later), torch.rand(2, 4)), Net(later)).cut_off == (
        "b.weight",
        "b.bias",
    )


def test_own_updates_of_buffers_are_no_ops() -> None:
    def counts(n: Net, x: Tensor) -> Tensor:
        n.buffer.add_(1)
        n.buffer.mul_(0.9)
        return n.fc(x)

    assert trace(Net(counts), torch.rand(2, 4)).op_names() == ["input", "linear", "bias"]


def test_the_use_that_leads_to_the_output_carries_the_parameter() -> None:
    def twice(n: Net, x: Tensor) -> Tensor:
        n.fc(x)
        return n.fc(x.relu())

    model = Net(twice)
    for view in ("full", "primitives"):
        graph = trace(model, torch.rand(2, 4), view=view)  # type: ignore[arg-type]
        assert not coverage(graph, model).cut_off
        assert graph.params[-2:] == (("fc.weight",), ("fc.bias",))


def test_parametrisations_that_are_cached() -> None:
    class Double(nn.Module):
        def forward(self, w: Tensor) -> Tensor:
            return w * 2

    def cached(n: Net, x: Tensor) -> Tensor:
        with parametrize.cached():
            return F.linear(F.linear(x, n.b.weight), n.b.weight)

    model = Net(cached)
    parametrize.register_parametrization(model.b, "weight", Double())
    graph = trace(model, torch.rand(2, 4))
    assert graph.op_names() == ["input", "mul", "linear", "linear"]
    assert not coverage(graph, model).cut_off


@pytest.mark.parametrize(
    ("left", "right", "meet"),
    [
        ((slice(None), slice(0, 2)), (slice(None), slice(2, 4)), False),
        ((slice(None), slice(0, 3)), (slice(None), slice(2, 4)), True),
        ((slice(0, 1),), (slice(1, 2),), False),
        ((0,), (slice(None), 1), True),
        ((slice(None), 0), (slice(None), 1), False),
        ((slice(None), slice(0, 4, 2)), (slice(None), slice(1, 4, 2)), False),
        ((slice(None), slice(None), slice(0, 1)), (slice(None), slice(None), slice(1, 5)), False),
    ],
)
def test_views_with_elements_in_common(left: tuple, right: tuple, meet: bool) -> None:
    whole = torch.arange(2 * 4 * 5).reshape(2, 4, 5)
    a, b = whole[left], whole[right]
    assert bool(set(a.flatten().tolist()) & set(b.flatten().tolist())) == meet
    assert overlap(a, b) == overlap(b, a) == meet
    assert overlap(a, whole) and overlap(whole.permute(2, 0, 1), b)
