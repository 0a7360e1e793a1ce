"""Tables of whole networks: HW-GPT-Bench, FBNet, TransNAS-Bench-101 macro."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from graph2nn.archgraph import ArchGraph
from graph2nn.cells.networks.fbnet import fbnet_layers
from graph2nn.cells.networks.gpt import GPTSizes
from graph2nn.cells.traced import gpt_network
from predictors.metrics import kendall_tau
from predictors.registry import make_predictor
from predictors.tables import Table, read_table
from predictors.tables.networks.gpts import gpt_sizes


@pytest.fixture(scope="module")
def hwgpt() -> Table:
    return read_table("hwgpt")


def test_hwgpt_is_complete_and_says_where_perplexities_come_from(hwgpt: Table) -> None:
    assert len(hwgpt) == 10_000 and len(hwgpt.targets) == 26
    assert all(np.isfinite(values).all() for values in hwgpt.targets.values())
    assert hwgpt.default == "perplexity" and not hwgpt.higher_is_better()
    assert hwgpt.higher_is_better("accuracy") and not hwgpt.higher_is_better("lat_a100_ms")
    assert "one weight-sharing supernet, not trained separately" in hwgpt.source
    assert {graph.ops[graph.op[1]] for graph in hwgpt.graphs} == {"pos_enc"}


def test_params_are_those_of_the_networks_that_costs_were_measured_on(hwgpt: Table) -> None:
    """All 10 000, to the six digits that the table has."""
    published = np.array([graph.attributes["params"] for graph in hwgpt.graphs])
    ours = np.array([_measured_params(graph) for graph in hwgpt.graphs])
    assert np.array_equal(published, [float(f"{count:.6g}") for count in ours])


def test_params_are_those_of_built_networks(hwgpt: Table) -> None:
    for k in random.Random(0).sample(range(len(hwgpt)), 5):
        graph = hwgpt.graphs[k]
        sizes = _sizes(graph)
        assert np.array_equal(gpt_network(sizes(False, True)).shape, graph.shape)
        built = gpt_network(sizes(True, False)).num_params()
        assert built == _measured_params(graph)


def test_latencies_of_a_host_have_one_unit(hwgpt: Table) -> None:
    seconds = hwgpt.label("lat_cpu_meta_s")
    assert 0.3 < seconds.min() < seconds.max() < 4
    assert kendall_tau(seconds, hwgpt.label("lat_cpu_mlgpu_s")) > 0.75


def test_a_row_with_another_number_of_layers() -> None:
    row = {"embed_dim": [8], "n_layer": [2], "heads": ["1-2-3"], "mlp_ratios": ["1-1"], "bias": [1]}
    with pytest.raises(ValueError, match="expected a number for each of 2 layers, got '1-2-3'"):
        gpt_sizes({name: np.array(values) for name, values in row.items()})


def test_fbnet_is_nearly_additive() -> None:
    """Which settles the order of codes and the resolutions.

    Skips are cheapest, wider blocks dearer, two groups cost a shuffle; the price of width is that
    of maps of 32, 16, 8 and 4 pixels.
    """
    table = read_table("fbnet")
    assert len(table) == 5_000 and len(table.targets) == 23
    assert table.minimise == set(table.targets)
    codes = np.array([[int(c) for c in graph.name.split("_")] for graph in table.graphs])
    onehot = (codes[:, :, None] == np.arange(9)).reshape(len(table), -1).astype(float)
    latency = table.label("titan_rtx_64")
    effect = np.linalg.lstsq(onehot, latency, rcond=None)[0]
    assert np.corrcoef(onehot @ effect, latency)[0, 1] ** 2 > 0.99
    effect = effect.reshape(22, 9)
    k3_e1, k3_e1_g2, k3_e3, k3_e6, k5_e1, k5_e1_g2, k5_e3, k5_e6, skip = effect.mean(0)
    assert skip < k3_e1 < k3_e3 < k3_e6 and skip < k5_e1 < k5_e3 < k5_e6
    assert k3_e1_g2 > k3_e1 and k5_e1_g2 > k5_e1
    sides = np.array([32] * 6 + [16] * 4 + [8] * 8 + [4] * 4)  # of what each layer reads
    widths = np.array([layer.c_in for layer in fbnet_layers()])
    price = effect[:, 7] - effect[:, 4]
    assert np.corrcoef(price, widths * sides**2)[0, 1] > 0.9
    graph = table.graphs[0]
    assert graph.attributes["params"] == graph.num_params() and set(graph.cell) == set(range(7))


def test_tnb101_macro_is_complete() -> None:
    """Channels are doubled one to three times, resolution is halved one to four times."""
    table = read_table("tnb101_macro")
    assert len(table) == 3_256 and len(table.targets) == 7
    widths = [
        int(graph.shape[graph.op == graph.ops.index("bn"), 0].max()) for graph in table.graphs
    ]
    assert set(widths) == {128, 256, 512}
    assert {int(graph.cell.max()) for graph in table.graphs} == {1, 2, 3, 4}
    assert len({(g.shape.tobytes(), g.cell.tobytes()) for g in table.graphs}) == 3_256


@pytest.mark.parametrize("name", ["hwgpt", "fbnet", "tnb101_macro"])
def test_predictors_learn_from_them(name: str) -> None:
    table = read_table(name)
    rows = np.random.default_rng(0).choice(len(table), 60, replace=False)
    graphs, labels = [table.graphs[k] for k in rows], table.label()[rows]
    model = make_predictor("gp-graph").fit(graphs[:40], labels[:40])
    assert kendall_tau(labels[40:], model.predict(graphs[40:])) > 0.3


def _sizes(graph: ArchGraph) -> Callable[[bool, bool], GPTSizes]:
    """From gated and tied to the sizes of the network, read off its shapes."""
    shapes = graph.param_shapes
    layers = int(graph.attributes["n_layer"])
    width = int(graph.attributes["embed_dim"])
    names = [f"blocks.{k}" for k in range(layers)]
    heads = tuple(shapes[f"{n}.attention.qkv.weight"][0] // 192 for n in names)
    ratios = tuple(shapes[f"{n}.mlp.up.weight"][0] // width for n in names)
    bias = "blocks.0.mlp.up.bias" in shapes
    assert graph.attributes["bias"] == bias
    assert sum(heads) == graph.attributes["heads"]
    assert sum(ratios) == graph.attributes["mlp_ratios"]
    return lambda gated, tied: GPTSizes(
        embed_dim=width, heads=heads, mlp_ratios=ratios, bias=bias, gated=gated, tied=tied
    )


def _measured_params(graph: ArchGraph) -> int:
    """Parameters with a gate in every MLP and an output layer of its own."""
    known = {name: int(value) for name, value in graph.attributes.items()}
    width, hidden = known["embed_dim"], known["embed_dim"] * known["mlp_ratios"]
    gates = hidden * (width + known["bias"])
    return graph.num_params() + gates + 50_254 * width
