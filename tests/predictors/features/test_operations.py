"""Operations by name: factors of every table's vocabulary, and unknown ones read as known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from graph2nn.archgraph import PRIMITIVES, trace
from graph2nn.cells import cell_graph
from predictors import GraphFeatures, make_predictor
from predictors.features.operations import (
    UnknownOperationWarning,
    factors_of,
    most_alike,
    read_as_known,
)


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        ("conv_3x3", "convolution"),
        ("conv_1x1-bn-relu", "convolution"),
        ("mbconv_k5_e6", "convolution"),
        ("k3_e1_g2", "convolution"),
        ("conv_transpose2d", "convolution"),
        ("none", "zero"),
        ("skip", "shape"),
        ("linear", "linear"),
        ("baddbmm", "linear"),
        ("max_pool2d", "pool"),
        ("mean", "pool"),
        ("glob_avg", "pool"),
        ("group_norm", "normalisation"),
        ("bn", "normalisation"),
        ("hardswish", "activation"),
        ("leaky_relu_", "activation"),
        ("multi_head_attention_forward", "attention"),
        ("scaled_dot_product_attention", "attention"),
        ("multi_head_attention_forward.in_proj_bias", "bias"),
        ("add", "sum"),
        ("iadd", "sum"),
        ("mul", "product"),
        ("cat", "concat"),
        ("chunk", "split"),
        ("permute", "shape"),
        ("dropout", "shape"),
        ("roll", "shape"),
        ("bias", "bias"),
    ],
)
def test_kinds(op: str, kind: str) -> None:
    assert factors_of(op).kind == kind


def test_primitives_have_kinds_of_their_own() -> None:
    kinds = {op: factors_of(op).kind for op in PRIMITIVES}
    assert "shape" not in kinds.values(), kinds


def test_factors() -> None:
    assert factors_of("sep_conv_5x5").kernel == factors_of("mbconv_k5_e6").kernel == 5
    assert factors_of("mbconv_k5_e6").expansion == 6 and factors_of("conv_1x1").expansion == 1
    assert factors_of("dil_conv_3x3").dilated and factors_of("sep_conv_3x3").grouped
    assert factors_of("avg_pool_3x3").average and not factors_of("max_pool_3x3").average
    assert factors_of("conv1d").dimensions == 1


@pytest.mark.parametrize(
    ("op", "known", "expected"),
    [
        ("sep_conv_7x7", ("sep_conv_3x3", "sep_conv_5x5", "conv_3x3"), "sep_conv_5x5"),
        ("k5_e6_g2", ("k5_e1", "k5_e3", "k3_e6", "skip"), "k5_e3"),
        ("conv3d", ("conv1d", "conv2d", "linear"), "conv2d"),
        ("adaptive_max_pool2d", ("avg_pool2d", "max_pool2d"), "max_pool2d"),
        ("hardtanh", ("relu", "tanh", "add"), "tanh"),
        ("roll", ("add", "permute", "conv2d"), "permute"),
        ("gelu", ("conv2d", "flatten", "add"), "flatten"),
        ("warp", ("conv_3x3", "skip"), "skip"),
    ],
)
def test_most_alike(op: str, known: tuple[str, ...], expected: str) -> None:
    assert most_alike(op, known) == most_alike(op, known[::-1]) == expected


def test_a_graph_is_read_once_and_its_shape_stays() -> None:
    graph = cell_graph(
        ["input", "sep_conv_7x7", "add", "output"],
        [(0, 1), (1, 2), (0, 2), (2, 3)],
        vocabulary=("input", "output", "sep_conv_7x7", "add"),
    )
    known = ("input", "output", "sep_conv_3x3", "add")
    with pytest.warns(UnknownOperationWarning, match="Reader: 1 of 1 .*sep_conv_7x7 → sep_conv_3"):
        (read,) = read_as_known([graph], known, "Reader")
    assert read.op_names() == ["input", "sep_conv_3x3", "add", "output"]
    assert (read.edges == graph.edges).all() and graph.op_names()[1] == "sep_conv_7x7"
    with pytest.warns(UnknownOperationWarning):
        assert read_as_known([graph], known, "Reader")[0] is read
    with warnings.catch_warnings(action="error"):
        assert read_as_known([read], known, "Reader")[0] is read
    with pytest.raises(ValueError, match="no known operation that 'add' could be read as"):
        read_as_known([graph], ("input", "output"), "Reader")


def test_traced_networks_of_other_families_are_predicted() -> None:
    """Three ResNets learned, a ShuffleNet, a transformer and others predicted, in the full view."""
    make = torchvision.models
    learned = [make.resnet18(), make.resnet34(), make.wide_resnet50_2()]
    others = [make.shufflenet_v2_x0_5(), make.mobilenet_v3_small(), make.squeezenet1_1()]
    graphs = [trace(net, view="full") for net in others]
    graphs.append(trace(nn.TransformerEncoderLayer(8, 2), torch.zeros(2, 4, 8), view="full"))
    for name in ("gp-graph", "ridge", "rf-graph"):
        model = make_predictor(name).fit(
            [trace(net, view="full") for net in learned], [1.0, 2.0, 3.0]
        )
        with pytest.warns(UnknownOperationWarning, match=". of 4 networks"):
            found = model.predict(graphs)
        assert np.isfinite(found).all()


def test_a_deep_graph_has_the_flow_that_its_logarithm_has() -> None:
    """Beyond the largest number the sum goes on in logarithms, without a step."""

    def chain(count: int) -> float:
        ops = ["input", *["conv_3x3"] * count, "output"]
        graph = cell_graph(ops, [(k, k + 1) for k in range(count + 1)])
        table = GraphFeatures(blocks=("flow",)).fit_transform([graph])
        return float(table.max())

    assert chain(900) == pytest.approx(900) and chain(1500) == pytest.approx(1500)
