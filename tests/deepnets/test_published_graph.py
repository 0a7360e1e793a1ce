"""`build_graph` against modules, traces, stored graphs and golden figures."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.deepnets import (
    DARTS,
    GENOTYPES,
    Genotype,
    NetConfig,
    Network,
    ViT,
    build_graph,
    count_params,
    is_connected,
    num_nodes,
    sample_config,
    split_rules,
)
from graph2nn.deepnets.published_graph import published_graph

SAMPLED = [
    sample_config(split_rules(split, image_size=size), np.random.default_rng(seed), image_size=size)
    for split, size in (("train", 32), ("dense", 8), ("deep", 16), ("search", 224))
    for seed in range(8)
]
SKIPS = Genotype(
    (("skip_connect", 0), ("skip_connect", 1), ("skip_connect", 2), ("conv_1x1", 0)),
    (2, 3),
    (("skip_connect", 1), ("none", 0), ("skip_connect", 2), ("skip_connect", 2)),
    (2, 3),
)
CHAIN = Genotype(
    (("skip_connect", 0), ("skip_connect", 1)), (2,), (("conv_3x3", 1), ("max_pool_3x3", 0)), (2,)
)
CONFIGS = [
    *SAMPLED,
    *[NetConfig(genotype=g, n_cells=5, C=16) for g in GENOTYPES.values()],
    *[NetConfig(genotype=SKIPS, n_cells=n, stem_type=n % 2, norm=None) for n in (1, 4)],
    *[NetConfig(genotype=CHAIN, n_cells=6, C_mult=1, preproc=False, stem_type=s) for s in (0, 1)],
    NetConfig(genotype=ViT, n_cells=3, C_mult=1, preproc=False, image_size=8, in_channels=1),
    NetConfig(genotype=DARTS, n_cells=2, glob_avg=False, fc_layers=3, stem_pool=True, image_size=9),
]


def signature(graph: ArchGraph) -> Counter:
    """Nodes by operation, shape, parameters and everything before them, whatever their order."""
    sources: list[list[int]] = [[] for _ in range(graph.num_nodes)]
    for u, v in graph.edges.T.tolist():
        sources[v].append(u)
    marks: list[int] = []
    for v, (op, shape) in enumerate(zip(graph.op_names(), graph.shape.tolist())):
        before = tuple(sorted(marks[u] for u in sources[v]))
        marks.append(hash((op, tuple(shape), graph.params[v], before)))
    return Counter(marks)


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_graph_is_that_of_the_traced_module(config: NetConfig) -> None:
    net = Network(config, device="meta")
    graph = build_graph(config, name="net")
    assert {k: tuple(p.shape) for k, p in net.named_parameters()} == graph.param_shapes
    assert signature(graph) == signature(trace(net, view="ghn2"))
    assert graph.num_nodes == num_nodes(config)
    assert graph.name == "net" and graph.num_classes == config.num_classes


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_order_cells_and_ends(config: NetConfig) -> None:
    graph = build_graph(config)
    ops = graph.op_names()
    assert ops[0] == "input" and graph.params[-1][0].startswith("classifier.")
    assert graph.params[-1][0].endswith(".bias") and graph.params[-2][0].endswith(".weight")
    code = graph.edges[0] * graph.num_nodes + graph.edges[1]
    assert (np.diff(code) > 0).all()
    has_source = np.isin(np.arange(graph.num_nodes), graph.edges[1])
    assert [ops[v] for v in np.flatnonzero(~has_source)] in (["input"], ["input", "pos_enc"])
    assert np.isin(np.arange(graph.num_nodes - 1), graph.edges[0]).all()
    for node, name, _ in graph.parameters():
        if name.startswith("cells."):
            assert graph.cell[node] == int(name.split(".")[1])


@pytest.mark.parametrize("config", CONFIGS, ids=range(len(CONFIGS)))
def test_count_params_counts_unused_ones_as_published(config: NetConfig) -> None:
    net = Network(config, unused=True, device="meta")
    assert count_params(config) == sum(p.numel() for p in net.parameters())


def test_published_order_differs_only_in_gates() -> None:
    for config in CONFIGS:
        plain, published = build_graph(config), published_graph(config)
        assert plain.param_shapes == published.param_shapes
        if not config.genotype.uses("cse", "msa"):
            assert signature(plain) == signature(published)
        else:
            ops = Counter(plain.op_names())
            ops.subtract(published.op_names())
            assert set(+ops) <= {"cse"} and set(-ops) <= {"msa", "sum", "concat", "cse"}


def test_vision_transformer_example() -> None:
    graph = build_graph(NetConfig(genotype=ViT, n_cells=2, C_mult=1, preproc=False))
    # Without stride the second cell, a reduction, is only an average pooling.
    names = [p[0] if p else op for p, op in zip(graph.params, graph.op_names())]
    assert names[:4] == ["input", "stem0.weight", "pos_enc.weight", "sum"]
    assert names[-4:] == ["avg_pool", "glob_avg", "classifier.0.weight", "classifier.0.bias"]
    assert graph.edges.T.tolist()[:5] == [[0, 1], [1, 3], [2, 3], [3, 4], [3, 8]]
    assert (graph.num_nodes, graph.num_edges) == (19, 20)


@pytest.mark.parametrize(
    "edges, connected",
    [
        ((("none", 0), ("none", 1)), False),
        ((("none", 0), ("conv_1x1", 1)), True),
        ((("conv_1x1", 0), ("none", 1)), True),
        ((("conv_1x1", 0), ("none", 1), ("none", 2), ("none", 0)), False),
        ((("none", 0), ("none", 1), ("conv_1x1", 2), ("conv_1x1", 0)), True),
    ],
)
def test_connected(edges: tuple, connected: bool) -> None:
    concat = (1 + len(edges) // 2,)
    config = NetConfig(genotype=Genotype(edges, concat, edges, concat), n_cells=5)
    assert is_connected(config) == connected
    if connected:
        build_graph(config)
        return
    for function in (build_graph, num_nodes, count_params, published_graph):
        with pytest.raises(ValueError, match="does not depend on its input"):
            function(config)


def golden(reference: Path) -> list[dict]:
    return json.loads(gzip.decompress((reference / "golden/deepnets.json.gz").read_bytes()))


def golden_config(entry: dict) -> NetConfig:
    width = entry["args"]["C"] * (4 if entry["split"] == "wide" else 1)
    return NetConfig.from_json(entry["args"], C=width)


def test_golden_counts(reference: Path) -> None:
    for entry in golden(reference):
        config = golden_config(entry)
        graph = published_graph(config)
        dist = graph.distances(50)
        found = {
            "nodes": graph.num_nodes,
            "edges": graph.num_edges,
            "virtual": int((dist > 1).sum()),
            "dist_sum": int(dist.sum()),
            "num_params": graph.num_params(),
            "ops": dict(Counter(graph.op_names())),
        }
        assert found == {k: entry[k] for k in found}, (entry["split"], entry["index"])
        shapes = sorted(list(s) for s in graph.param_shapes.values())
        assert shapes == sorted(p[0] for p in entry["params"])
        assert build_graph(config).param_shapes == graph.param_shapes


@pytest.mark.parametrize("file", ["eval", "train"])
def test_stored_graphs(reference: Path, file: str) -> None:
    stem = reference / "data/deepnets" / f"deepnets1m_{file}"
    meta = json.loads(stem.with_name(stem.name + "_meta.json").read_text())
    with h5py.File(stem.with_suffix(".hdf5")) as data:
        for split, content in meta.items():
            primitives = content["meta"]["primitives_ext"]
            for i, entry in enumerate(content["nets"]):
                config = NetConfig.from_json(entry, C=32, fc_dim=256)
                large = config.with_(image_size=224)
                counts = {"cifar10": count_params(config), "imagenet": count_params(large)}
                assert counts == entry["num_params"]
                graph = published_graph(config)
                assert (graph.distances(250) == data[f"{split}/{i}/adj"][()]).all()
                nodes = data[f"{split}/{i}/nodes"][()]  # listed cell by cell
                by_cell = np.argsort(graph.cell, kind="stable")
                stored = [primitives[str(p)].replace("_1x1", "") for p in nodes[:, 0]]
                assert stored == [graph.op_names()[v] for v in by_cell]
                assert (nodes[:, 1] == graph.cell[by_cell]).all()


def test_meta_networks_run_on_meta() -> None:
    config = SAMPLED[0]
    net = Network(config, device="meta")
    assert net(torch.empty(2, 3, config.image_size, config.image_size, device="meta")).shape == (
        2,
        10,
    )
