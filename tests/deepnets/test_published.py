"""The published HDF5 and JSON files: fixtures, round trip, old names, corrections, damage."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from unsealed import unsealed

from graph2nn.archgraph.paths import path_lengths
from graph2nn.deepnets import (
    EVAL_SPLITS,
    MetaBatches,
    Network,
    PublishedNets,
    WidthRule,
    build_graph,
    eval_nets,
    write_published,
)
from graph2nn.deepnets.published import _primitive, parameter_name

SPLITS = ("train", *EVAL_SPLITS)


@pytest.fixture
def folder(reference: Path) -> Path:
    return reference / "data" / "deepnets"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "deepnets1m_eval.hdf5"
    write_published(path, {split: eval_nets(split, 5) for split in ("val", "wide", "bnfree")})
    return path


@pytest.mark.parametrize("split", SPLITS)
def test_fixture_names_every_parameter(folder: Path, split: str):
    nets = PublishedNets(folder, split)
    assert len(nets) == {"train": 30, "val": 12, "test": 12, "wide": 6}.get(split, 8)
    for index in range(len(nets)):
        config, graph = nets[index]
        assert graph.num_nodes == nets.num_nodes(index)
        with torch.device("meta"):
            network = Network(config)
        shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
        assert dict(graph.param_shapes) == shapes
        for kind, params in zip(graph.op_names(), graph.params):
            norm = kind in ("bn", "ln")
            assert len(params) == (2 if norm else kind in PARAMETRIC)
            assert not norm or params[1] == params[0].replace("weight", "bias")
        lengths = path_lengths(graph.edges, graph.num_nodes, 50)
        assert (graph.distances(50) == lengths).all()


PARAMETRIC = ("conv", "sep_conv", "dil_conv", "bias", "pos_enc")


def test_widths_of_a_split(folder: Path):
    train, wide = PublishedNets(folder, "train"), PublishedNets(folder, "wide")
    assert {train.config(i).C for i in range(30)} == {32}
    assert {wide.config(i).C for i in range(6)} == {64}
    assert PublishedNets(folder, "wide", image_size=224).config(0).C == 32
    drawn = PublishedNets(folder, "train", widths=WidthRule())
    rng = np.random.default_rng(0)
    assert len({drawn.item(0, rng)[0].fc_dim for _ in range(50)}) == 4
    config, graph = drawn.item("3", rng)
    assert graph.param_shapes["classifier.0.weight"][0] in (config.fc_dim, 10)


def test_batches_of_published_networks(folder: Path):
    batches = MetaBatches(PublishedNets(folder, "train", widths=WidthRule()), 4, num_workers=1)
    batch = next(iter(batches))
    assert len(batch) == 4 and all(g.distances(50).any() for g in batch.graphs)
    nets = pickle.loads(pickle.dumps(PublishedNets(folder, "val")))
    assert nets[-1][0] == nets["11"][0]


def test_corrections(folder: Path):
    changed = 0
    for split in SPLITS:
        stored = PublishedNets(folder, split)
        fixed = PublishedNets(folder, split, fix_stored=True)
        for index in range(len(stored)):
            before, after = stored[index][1], fixed[index][1]
            degree = np.bincount(after.edges[1], minlength=after.num_nodes)
            merging = np.isin(after.op_names(), ["sum", "concat", "cse"])
            assert (degree[~merging] <= 1).all()
            changed += before.num_edges != after.num_edges
    assert changed > 20


def test_rebuilt_graphs(folder: Path):
    config, graph = PublishedNets(folder, "val", rebuild=True)[2]
    assert graph.params == build_graph(config).params


def test_round_trip(written: Path):
    for split in ("val", "wide", "bnfree"):
        nets, expected = PublishedNets(written, split), eval_nets(split, 5)
        assert [nets.config(i) for i in range(5)] == list(expected)
        for index in range(5):
            config, graph = nets[index]
            built = build_graph(config)
            assert graph.params == built.params and graph.param_shapes == built.param_shapes
            for name in ("op", "shape", "edges", "cell"):
                assert np.array_equal(getattr(graph, name), getattr(built, name)), name
            assert np.array_equal(graph.distances(50), built.distances(50))
            counts = nets.nets[index]["num_params"]
            assert counts["cifar10"] == expected.table.num_params[index, 0]


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("classifier.3.bias", "classifier.3.bias"),
        ("stem0.4.weight", "stem0.4.weight"),
        ("cells.0.stem.1.weight", "stem.1.weight"),
        ("pos_enc.weight", "pos_enc.weight"),
        ("preprocess0.conv_1.weight", "cells.2.preprocess0.conv_1.weight"),
        ("_ops.3.1.weight", "cells.2._ops.3.op.1.weight"),
        ("_ops.3.op.1.weight", "cells.2._ops.3.op.1.weight"),
        ("_ops.1.to_out.0.", "cells.2._ops.1.to_out.0.weight"),
        ("_ops.1.ln1.weight", "cells.2._ops.1.ln1.weight"),
    ],
)
def test_old_and_new_names(stored: str, name: str):
    assert parameter_name(stored, 2) == name


def test_extended_primitives():
    stored = ["conv_1x1", "conv_7x7", "sep_conv_3x3", "max_pool_3x3", "fc-b", "avg_pool", "bn"]
    kinds = ["conv", "conv", "sep_conv", "max_pool", "bias", "avg_pool", "bn"]
    assert [_primitive(name) for name in stored] == kinds


def test_names_without_weight(written: Path, tmp_path: Path):
    meta_path = tmp_path / "deepnets1m_eval_meta.json"
    meta = json.loads(meta_path.read_text())
    names = meta["val"]["meta"]["unique_op_names"]
    for key, name in names.items():  # as in the oldest files
        names[key] = name.removesuffix(".weight") if name.startswith("stem") else name
    expected = PublishedNets(written, "val")[0][1].params
    meta_path.write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="meta.json is altered, or belongs to another file"):
        PublishedNets(written, "val")
    unsealed(written)
    assert PublishedNets(written, "val")[0][1].params == expected


def test_files_are_not_overwritten(written: Path):
    before = written.read_bytes()
    with pytest.raises(FileExistsError, match="exists; choose another name"):
        write_published(written, {"val": eval_nets("val", 1)})
    assert written.read_bytes() == before
    write_published(written, {"val": eval_nets("val", 1)}, overwrite=True)
    assert len(PublishedNets(written)) == 1


def test_failed_writing_leaves_nothing(tmp_path: Path):
    def broken():
        yield eval_nets("val", 1)[0]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_published(tmp_path / "deepnets1m_val.hdf5", {"val": broken()})
    assert list(tmp_path.iterdir()) == []


def test_bad_files(written: Path, tmp_path: Path):
    meta_path = tmp_path / "deepnets1m_eval_meta.json"
    with pytest.raises(ValueError, match="no split 'test'; expected one of val, wide, bnfree"):
        PublishedNets(written, "test")
    with pytest.raises(ValueError, match="no split None"):
        PublishedNets(written)
    with pytest.raises(FileNotFoundError, match="deepnets1m_train.hdf5 not found; generate it"):
        PublishedNets(tmp_path, "train")
    with pytest.raises(IndexError, match="index 5 of 5 networks in split 'val'"):
        PublishedNets(written, "val")[5]
    sealed = written.read_bytes()
    written.write_bytes(sealed[:-1])
    with pytest.raises(ValueError, match="eval.hdf5 is damaged or cut off"):
        PublishedNets(written, "val")
    written.write_bytes(sealed)
    content = unsealed(written).read_bytes()
    nets = PublishedNets(written, "val")
    written.write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match="cannot read network 0 .*damaged or cut off"):
        nets[0]
    written.write_bytes(content)
    meta = json.loads(meta_path.read_text())
    meta["val"]["nets"][0], meta["val"]["nets"][1] = meta["val"]["nets"][1::-1]
    meta_path.write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="the two files do not belong together"):
        PublishedNets(written, "val")[0]
    meta_path.write_text('{"val": ')
    with pytest.raises(ValueError, match="meta.json is damaged"):
        PublishedNets(written, "val")
    meta_path.unlink()
    with pytest.raises(FileNotFoundError, match="meta.json not found; it belongs beside"):
        PublishedNets(written, "val")


def test_copy_beside_other_metadata(folder: Path, tmp_path: Path):
    shutil.copy(folder / "deepnets1m_train.hdf5", tmp_path)
    (tmp_path / "deepnets1m_train_meta.json").write_text('{"train": {"nets": []}}')
    with pytest.raises(ValueError, match="metadata of .* lack 'meta'"):
        PublishedNets(tmp_path, "train")
