"""A table of one's own models: every form of models, inputs and labels, and what is refused."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, structural_hash, trace
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from predictors.tables import Table, graphs_of

NAMES = ("a", "b", "c", "d")
QUIET: dict[str, Any] = {"inputs": (2, 8), "progress": False}


def mlp(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 2))


def models() -> dict[str, nn.Module]:
    return {name: mlp(4 + k) for k, name in enumerate(NAMES)}


class Frame:
    """What `from_models` uses of a DataFrame of pandas, and a column of it."""

    def __init__(self, columns: dict[str, list], index: list) -> None:
        self.columns, self.index, self._data = list(columns), index, columns

    def __getitem__(self, name: str) -> Any:
        values = self._data[name]
        found = dict(zip(self.index, values))
        return SeriesLike(values, self.index, found)


class SeriesLike(list):
    def __init__(self, values: list, index: list, found: dict) -> None:
        super().__init__(values)
        self.index, self.to_dict = index, lambda: found  # type: ignore[assignment]


def test_five_lines() -> None:
    table = Table.from_models(
        models(), {"acc": [1, 2, 3, None], "ms": [4, 3, 2, 1]}, minimise=["ms"], **QUIET
    )
    assert len(table) == 4 and table.default == "acc" and table.name == "own"
    assert [graph.name for graph in table.graphs] == list(NAMES)
    assert table.rows().tolist() == [0, 1, 2] and table.rows("ms").tolist() == [0, 1, 2, 3]
    assert table.higher_is_better() and not table.higher_is_better("ms")
    assert structural_hash(table.graphs[2]) == structural_hash(trace(mlp(6), torch.zeros(2, 8)))
    assert table.group is None
    assert repr(table) == "Table('own', rows=4, targets=2)"


NUMBERS = [0.5, 0.25, np.nan, 1.0]


@pytest.mark.parametrize(
    "labels",
    [
        {"label": NUMBERS},
        {"label": [0.5, "0.25", "", torch.tensor(1.0)]},
        {"label": {"a": 0.5, "d": 1.0, "b": 0.25}},
        {"d": 1.0, "b": 0.25, "a": 0.5, "c": None},
        NUMBERS,
        np.array(NUMBERS),
        torch.tensor(NUMBERS),
        Frame({"label": [1.0, np.nan, 0.25, 0.5]}, ["d", "c", "b", "a"]),
        Frame({"label": NUMBERS}, [0, 1, 2, 3]),
        Frame({"label": [1.0, 0.25, 0.5]}, ["d", "b", "a"]),
        Frame({"label": NUMBERS}, list(NAMES))["label"],
    ],
)
def test_every_form_of_labels(labels: Any) -> None:
    table = Table.from_models(models(), labels, **QUIET)
    assert list(table.targets) == ["label"]
    np.testing.assert_array_equal(table.label(), NUMBERS)


def test_pandas_where_it_is_installed() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"acc": [3, 2, 1], "ms": [1, pandas.NA, 5]}, index=["c", "b", "a"])
    table = Table.from_models(models(), frame, **QUIET)
    np.testing.assert_array_equal(table.label("acc"), [1, 2, 3, np.nan])
    np.testing.assert_array_equal(table.label("ms"), [5, np.nan, 1, np.nan])
    series = pandas.Series([4.0, 3.0, 2.0, 1.0])
    np.testing.assert_array_equal(
        Table.from_models(models(), series, **QUIET).label(), [4, 3, 2, 1]
    )


CELL = nb201_cell([1, 2, 3, 4, 0, 1])
NET = EndlessNets("train", seed=0)[0].with_(C=16, fc_dim=64)


@pytest.mark.parametrize(
    ("model", "graph"),
    [
        (mlp(5), lambda: trace(mlp(5), torch.zeros(2, 8))),
        (lambda: mlp(5), lambda: trace(mlp(5), torch.zeros(2, 8))),
        (CELL, lambda: CELL),
        (lambda: CELL, lambda: CELL),
        (CELL.name, lambda: CELL),
        (NET, lambda: build_graph(NET)),
    ],
)
def test_every_form_of_models(model: Any, graph: Callable[[], ArchGraph]) -> None:
    table = Table.from_models([("one", model), ("two", mlp(3))], [1, 2], **QUIET)
    assert structural_hash(table.graphs[0]) == structural_hash(graph())
    assert table.graphs[0].name == "one"


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(3, 8),
        (3, 8),
        [3, 8],
        torch.Size((3, 8)),
        (torch.zeros(3, 8),),
        {"input": torch.zeros(3, 8)},
        {"a": (3, 8), "b": torch.zeros(1, 8), "c": {"input": torch.zeros(3, 8)}, "d": (3, 8)},
    ],
)
def test_every_form_of_inputs(inputs: Any) -> None:
    table = Table.from_models(models(), [1, 2, 3, 4], inputs=inputs, progress=False)
    assert [graph.num_params() for graph in table.graphs] == [46, 57, 68, 79]


def test_images_are_the_default_and_an_input_of_ones_own_for_some() -> None:
    nets = {"image": nn.Conv2d(3, 4, 3), "vector": nn.Linear(8, 2)}
    table = Table.from_models(nets, [1, 2], inputs={"vector": (1, 8)}, progress=False)
    assert [graph.num_params() for graph in table.graphs] == [112, 18]


def test_models_are_dropped_one_after_another() -> None:
    alive: list[weakref.ref] = []

    def build(width: int) -> nn.Module:
        assert all(one() is None for one in alive)
        model = mlp(width)
        alive.append(weakref.ref(model))
        return model

    made = {f"m{n}": lambda n=n: build(n) for n in (3, 4, 5)}
    Table.from_models(made, [1, 2, 3], **QUIET)
    assert len(alive) == 3


def test_graphs_of_new_models_are_those_of_a_table() -> None:
    counted = {**QUIET, "attributes": ["params", "flops"]}
    table = Table.from_models(models(), [1, 2, 3, 4], **counted)
    found = graphs_of(models(), **counted)
    assert [structural_hash(g) for g in found] == [structural_hash(g) for g in table.graphs]
    assert [g.attributes for g in found] == [g.attributes for g in table.graphs]
    with pytest.raises(ValueError, match="at least one, got none"):
        graphs_of({})


def test_attributes_and_groups() -> None:
    table = Table.from_models(
        {**models(), "again": mlp(4)},
        [1, 2, 3, 4, 5],
        attributes=("params", "flops"),
        groups=["x", "y", "x", "z", "z"],
        **QUIET,
    )
    assert table.graphs[0].attributes == {"params": 46, "flops": 8 * 4 + 4 * 2}
    assert table.group is not None and table.group.tolist() == [0, 1, 0, 2, 2]
    given = {"zc_mine": {"a": 0.5, "c": None}, "age": [1, 2, 3, 4]}
    table = Table.from_models(models(), [1, 2, 3, 4], attributes=given, **QUIET)
    assert [graph.attributes for graph in table.graphs[:3]] == [
        {"zc_mine": 0.5, "age": 1.0}, {"age": 2.0}, {"age": 3.0}
    ]  # fmt: skip


def test_models_of_one_graph_share_a_group() -> None:
    twins = {**models(), "again": mlp(5)}
    table = Table.from_models(twins, [1, 2, 3, 4, 5], **QUIET)
    assert table.group is not None and table.group.tolist() == [0, 1, 2, 3, 1]


def test_views_and_models_stay_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    how: dict[str, Any] = {"view": "primitives", "attributes": ("flops",), "progress": False}
    table = Table.from_models({"a": model, "b": nn.Conv2d(3, 1, 1)}, [1, 2], **how)
    assert set(table.graphs[0].op_names()) == {"input", "conv", "bias", "bn"}
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def broken() -> nn.Module:
    raise RuntimeError("out of luck")


LABELS = [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "labels", "options", "message"),
    [
        ({}, [], {}, "models: expected at least one"),
        ([mlp(3)], [1], {}, "expected a dictionary from name to model.* item 0 is Sequential"),
        ([("a", mlp(3)), ("a", mlp(4))], [1, 2], {}, "models: a there more than once"),
        ({**models(), "bad": broken}, [1] * 5, {}, r"row 4 \(bad\): .*RuntimeError: out of luck"),
        ({**models(), "bad": 7}, [1] * 5, {}, r"row 4 \(bad\): expected a model .* got int"),
        ({**models(), "bad": "conv"}, [1] * 5, {}, r"row 4 \(bad\): NAS-Bench-201: .* got 'conv'"),
        (models(), LABELS, {"inputs": (2, 9)}, r"row 0 \(a\): cannot .*; pass `inputs=` with"),
        (models(), LABELS, {"attributes": ("latency",)}, "attributes: expected one of params, f"),
        ({"c": CELL, "d": CELL}, [1, 2], {"attributes": ("flops",)}, r"row 0 \(c\): flops are c"),
        (models(), LABELS, {"attributes": {"n": [1, 2]}}, "attribute 'n': expected 4 values"),
        (models(), [1, 2, 3], {}, "target 'label': expected 4 values, one a network, got 3"),
        (models(), {"acc": [1, 2, 3, "x"]}, {}, r"target 'acc', row 3 \(d\): .*got 'x'"),
        (models(), {"acc": {"e": 1}}, {}, "target 'acc': 'e' is the name of no network; .* a, b"),
        (models(), {"acc": "much"}, {}, "target 'acc': got str; expected a dictionary"),
        (models(), np.zeros((4, 2)), {}, r"got an array of shape \(4, 2\); expected a dict"),
        (models(), None, {}, "target 'label': got NoneType"),
        (models(), {"acc": [None] * 4}, {}, "target 'acc' has no finite label"),
        (models(), {}, {}, "there is no target"),
        (models(), LABELS, {"default": "acc"}, "default: unknown target 'acc'; choose one of lab"),
        (models(), LABELS, {"minimise": "acc"}, "minimise: unknown target 'acc'"),
        (models(), LABELS, {"groups": [1, 2]}, "groups: expected 4 values"),
        (models(), LABELS, {"groups": {"a": 1}}, "groups: network 'b' has none"),
        (models(), LABELS, {"view": "best"}, r"row 0 \(a\): unknown view 'best'"),
    ],
)
def test_bad_input(given: Any, labels: Any, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Table.from_models(given, labels, **{**QUIET, **options})


def test_labels_are_read_before_models_are_built() -> None:
    with pytest.raises(ValueError, match="expected 1 values"):
        Table.from_models({"a": broken}, [1, 2], **QUIET)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": {"acc": np.ones(3)}}, "table t: expected 4 values in acc, one a network, got"),
        ({"group": np.ones(2)}, "expected 4 values in group"),
        ({"minimise": frozenset({"ms"})}, "table t, minimise: unknown target 'ms'"),
        ({"default": "ms"}, "table t, default: unknown target 'ms'"),
    ],
)
def test_fields_that_do_not_fit(fields: dict, message: str) -> None:
    whole = {"targets": {"acc": np.arange(4.0)}, "default": "acc", "name": "t"}
    with pytest.raises(ValueError, match=message):
        Table(graphs=[CELL] * 4, **{**whole, **fields})


def test_some_rows_and_more_labels() -> None:
    table = Table.from_models(models(), {"acc": LABELS}, groups=list("xyyz"), name="t", **QUIET)
    some = table.select([3, 1], name="some")
    assert some.name == "some" and [g.name for g in some.graphs] == ["d", "b"]
    assert some.label().tolist() == [4, 2] and some.group is not None
    assert some.group.tolist() == [2, 1]
    assert len(table.select(table.label() > 2)) == 2 and len(table.select(slice(1, None))) == 3
    more = table.with_labels({"ms": {"a": 1.0, "d": 3.0}}, minimise=["ms"])
    assert list(more.targets) == ["acc", "ms"] and not more.higher_is_better("ms")
    assert more.rows("ms").tolist() == [0, 3] and list(table.targets) == ["acc"]
    other = more.with_labels({"ms": [4, 3, 2, 1]})
    assert other.higher_is_better("ms") and other.label("ms").tolist() == [4, 3, 2, 1]
    assert len({table.checksum, some.checksum, more.checksum, other.checksum}) == 4
    with pytest.raises(ValueError, match="table t has 4 rows: index 9"):
        table.select([9])
    with pytest.raises(ValueError, match="table t: expected rows to select, got 2"):
        table.select(2)
    with pytest.raises(ValueError, match=re.escape("'z' is the name of no network")):
        table.with_labels({"ms": {"z": 1}})


def test_a_bar_is_shown(capsys: pytest.CaptureFixture) -> None:
    Table.from_models(models(), LABELS, inputs=(2, 8))
    assert "graphs" in capsys.readouterr().err
