"""Numbers at the nodes of a graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.archgraph import canonical, measured, summary, trace
from graph2nn.archgraph.measures.meter import FACTS, WORK


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        return F.dropout(x + y, 0.5, self.training).flatten(1)


IMAGES = torch.zeros(2, 4, 6, 6)
SIZE = 2 * 4 * 6 * 6


def test_columns_of_a_block() -> None:
    graph = measured(Block(), IMAGES)
    names = ["input", "conv2d", "batch_norm", "relu", "add", "dropout", "flatten"]
    assert graph.op_names() == names
    expected = {*WORK, *FACTS, "parameters", "parameter_bytes", "module", "values"}
    assert set(graph.columns) == expected
    table = {name: graph.numbers(name).tolist() for name in (*WORK, "memory", "parameters")}
    assert table == {
        "multiply_adds": [0, SIZE * 36, 0, 0, 0, 0, 0],
        "flops": [0, 2 * SIZE * 36, 2 * SIZE, SIZE, SIZE, 0, 0],
        "activation_bytes": [4 * SIZE] * 7,
        "allocated_bytes": [4 * SIZE, 4 * SIZE, 4 * SIZE, 0, 4 * SIZE, 0, 0],
        "memory": [0, 1, 2, 2, 3, 3, 3],
        "parameters": [0, 144, 8, 0, 0, 0, 0],
    }
    assert graph.columns["output_shape"] == (*[(2, 4, 6, 6)] * 6, (2, 144))
    assert graph.columns["dtype"] == ("float32",) * 7
    window = [graph.columns[name][1] for name in ("kernel", "stride", "dilation", "padding")]
    assert window == [(3, 3), (1, 1), (1, 1), (1, 1)]
    assert graph.columns["module"] == ("", "conv", "norm", "", "", "", "")
    lines = [site.rpartition(":") for site in graph.columns["site"][1:]]
    assert {name for name, _, _ in lines} == {__name__}
    assert int(lines[4][2]) == int(lines[0][2]) + 1  # of dropout, one line below


def test_dropout_in_train_mode_makes_values() -> None:
    graph = measured(Block(), IMAGES, training=True)
    assert graph.numbers("allocated_bytes")[5] == 4 * SIZE
    assert graph.numbers("flops")[[2, 5]].tolist() == [7 * SIZE, 2 * SIZE]


def test_a_parameter_of_its_own_node_costs_nothing_there() -> None:
    graph = trace(nn.Linear(3, 5).half(), torch.zeros(7, 3).half(), measures=True)
    assert graph.op_names() == ["input", "linear", "bias"]
    assert graph.numbers("flops").tolist() == [0, 2 * 105 + 35, 0]
    assert graph.numbers("parameters").tolist() == [0, 15, 5]
    assert graph.numbers("parameter_bytes").tolist() == [0, 30, 10]
    assert graph.columns["output_shape"] == ((7, 3), (7, 5), (7, 5))
    assert graph.columns["dtype"] == ("float16",) * 3
    assert graph.numbers("memory").tolist() == [0, 1, 1]


def test_the_graph_is_the_same_with_measures() -> None:
    plain, measures = trace(Block(), IMAGES), trace(Block(), IMAGES, measures=True)
    assert plain.op_names() == measures.op_names() and set(plain.columns) == {"values"}
    assert np.array_equal(plain.edges, measures.edges)
    called = trace(Block(), IMAGES, measures=True, calls=True)
    assert called.columns["site"] == measures.columns["site"] and len(called.calls) == 7


def test_the_default_input_is_one_image() -> None:
    layer = nn.Conv2d(3, 2, 1)
    layer.expected_input_sz = 8
    assert measured(layer).columns["output_shape"][1] == (1, 2, 8, 8)
    assert measured(layer.half()).columns["dtype"][1] == "float16"


def test_columns_follow_the_nodes() -> None:
    graph = measured(Block(), IMAGES)
    form = canonical(graph.replace(cell=np.arange(7)), drop=("none",), contract=("flatten",))
    assert form.numbers("flops").tolist() == graph.numbers("flops")[form.cell].tolist()
    assert form.columns["site"] == tuple(graph.columns["site"][k] for k in form.cell)


def test_values_give_the_same_numbers() -> None:
    """A model that needs values is run on real ones."""

    class Needs(Block):
        def forward(self, x: Tensor) -> Tensor:
            assert float(x.sum()) == 0
            return super().forward(x)

    found, known = measured(Needs(), IMAGES), measured(Block(), IMAGES)
    keep = [k for k, name in enumerate(found.op_names()) if name != "sum"]
    assert "real values" in found.note
    for name in ("multiply_adds", "flops", "allocated_bytes", "parameters"):
        assert found.numbers(name)[keep].tolist() == known.numbers(name).tolist()


def test_measures_are_of_the_full_view() -> None:
    with pytest.raises(ValueError, match="measures are recorded in the full view only"):
        trace(Block(), IMAGES, view="primitives", measures=True)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="there are none at all: trace.model, input, measures"):
        trace(Block(), IMAGES).replace(columns={}).numbers("flops")
    with pytest.raises(ValueError, match="there are values: trace.model, input, measures"):
        trace(Block(), IMAGES).numbers("flops")
    with pytest.raises(ValueError, match="'site' .* it holds texts or shapes; there are multiply"):
        measured(Block(), IMAGES).numbers("site")


def test_functions_are_measured() -> None:
    layer = nn.Linear(10, 3)
    graph = trace(lambda x: layer(x).relu(), torch.zeros(2, 10), measures=True)
    assert graph.numbers("multiply_adds").tolist() == [0, 60, 0, 0]
    assert summary(lambda x: layer(x).relu(), torch.zeros(2, 10)).total.parameters == 33


def test_what_failed_has_no_numbers() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    with pytest.raises(ValueError, match="operation 'linear': module '1' failed"):
        trace(model, torch.zeros(2, 3), measures=True)
