"""timm's networks: graphs that come with the package are those of tracing, groups are modules."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import structural_hash, trace
from graph2nn.runs.shipped import shipped_file
from predictors.metrics import kendall_tau
from predictors.registry import make_predictor
from predictors.tables import read_table
from predictors.tables.networks import image_models
from predictors.tables.networks.timm_graphs import (
    read_network_graphs,
    trace_timm,
    write_network_graphs,
)

SOME = (("resnetblur18", 288), ("levit_conv_128s", 224), ("mobilenetv3_small_050", 224))


def test_every_row_has_its_graph() -> None:
    table = read_table("timm_models")
    assert len(table) == 987 and len(table.targets) == 5
    assert table.default == "top1" and table.higher_is_better("top5")
    assert not table.higher_is_better("ms_per_image_rtx4090_amp")
    assert "recipes and training data differ" in table.source
    counted = {target: len(table.rows(target)) for target in table.targets}
    assert counted["top1"] == 752 and counted["ms_per_image_rtx4090_amp"] == 925
    named = {(g.name, g.attributes["img_size"]) for g in table.graphs}
    assert len(named) == 987


def test_parameters_are_those_published() -> None:
    """In millions, to two decimals; two models were published with another head."""
    graphs = read_table("timm_models").graphs
    published = np.array([graph.attributes.get("params_m", np.nan) for graph in graphs])
    ours = np.array([graph.num_params() / 1e6 for graph in graphs])
    known = np.isfinite(published)
    assert known.all()
    wrong = {g.name for g, far in zip(graphs, np.abs(ours - published) > 0.0051) if far}
    assert wrong == {"vitamin_small_224", "vit_base_patch16_224_miil"}


def test_groups_are_the_modules_of_timm() -> None:
    table = read_table("timm_models")
    networks = read_network_graphs(shipped_file("data/networks/timm_models.h5"))
    modules = [networks[g.name, int(g.attributes["img_size"])][1] for g in table.graphs]
    assert table.group is not None and len(set(table.group)) == len(set(modules)) == 66
    assert len(set(zip(table.group, modules))) == 66


def test_shipped_graphs_are_those_of_tracing() -> None:
    pytest.importorskip("timm", reason="models come from timm: pip install netwright[timm]")
    networks = read_network_graphs(shipped_file("data/networks/timm_models.h5"))
    for name in SOME:
        graph, module = trace_timm(*name)
        shipped, its_module = networks[name]
        assert structural_hash(shipped) == structural_hash(graph) and its_module == module
        assert (shipped.name, shipped.outputs) == (graph.name, graph.outputs)
        assert (shipped.num_classes, shipped.ops) == (graph.num_classes, graph.ops)


def test_a_predictor_learns_from_them() -> None:
    table = read_table("timm_models")
    small = [k for k, graph in enumerate(table.graphs) if graph.num_nodes < 250]
    small = [k for k in small if np.isfinite(table.label()[k])]
    rows = np.random.default_rng(0).choice(small, 80, replace=False)
    graphs, labels = [table.graphs[k] for k in rows], table.label()[rows]
    model = make_predictor("gp-graph").fit(graphs[:60], labels[:60])
    assert kendall_tau(labels[60:], model.predict(graphs[60:])) > 0.2


def test_equal_graphs_are_kept_once(tmp_path: Path) -> None:
    layers = [trace(nn.Linear(n, 3), torch.zeros(1, n), view="primitives") for n in (4, 4, 5)]
    names = [("a", 8), ("b", 8), ("a", 16)]
    path = write_network_graphs(tmp_path / "some.h5", names, [(g, "linear") for g in layers])
    again = read_network_graphs(path)
    assert list(again) == names
    for (name, _), layer, (graph, module) in zip(names, layers, again.values()):
        assert structural_hash(graph) == structural_hash(layer)
        assert (graph.name, module) == (name, "linear")
    with pytest.raises(ValueError, match="expected a network for each of 3 names, got 1"):
        write_network_graphs(tmp_path / "few.h5", names, [(layers[0], "linear")])
    assert not (tmp_path / "few.h5").exists()


def test_rows_without_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_network_graphs(tmp_path / "none.h5", [], [])
    monkeypatch.setattr(image_models, "shipped_file", lambda name: path)
    with pytest.raises(ValueError, match="no graph comes with the package for 987 rows, such as"):
        image_models.timm_models()


def test_what_timm_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm", reason="models come from timm: pip install netwright[timm]")
    with pytest.raises(ValueError, match="has no model 'resnet_best': pip install -U timm"):
        trace_timm("resnet_best", 224)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ImportError, match=r'timm is not installed: pip install "netwright\[timm\]"'
    ):
        trace_timm("resnet18", 224)
