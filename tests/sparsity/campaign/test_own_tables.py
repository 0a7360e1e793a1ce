"""The tables of pruned networks in data/sparse: complete, of one piece, made again from masks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from repository import DATA

from graph2nn.runs import from_dict
from graph2nn.sparsity.campaign.grid import Setting, SparseGrid, find_grid
from graph2nn.sparsity.campaign.pipeline import INITIAL, run_setting
from graph2nn.sparsity.campaign.results import accuracy_drop, published_table, read_sparse_table

FOLDER = DATA / "sparse"
WEIGHTS = {"digits": (270896, 1278144), "cifar10": (270896,)}


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_tables_are_whole(name) -> None:
    table = read_sparse_table(FOLDER / f"{name}.csv")
    about = json.loads((FOLDER / f"{name}.json").read_text())
    grid = from_dict(SparseGrid, about["grid"])
    assert grid == find_grid("small", name)
    assert about["rows"] == about["planned"] == table.num_rows
    assert read_sparse_table(name).keys_of_rows() == table.keys_of_rows()
    settings = [(c.model, c.dataset, c.pruning, c.sparsity, c.seed) for c in grid.settings()]
    assert table.keys_of_rows() == settings
    assert not table.incomplete().any() and np.isfinite(accuracy_drop(table)).all()
    kept, weights = (np.bincount(table.layers["row"], table.layers[k]) for k in ("nnz", "numel"))
    assert set(weights.astype(int)) == set(WEIGHTS[name])
    assert (kept == np.round((1 - table["sparsity"]) * weights)).all()  # densities are exact
    assert (table["density"] == kept / weights).all()
    one_hop = 1 / table["edges"] + 1 / table["nodes"]
    assert np.allclose(table["1-hop_nei"], one_hop, rtol=1e-12)
    components = table["mean_connected_components"] * table["no_connected_components"]
    assert np.allclose(components, 1, rtol=1e-12)
    empty = np.bincount(table.layers["row"], table.layers["nnz"] == 0)
    assert (table["collapsed"] == empty).all()


def test_a_random_network_is_made_again() -> None:
    table = read_sparse_table(FOLDER / "digits.csv")
    stored = table.select(model="CONV-6", pruning="erk", sparsity=0.95, seed=1)
    grid = replace(find_grid("small", "digits"), training=False)
    key = dict(zip(("model", "dataset", "pruning", "sparsity", "seed"), stored.keys_of_rows()[0]))
    row, layers = run_setting(Setting(**key), grid)
    for name, value in row.items():
        if name in stored and name not in (*key, *INITIAL, "delta_r", "imdb", "imsg"):
            assert stored[name][0] == pytest.approx(value, rel=1e-12), name
    for name in INITIAL:
        assert stored[f"{name}_init"][0] == pytest.approx(row[name], rel=1e-5)
    assert stored.layers["nnz"].tolist() == [layer["nnz"] for layer in layers]
    assert stored.layers["layer_name"].tolist() == [layer["layer_name"] for layer in layers]
    delta = [layer["delta_r"] for layer in layers]
    assert stored.layers["delta_r"] == pytest.approx(delta, rel=1e-6)


def test_the_published_table_by_name() -> None:
    assert read_sparse_table("published").num_rows == published_table().num_rows
    with pytest.raises(FileNotFoundError, match="a table, .published., or the name of"):
        read_sparse_table("publshed")
