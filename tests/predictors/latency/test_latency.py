"""Latency: measuring, the list of small networks, what is learned from them, where time goes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, critical_path, measured, trace
from predictors import LatencyPredictor, load
from predictors.latency import (
    CLOCKS,
    SECONDS,
    SmallNetwork,
    build_small,
    learn_machine,
    machine,
    measure,
    profile,
    small_networks,
    time_networks,
    where_time_goes,
)
from predictors.latency.blocks import BLOCKS
from predictors.latency.machine import MachineTimes
from predictors.latency.odd import ODD
from predictors.latency.operations import KINDS, NUMBERS, join_operations, read_operations
from predictors.metrics import kendall_tau

# ---- measuring ---------------------------------------------------------------------------------


class Modes(nn.Module):
    """Notes the modes that it is run in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.seen: list[tuple] = []

    def forward(self, x: Tensor) -> Tensor:
        modes = self.training, torch.is_grad_enabled(), torch.get_num_threads()
        self.seen.append(modes)
        return self.layer(x)


@pytest.mark.parametrize("clock", CLOCKS)
def test_measure_runs_what_it_says_and_puts_all_back(clock: str) -> None:
    model, before = Modes(), torch.get_num_threads()
    model.layer.eval()
    found = measure(model, torch.rand(2, 4), rounds=6, warmup=2, threads=2, clock=clock)
    assert found.seconds.shape == (6,) and found.least <= found.median and found.spread >= 0
    assert model.seen == [(False, False, 2)] * 8
    assert model.training and not model.layer.training and torch.get_num_threads() == before
    assert "ms" in str(found) and "6 rounds" in str(found)


def test_measure_stops_when_time_is_up() -> None:
    slow = nn.Sequential(*(nn.Linear(400, 400) for _ in range(20)))
    found = measure(slow, torch.rand(400, 400), rounds=10_000, at_most=0.01)
    assert len(found.seconds) == 5  # of each kind, however long they take


def test_larger_networks_take_longer() -> None:
    def net(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 64))

    images = torch.rand(64, 64)
    small, large = (measure(net(w), images, rounds=9, clock="cpu").least for w in (64, 8192))
    assert 5 * small < large


class Branches(nn.Module):
    """A constant, views, two outputs of one call, a parameter read by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        found = self.lstm(x)[0] * self.scale + torch.arange(5.0)
        left, right = found.transpose(1, 2).chunk(2, 1)
        return torch.cat([left.relu(), right], 1).flatten(1)


def test_profile_times_every_operation() -> None:
    graph = profile(Branches(), torch.rand(2, 3, 6), rounds=3)
    seconds, runs = graph.numbers(SECONDS), graph.numbers("activation_bytes") > 0
    runs &= np.array([name != "input" for name in graph.op_names()])
    assert np.isfinite(seconds[runs]).all() and np.isnan(seconds[~runs]).all()
    timed = {name for name, taken in zip(graph.op_names(), seconds) if taken > 0}
    assert {"lstm", "mul", "add", "transpose", "chunk", "relu", "cat", "flatten"} <= timed
    assert graph == measured(Branches(), torch.rand(2, 3, 6)).replace(columns=graph.columns)
    whole = measure(Branches(), torch.rand(2, 3, 6), rounds=9)
    assert 0.2 * whole.least < np.nansum(seconds) < 20 * whole.median


def test_a_branch_that_the_record_has_not_is_left_out() -> None:
    class Fast(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.is_meta:
                x = F.gelu(F.gelu(x))
            return F.relu(x) + 1

    graph = profile(Fast(), torch.rand(4, 4), rounds=2)
    found = dict(zip(graph.op_names(), graph.numbers(SECONDS)))
    assert np.isnan(found["gelu"]) and found["relu"] > 0 and found["add"] > 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rounds": 0}, "expected at least 1 and 0, got 0 and"),
        ({"warmup": -1}, "expected at least 1 and 0, got .* and -1"),
        ({"clock": "sun"}, "clock: expected one of wall, cpu, got 'sun'"),
    ],
)
def test_bad_measuring(how: dict, message: str) -> None:
    for function in (measure, profile):
        with pytest.raises(ValueError, match=message):
            function(nn.Linear(2, 2), torch.rand(1, 2), **how)
    with pytest.raises(ValueError, match=r"expected a network \(torch.nn.Module\), got function"):
        measure(test_bad_measuring, torch.rand(1, 2))


# ---- the list ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_keeps_its_word(name: str) -> None:
    for seed, (inside, outside, stride) in enumerate([(8, 16, 2), (16, 16, 1), (24, 40, 2)] * 3):
        block = BLOCKS[name][1](inside, outside, stride, Random(seed)).eval()
        for side in (8, 2) if stride == 2 else (7, 1):
            with torch.no_grad():
                found = block(torch.rand(2, inside, side, side))
            assert found.shape == (2, outside, -(-side // stride), -(-side // stride)), seed


@pytest.mark.parametrize("name", ODD)
def test_odd_operations_keep_shapes(name: str) -> None:
    for shape in ((1, 8, 4, 4), (2, 16, 1, 1), (1, 8, 7, 7)):
        found = ODD[name](torch.randn(shape))
        assert found.shape == shape and torch.isfinite(found.float()).all()


def test_the_list_is_the_same_everywhere() -> None:
    first, second = ([build_small(one) for one in small_networks(3)] for _ in range(2))
    for (model, images), (again, same) in zip(first, second):
        assert torch.equal(images, same) and not model.training
        assert torch.equal(model(images), again(images))
        assert torch.isfinite(model(images)).all()
    made = [trace(*build_small(one, empty=True)) for one in list(small_networks(40))[30:]]
    assert len({graph.num_nodes for graph in made}) > 5
    assert all(graph.num_params() < 6e7 for graph in made)


# ---- learning ----------------------------------------------------------------------------------


def timed(graph: ArchGraph, operations: bool = True) -> tuple[ArchGraph, float]:
    """Times as a machine might take them that is slow where channels are few."""
    found = read_operations(graph)
    numbers = dict(zip(NUMBERS, found.numbers.T))
    slow = 1 + 4 / (1 + numbers["channels_a_group"] / 16)
    moved = numbers["bytes_in"] + numbers["bytes_out"] + numbers["bytes_weights"]
    seconds = 3e-6 + numbers["multiply_adds"] * slow / 2e10 + moved / 5e9
    column = np.full(graph.num_nodes, np.nan)
    column[found.nodes] = seconds
    columns = {**graph.columns, SECONDS: column} if operations else graph.columns
    return graph.replace(columns=columns), float(seconds.sum() + 1e-6 * len(graph.scopes))


@pytest.fixture(scope="module")
def graphs() -> list[ArchGraph]:
    small = (build_small(one, empty=True) for one in small_networks(45))
    return [trace(*built, measures=True, training=False) for built in small]


@pytest.mark.parametrize(("operations", "error"), [(True, 0.08), (False, 0.25)])
def test_unseen_networks(graphs: list[ArchGraph], operations: bool, error: float) -> None:
    made = [timed(graph, operations) for graph in graphs]
    X, y = [graph for graph, _ in made], np.array([seconds for _, seconds in made])
    model = LatencyPredictor(trees=20).fit(X[:30], y[:30])
    found = model.predict(X[30:])
    assert np.median(np.abs(found / y[30:] - 1)) < error and kendall_tau(y[30:], found) > 0.85
    assert 0 < model.relative_std_ < 0.5
    np.testing.assert_allclose(model.predict_std(X[30:]), found * model.relative_std_)
    lower, upper = model.calibrate(X[30:], y[30:]).predict_interval(X[30:], 0.8)
    assert ((lower <= y[30:]) & (y[30:] <= upper)).mean() >= 0.8


@pytest.mark.parametrize("operations", [True, False])
def test_times_of_operations_add_up(
    graphs: list[ArchGraph], operations: bool, tmp_path: Path
) -> None:
    made = [timed(graph, operations) for graph in graphs[:25]]
    model = LatencyPredictor(trees=5).fit([g for g, _ in made], [s for _, s in made])
    again = load(model.save(tmp_path / "machine"))
    for graph in graphs[30:34]:
        found = model.predict_operations(graph)
        seconds = found.numbers(SECONDS)
        assert seconds.sum() == pytest.approx(model.predict([graph])[0])
        assert (seconds[read_operations(graph).nodes] > 0).all() or not operations
        assert critical_path(found, SECONDS).length <= seconds.sum() * (1 + 1e-9)
        np.testing.assert_array_equal(again.predict([graph]), model.predict([graph]))
    assert SECONDS not in graphs[30].columns


def test_names_that_were_never_seen(graphs: list[ArchGraph]) -> None:
    made = [timed(graph) for graph in graphs[:25]]
    model = LatencyPredictor(trees=5).fit([g for g, _ in made], [s for _, s in made])

    class Strange(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.special.i0e(torch.fft.fft2(x).abs())

    graph = measured(Strange(), torch.rand(1, 3, 64, 64))
    assert 1e-6 < model.predict([graph])[0] < 1e-2
    empty = measured(nn.Identity(), torch.rand(1, 3))
    assert model.predict([empty, graph])[0] < model.predict([graph])[0]


def test_operations_are_read_from_shapes() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, 2, 1, groups=2, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 8, 1, groups=8),
        nn.Conv2d(8, 16, 1),
        nn.BatchNorm2d(16),
        nn.Dropout(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    found = read_operations(measured(net, torch.rand(5, 4, 8, 8)))
    assert found.kinds.tolist() == [
        *("conv", "depthwise", "channelwise", "pointwise", "norm", "move", "pool", "move", "linear")
    ]
    row = dict(zip(NUMBERS, found.numbers[0]))
    assert row["multiply_adds"] == 5 * 8 * 16 * 2 * 9 and row["bytes_weights"] == 4 * 8 * 2 * 9
    assert (row["groups"], row["channels_a_group"], row["kernel"], row["stride"]) == (2, 2, 9, 4)
    assert (row["width"], row["positions"], row["batch"]) == (8, 5 * 16, 5)
    linear = dict(zip(NUMBERS, found.numbers[-1]))
    assert linear["bytes_weights"] == 4 * (16 * 3 + 3) and linear["sum_length"] == 16
    assert set(found.kinds) < set(KINDS)
    dropout = dict(zip(NUMBERS, found.numbers[5]))
    assert dropout["bytes_in"] == dropout["bytes_out"] == 0  # a view costs no memory traffic
    assert len(join_operations([found, found])) == 18


def test_bad_graphs_and_labels(graphs: list[ArchGraph]) -> None:
    with pytest.raises(ValueError, match=r"has no measures.*trace\(model, input, measures=True"):
        LatencyPredictor().fit([trace(nn.Linear(2, 2), torch.rand(1, 2))] * 2, [1.0, 2.0])
    with pytest.raises(ValueError, match="expected one latency above 0 a network"):
        LatencyPredictor().fit(graphs[:3], [1.0, -2.0, 1.0])
    with pytest.raises(ValueError, match="is not fitted"):
        LatencyPredictor().predict_operations(graphs[0])


# ---- a machine ---------------------------------------------------------------------------------


def test_where_time_goes() -> None:
    net = nn.Sequential(nn.Linear(64, 512), nn.Sequential(nn.ReLU(), nn.Linear(512, 64)))
    graph = profile(net, torch.rand(64, 64), rounds=3, clock="cpu")
    rows = where_time_goes(graph)
    assert rows[0]["operation"] == "linear" and rows[0]["calls"] == 2
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert {row["module"] for row in where_time_goes(graph, by="module")} == {"0", "1"}
    deeper = where_time_goes(graph, by="module", depth=2)
    assert {row["module"] for row in deeper} == {"0", "1.0", "1.1"}
    with pytest.raises(ValueError, match="has no column 'seconds': measure it with profile"):
        where_time_goes(measured(net, torch.rand(1, 64)))
    with pytest.raises(ValueError, match="by: expected one of operation, module, got 'layer'"):
        where_time_goes(graph, by="layer")


def test_a_machine_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    light = [20, 23, 24, 38, 61, 74, 81, 86, 90, 106, 37, 7]  # for the test's sake
    monkeypatch.setattr(machine, "_ROUNDS", (3, 2))
    monkeypatch.setattr(
        machine, "small_networks", lambda count: [SmallNetwork(name="", seed=k) for k in light]
    )
    model = learn_machine(count=12, progress=False)
    seen, seconds = model.seen_
    assert len(seen) == 12 and all(SECONDS in graph.columns for graph in seen)
    assert kendall_tau(seconds[:, 0], model.predict(seen)) > 0.6
    net = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3))
    graph = trace(net, torch.rand(1, 3, 64, 64), measures=True, training=False)
    found = measure(net, torch.rand(1, 3, 64, 64), clock="cpu").median
    assert found / 8 < model.predict([graph])[0] < 8 * found


def test_time_runs_out() -> None:
    nets = [lambda: (nn.Linear(3, 3), torch.rand(1, 3))] * 3
    found = time_networks(nets, progress=False)
    assert isinstance(found, MachineTimes) and found.seconds.shape == (3,)
    assert len(time_networks(nets, minutes=0, progress=False).graphs) == 0
    with pytest.raises(ValueError, match="minutes: 0 networks were timed in 0 minutes"):
        learn_machine(minutes=0, progress=False)
    with pytest.raises(ValueError, match="count: expected at least 10 networks, got 3"):
        learn_machine(count=3)
