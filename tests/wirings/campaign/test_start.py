"""What a training starts from: edges of a run, a file or a graph, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from graph2nn.relational import ws_flex
from graph2nn.vision import ImageData, load_images
from graph2nn.wirings import (
    StaticWiring,
    WiredMobileNetV1,
    WiringConfig,
    given_masks,
    read_edges,
    wired_layers,
    wiring_graph,
)
from graph2nn.wirings.campaign.checkpoints import load_wiring
from graph2nn.wirings.campaign.start import find_start
from graph2nn.wirings.campaign.training import train_wiring

SIZES = {"nodes": 60, "inputs": 8, "outputs": 10, "layers": 4}
FOUND = WiringConfig(
    name="test/found", dataset="digits", **SIZES, keep=0.1, epochs=1, batch_size=64, seed=3
)
GIVEN = replace(FOUND, name="test/given", kind="given")
QUIET = {"progress": False, "pictures": False}


def begin(config: WiringConfig, images: ImageData) -> torch.nn.Module:
    return config.build(images, find_start(config))


@pytest.fixture(scope="module")
def digits() -> tuple[ImageData, ImageData]:
    train = load_images("digits", split="train").subset(torch.arange(200))
    return train, load_images("digits", split="test").subset(torch.arange(100))


def test_a_found_graph_is_trained_from_fresh_weights(digits, tmp_path: Path) -> None:
    found, _ = train_wiring(FOUND, *digits, folder=tmp_path / "found", **QUIET)
    edges = found.wires.edges(legal=True)
    config = replace(GIVEN, edges=str(tmp_path / "found"), seed=8)
    start = begin(config, digits[0])
    assert torch.equal(start.wires.edges(), edges)
    fresh = StaticWiring(seed=8, **SIZES, image_size=8)
    assert torch.equal(start.wires.weight, fresh.wires.weight)
    model, records = train_wiring(config, *digits, folder=tmp_path / "given", **QUIET)
    assert torch.equal(model.wires.edges(), edges)
    assert [record["swap_rate"] for record in records] == [None, 0]
    assert records[-1]["edges"] == 360 and records[-1]["test_loss"] < records[0]["test_loss"]

    (tmp_path / "found").rename(tmp_path / "away")
    again, more = train_wiring(config, *digits, folder=tmp_path / "given", **QUIET)
    assert len(more) == len(records) and torch.equal(again.wires.edges(), edges)
    loaded_config, loaded = load_wiring(tmp_path / "given")
    assert loaded_config == config and torch.equal(loaded.wires.edges(), edges)


def test_a_graph_of_python_is_trained(digits, tmp_path: Path) -> None:
    graph = ws_flex(20, 4, 0.2, seed=1)
    config = replace(GIVEN, drop_illegal=True)
    model, _ = train_wiring(config, *digits, edges=graph, folder=tmp_path, **QUIET)
    (mask,) = given_masks(graph, StaticWiring("complete", **SIZES), drop_illegal=True)
    assert torch.equal(model.wires.edges(), mask)
    assert torch.equal(load_wiring(tmp_path)[1].wires.edges(), mask)
    config = replace(GIVEN, model="discrete_time", edges="ws:n=20,k=4,p=0.2,seed=1")
    model = begin(config, digits[0])
    assert int(model.wires.edges().sum()) == 3**2 * (2 * 40 + 20)  # with self-edges


def test_files(tmp_path: Path) -> None:
    mask = np.triu(np.ones((60, 60), dtype=bool), 1).T
    np.save(tmp_path / "mask.npy", mask)
    assert np.array_equal(read_edges(str(tmp_path / "mask.npy")), mask)
    np.savez(tmp_path / "masks.npz", first=mask, second=mask[:, :30])
    assert [found.shape for found in read_edges(str(tmp_path / "masks.npz"))] == [
        (60, 60),
        (60, 30),
    ]
    graph = nx.gn_graph(12, seed=1).reverse()
    nx.write_graphml(graph, tmp_path / "graph.graphml")
    nx.write_gml(graph, tmp_path / "graph.gml")
    for name in ("graph.graphml", "graph.gml"):
        (found,) = given_masks(
            read_edges(str(tmp_path / name)), StaticWiring("complete", **SIZES), drop_illegal=True
        )
        (expected,) = given_masks(graph, StaticWiring("complete", **SIZES), drop_illegal=True)
        assert torch.equal(found, expected)


def test_every_wired_layer_of_a_mobilenet(digits) -> None:
    config = WiringConfig(
        dataset="digits", model="mobilenetv1", small_head=True, kind="given", drop_illegal=True,
        keep=0.225, edges="ws:n=10,k=4,p=0.1",
    )  # fmt: skip
    model = begin(config, digits[0])
    layers = dict(wired_layers(model))
    assert len(layers) == 6 and all(0 < layer.keep < layer.slots.count for layer in layers.values())
    twin = WiredMobileNetV1(
        "given", small_head=True, masks=tuple(la.edges() for la in layers.values())
    )
    graphs = wiring_graph(model), wiring_graph(twin)
    assert graphs[0].num_edges == graphs[1].num_edges
    with pytest.raises(ValueError, match="one for each of 6 wired layers .blocks.0.wires, .*got 2"):
        given_masks([np.ones((3, 3))] * 2, model)
    with pytest.raises(ValueError, match="edges of blocks.0.wires: mask: expected shape"):
        given_masks(np.ones((3, 3)), model)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "the kind given needs a graph: --edges"),
        ({"edges": "nowhere"}, "edges: expected the folder of a run, a file"),
        ({"edges": "ws:n=x,k=4"}, "cannot read 'n=x'"),
        ({"edges": "ws:m=3"}, "cannot read 'm=3'"),
        ({"edges": "ws:k=4"}, "how many nodes"),
        ({"edges": "wz:n=64,k=4"}, "unknown kind of graph 'wz'"),
        ({"edges": "ws:n=64,k=4"}, "64 nodes cannot share 60 channels"),
        ({"edges": "ws:n=20,k=4"}, r"edges of wires: .*leave such edges out \(drop_illegal\)"),
        ({"edges": "ws:n=20,k=4", "kind": "dnw"}, "only the kind given takes them, not dnw"),
        ({"edges": "ws:n=20,k=4", "model": "resnet50"}, "expected a network of static"),
    ],
)
def test_bad_edges(settings: dict, message: str, digits) -> None:
    with pytest.raises(ValueError, match=message):
        begin(replace(GIVEN, **settings), digits[0])


def test_missing_files(digits, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing.npy does not exist"):
        begin(replace(GIVEN, edges=str(tmp_path / "missing.npy")), digits[0])
    with pytest.raises(ValueError, match="no run of a wiring"):
        begin(replace(GIVEN, edges=str(tmp_path)), digits[0])
