"""Tracing changes nothing of the caller, whatever the network does and however it ends.

Each function below is a network that keeps something somewhere; it is traced on hollow tensors, on
real ones, and with a failure.
"""

from __future__ import annotations

import functools
import random
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from libraries.untouched import untouched
from torch import Tensor, nn

from graph2nn.archgraph import TraceError, trace

TABLE: dict[str, Tensor] = {}
LISTED: list[Tensor] = []
GLOBAL: Tensor | None = None
DEVICE = torch.device("cpu")


@functools.lru_cache
def remembered(size: int) -> Tensor:
    return torch.ones(size, device=DEVICE)


def with_default(x: Tensor, store: dict = {}) -> Tensor:  # noqa: B006 - that is the case
    return store.setdefault("ones", torch.ones(4, device=x.device))


class Holder:
    table: ClassVar[dict[str, Tensor]] = {}

    def __init__(self) -> None:
        self.tensor: Tensor | None = None


@dataclass(slots=True)
class Slotted:
    kept: list = field(default_factory=list)
    tensor: Tensor | None = None


class Keeps(nn.Module):
    """`act` sees the network and the input, and makes what the last layer is given."""

    shared: ClassVar[dict[str, Tensor]] = {}
    of_class: ClassVar[Tensor | None] = None

    def __init__(self, act: Callable[[Keeps, Tensor], Tensor]) -> None:
        super().__init__()
        self.act, self.fc = act, nn.Linear(4, 10)
        self.table: dict[str, Any] = {"inner": [{}]}
        self.ordered: OrderedDict[str, Tensor] = OrderedDict()
        self.listed: list[Tensor] = []
        self.ring: deque[Tensor] = deque(maxlen=2)
        self.groups: defaultdict[str, list[Tensor]] = defaultdict(list)
        self.holder, self.slotted = Holder(), Slotted()
        self.plain, self.array = torch.ones(4), np.zeros(4)
        self.unregistered = [nn.BatchNorm1d(4)]
        self.generators = torch.Generator().manual_seed(3), np.random.default_rng(1)
        self.random = random.Random(2)
        self.register_buffer("buffer", torch.ones(4))
        self.weight = nn.Parameter(torch.ones(4))
        self.weights = [self.weight]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.act(self, x))

    @functools.lru_cache  # noqa: B019 - that is the case
    def method(self, size: int) -> Tensor:
        return torch.ones(size, device=self.fc.weight.device)

    @functools.cached_property
    def computed(self) -> Tensor:
        return torch.ones(4, device=self.fc.weight.device)


def ones(x: Tensor) -> Tensor:
    return torch.ones(4, device=x.device)


def in_dict(net: Keeps, x: Tensor) -> Tensor:
    return x * net.table.setdefault("p", ones(x)) * net.table["inner"][0].setdefault("q", ones(x))


def in_ordered_dict(net: Keeps, x: Tensor) -> Tensor:
    return x * net.ordered.setdefault("p", ones(x))


def in_sequences(net: Keeps, x: Tensor) -> Tensor:
    for kept in (net.listed, net.ring, net.groups["new"], net.slotted.kept):
        if not kept:
            kept.append(ones(x))
        x = x * kept[0]
    return x


def in_objects(net: Keeps, x: Tensor) -> Tensor:
    for kept in (net.holder, net.slotted):
        if kept.tensor is None:
            kept.tensor = ones(x)
        x = x * kept.tensor
    return x * net.holder.table.setdefault("p", ones(x))


def in_class(net: Keeps, x: Tensor) -> Tensor:
    if Keeps.of_class is None:
        Keeps.of_class = ones(x)
    return x * Keeps.of_class * net.shared.setdefault("p", ones(x))


def in_globals(net: Keeps, x: Tensor) -> Tensor:
    global GLOBAL
    if GLOBAL is None:
        GLOBAL = ones(x)
    if not LISTED:
        LISTED.append(ones(x))
    return x * GLOBAL * LISTED[0] * TABLE.setdefault("p", ones(x))


def in_defaults(net: Keeps, x: Tensor) -> Tensor:
    return x * with_default(x)


def closing() -> Callable:
    box: dict[str, Tensor] = {}
    cell = None

    def in_closure(net: Keeps, x: Tensor) -> Tensor:
        nonlocal cell
        cell = ones(x) if cell is None else cell
        return x * cell * box.setdefault("p", ones(x))

    return in_closure


def in_function_caches(net: Keeps, x: Tensor) -> Tensor:
    global DEVICE
    DEVICE = x.device
    return x * remembered(4) * net.method(4)


def in_cached_property(net: Keeps, x: Tensor) -> Tensor:
    return x * net.computed


def in_place(net: Keeps, x: Tensor) -> Tensor:
    net.plain.add_(1)
    net.plain[0] = 7
    net.buffer.mul_(2)
    net.buffer[0] = 5
    net.array += 1
    return x * net.plain * net.buffer * float(net.array[0])


def in_statistics(net: Keeps, x: Tensor) -> Tensor:
    return net.unregistered[0](x)


def in_weights(net: Keeps, x: Tensor) -> Tensor:
    net.weights[0].data.mul_(2)
    net.weight.data = net.weight.data * 3
    net.weights[0].requires_grad_(False)
    net.weights[0].grad = torch.ones(4)
    return x * net.weight


def in_generators(net: Keeps, x: Tensor) -> Tensor:
    drawn = torch.rand(4, generator=net.generators[0]) * net.generators[1].random()
    also = torch.rand(4) * np.random.rand() * random.random()  # noqa: NPY002 - that is the case
    return x + drawn * net.random.random() + also


def in_hooks_and_modules(net: Keeps, x: Tensor) -> Tensor:
    if not hasattr(net, "late"):
        net.late = nn.Linear(4, 4)
        net.fc.register_forward_hook(lambda module, args, out: out * 2)
    return net.late(x)


def in_input(net: Keeps, x: Tensor) -> Tensor:
    return x.mul_(0)


ACTS = [
    *(in_dict, in_ordered_dict, in_sequences, in_objects, in_class, in_globals, in_defaults),
    *(closing(), in_function_caches, in_cached_property, in_place, in_statistics, in_weights),
    *(in_generators, in_hooks_and_modules, in_input),
]


def outside(act: Callable) -> list[Any]:
    cells = [cell.cell_contents for cell in act.__closure__ or ()]
    return [TABLE, LISTED, GLOBAL, Holder.table, with_default.__defaults__, Keeps.of_class, *cells]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    global GLOBAL
    yield
    for kept in (TABLE, LISTED, Holder.table, Keeps.shared, with_default.__defaults__[0]):
        kept.clear()
    GLOBAL = Keeps.of_class = None
    remembered.cache_clear()


@pytest.mark.parametrize("end", ["", "item", "failure"])
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_nothing_changes_and_the_network_still_runs(act: Callable, end: str) -> None:
    def ends(net: Keeps, x: Tensor) -> Tensor:
        y = act(net, x)
        if end == "item" and net.fc.weight.sum().item() > 1e9:
            raise AssertionError
        return y[:, :3] if end == "failure" else y

    model, x = Keeps(ends), torch.rand(2, 4)
    with untouched(model, x):
        before = outside(act)
        if end == "failure":
            with pytest.raises(TraceError, match="module 'fc' failed"):
                trace(model, x)
        else:
            assert ("real values in eval mode" in trace(model, x).note) == (end == "item")
        after = outside(act)
    assert len(before) == len(after)
    assert all(b is a or b == a for b, a in zip(before, after))
    if end != "failure":
        assert not model(x).is_meta


class Data:
    """An input object, as graph libraries have."""

    def __init__(self) -> None:
        self.x, self.seen = torch.rand(3, 4), {"steps": [torch.zeros(1)]}


def test_input_objects_stay_and_their_tensors_are_inputs() -> None:
    class Assigns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, data: Data) -> Tensor:
            data.x = torch.relu(self.a(data.x))
            data.seen["steps"].append(data.x)
            data.new = data.x
            return self.b(data.x)

    model, data = Assigns(), Data()
    with untouched(model, data):
        graph = trace(model, data)
    assert graph.op_names() == ["input", "input", "linear", "bias", "relu", "linear", "bias"]
    assert graph.note == ""


def test_an_input_that_cannot_be_copied_is_put_back() -> None:
    class Stubborn(Data):
        def __deepcopy__(self, memo: dict) -> Data:
            raise TypeError("no copies")

    class Assigns(nn.Module):
        def forward(self, data: Data) -> Tensor:
            data.x = data.x.mul_(0) + 1
            return data.x

    data = Stubborn()
    with untouched(data):
        trace(Assigns(), data)


def test_one_tensor_given_twice_stays_one() -> None:
    class Compares(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x.relu() if x is y else x.tanh()

    x = torch.zeros(2)
    assert trace(Compares(), (x, x)).op_names()[-1] == "relu"


def test_hooks_of_the_first_pass_do_not_pile_up() -> None:
    model = Keeps(in_hooks_and_modules)
    for _ in range(2):
        trace(model, torch.rand(2, 4))
    assert not model.fc._forward_hooks and not hasattr(model, "late")


def test_what_hooks_collect_elsewhere_holds_no_hollow_tensors() -> None:
    model, seen, shapes = nn.Linear(4, 2), {}, []

    def hook(module: nn.Module, args: tuple, out: Tensor) -> None:
        seen["out"] = out
        shapes.append(tuple(out.shape))

    model.register_forward_hook(hook)
    trace(model, torch.zeros(3, 4))
    assert seen == {} and shapes == [(3, 2)]


def test_random_steps_are_the_same_in_every_trace() -> None:
    """Layers dropped at random, by any of the generators, make one graph."""

    class Drops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(24))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                draws = random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002
                x = layer(x) if min(draws) > 0.2 else x
            return x

    graphs = []
    for seed in range(3):
        torch.manual_seed(seed)
        random.seed(seed)
        graphs.append(trace(Drops(), torch.zeros(1, 4)))
    assert graphs[0] == graphs[1] == graphs[2]
    assert 1 < graphs[0].num_nodes < 49


def test_large_weights_are_not_copied_on_the_way() -> None:
    """What a run on real values writes to is copied, and nothing else."""

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.large, self.counter = nn.Linear(1000, 1000), nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.counter.data.add_(1)
            return self.large(x) if self.large.weight[0, 0].item() < 9 else x

    copied: list[int] = []
    clone = torch.UntypedStorage.clone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.UntypedStorage,
            "clone",
            lambda storage: copied.append(storage.nbytes()) or clone(storage),
        )
        model = Reads()
        trace(model, torch.zeros(1, 1000))
    assert sum(copied) == 4 and model.counter.item() == 0


def test_networks_of_torch_fx_are_put_back() -> None:
    model = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    x = torch.rand(2, 4)
    with untouched(model, x):
        trace(model, x)
    assert model(x).shape == (2, 4)
