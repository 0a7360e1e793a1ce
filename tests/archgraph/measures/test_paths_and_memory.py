"""Critical paths, and peak memory by liveness."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from graph2nn.archgraph import critical_path, measured, peak_memory, trace
from graph2nn.archgraph.tracing.recorder import tensors_in


class Branches(nn.Module):
    """A wide branch beside a deep one."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(10, 10, bias=False)
        self.deep = nn.Sequential(*(nn.Linear(10, 10, bias=False) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(x) + self.deep(x)


X = torch.zeros(3, 10)


def test_the_heaviest_path() -> None:
    graph = measured(Branches(), X)
    assert graph.op_names() == ["input", "linear", "linear", "linear", "add"]
    path = critical_path(graph, "multiply_adds")
    assert path.nodes == (0, 2, 3, 4) and path.length == 600 and path.total == 900
    assert path.parallelism == 1.5
    assert critical_path(graph, None).length == 4
    seconds = graph.replace(columns={**graph.columns, "ms": graph.numbers("flops") * 0.5})
    assert critical_path(seconds, "ms").length == 600 + 15
    with pytest.raises(ValueError, match="column 'ms'"):
        critical_path(graph, "ms")


def test_what_is_held_at_once() -> None:
    """Sizes are 120 bytes each: input all the time, the wide branch until the sum."""
    found = peak_memory(measured(Branches(), X))
    assert found.by_node.tolist() == [120, 240, 360, 480, 480]
    assert found.bytes == 480 and found.node == 3 and found.held == (0, 1, 2, 3)


def test_views_and_changes_in_place_hold_no_more() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            first, second = (x + 1).chunk(2, dim=1)
            first.mul_(2)
            third = torch.relu_(second.reshape(15))
            return third.sum() + first.sum()

    graph = measured(Views(), X)
    found = peak_memory(graph)
    names = graph.op_names()
    by_name = dict(zip(names, found.by_node.tolist()))
    assert by_name["chunk"] == by_name["mul"] == 240
    assert by_name["reshape"] == 240 + 60  # not contiguous, so a copy
    assert found.bytes == 120 + 120 + 60 + 4


def test_outputs_are_held_to_the_end() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x + 1, (x * 2).sum()

    assert peak_memory(measured(Two(), X)).by_node.tolist() == [120, 240, 360, 364]


class Held(TorchDispatchMode):
    """Counts the bytes of all memory that is there, and the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        inputs = {id(t.untyped_storage()) for t in tensors_in((args, kwargs or {}))}
        out = func(*args, **(kwargs or {}))
        for tensor in tensors_in(out):
            storage = tensor.untyped_storage()
            if id(storage) not in self.known | inputs:
                self.known.add(id(storage))
                self.now += storage.nbytes()
                weakref.finalize(storage, self.free, id(storage), storage.nbytes())
        self.most = max(self.most, self.now)
        return out

    def free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def held_bytes(model: nn.Module, x: Tensor) -> int:
    with torch.no_grad(), Held() as held:
        model.eval()(x)
    return held.most + x.nbytes


def test_as_memory_is_held() -> None:
    """Exactly, where no name is kept for a value that nobody reads any more."""
    x = torch.zeros(2, 3, 16, 16)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)]
    flat = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10), nn.GELU())
    assert peak_memory(measured(flat, x)).bytes == held_bytes(flat, x)
    nested = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(*(nn.GELU() for _ in range(4))))
    # The outer `Sequential` has a name for its input while the inner one runs.
    assert held_bytes(nested, x) - peak_memory(measured(nested, x)).bytes == 4 * 2 * 8 * 256


def test_without_measures() -> None:
    with pytest.raises(ValueError, match="column 'memory' .* there are values: trace"):
        peak_memory(trace(Branches(), X))
