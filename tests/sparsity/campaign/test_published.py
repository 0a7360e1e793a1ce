"""The reader of tables of sparse networks, on the published table and on bad ones."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from graph2nn.sparsity.campaign.results import (
    METRICS,
    PUBLISHED_MODELS,
    PUBLISHED_PRUNERS,
    SparseTable,
    accuracy_drop,
    published_table,
    read_sparse_table,
)

DIMS = {
    "CONV-6": 233_356,
    "Resnet-20": 191_884,
    "Resnet-32": 306_572,
    "Wide-Resnet-28-2": 478_604,
    "MobileNetV2": 1_676_172,
}
CLASSES = {"CIFAR-10": 10, "CIFAR-100": 100, "tinyimagenet": 200}


@pytest.fixture(scope="module")
def table() -> SparseTable:
    return published_table()


def small(**changes) -> dict:
    columns = {
        "model": ["A", "A", "B"],
        "dataset": ["d"] * 3,
        "pruning": ["dense", "snip", "snip"],
        "sparsity": [0.0, 0.9, 0.9],
        "seed": [0, 0, 0],
        "accuracy": [0.8, 0.6, 0.5],
    }
    return {**columns, **changes}


def layers(**changes) -> dict:
    columns = {
        "model": ["A", "A", "B", "C"],
        "dataset": ["d"] * 4,
        "pruning": ["snip"] * 4,
        "sparsity": [0.9] * 4,
        "seed": [0] * 4,
        "layer_id": [0, 1, 0, 0],
        "layer_name": ["a", "b", "a", "a"],
        "nnz": [1, 2, 3, 4],
        "numel": [10, 10, 10, 10],
        "delta_r": ["-inf", "", 0.1, 0.2],
        "imdb": ["", "", 0.1, 0.2],
        "imsg": ["", "", 0.1, 0.2],
    }
    return {**columns, **changes}


def test_published_counts(table):
    assert (table.num_rows, table.repeated) == (2290, 47)
    assert table.incomplete().sum() == 4
    studied = table.select(model=PUBLISHED_MODELS, pruning=PUBLISHED_PRUNERS)
    assert studied.num_rows == 1251 and studied.incomplete().sum() == 4
    assert len(np.unique(studied.layers["row"])) == 1251  # every one has its layers
    assert set(table) >= set(METRICS)


def test_published_identities(table):
    """Node counts; 1-hop = 1 + E / N; components times their mean size = N."""
    expected = [DIMS[m] + CLASSES[d] for m, d in zip(table["model"], table["dataset"])]
    np.testing.assert_array_equal(table["nodes"], expected)
    edges, nodes = table["edges"], table["nodes"]
    np.testing.assert_allclose(table["1-hop_nei"] * edges, 1 + edges / nodes, rtol=1e-9)
    product = table["mean_connected_components"] * table["no_connected_components"]
    np.testing.assert_allclose(product, 1, rtol=1e-9)


def test_published_sparsity_of_layers(table):
    """The kept share of all weights of the exact methods is 1 - sparsity."""
    snip = table.select(model="Resnet-20", pruning="snip")
    kept = np.bincount(snip.layers["row"], snip.layers["nnz"])
    total = np.bincount(snip.layers["row"], snip.layers["numel"])
    np.testing.assert_allclose(kept / total, 1 - snip["sparsity"], rtol=1e-3)


def test_take_keeps_layers_with_their_networks(table):
    rows = np.array([700, 3, 700 - 1])
    taken = table.take(rows)
    for new, old in enumerate(rows):
        expected = table.layers["nnz"][table.layers["row"] == old]
        np.testing.assert_array_equal(taken.layers["nnz"][taken.layers["row"] == new], expected)
        assert taken.keys_of_rows()[new] == table.keys_of_rows()[old]


def test_drop_of_the_published_table_is_to_the_best(table):
    drop = accuracy_drop(table)
    assert drop.min() == 0 and drop.max() < 1
    here = (table["model"] == "CONV-6") & (table["dataset"] == "CIFAR-10")
    best = table["accuracy"][here].max()
    np.testing.assert_allclose(drop[here], 1 - table["accuracy"][here] / best)


def test_drop_uses_dense_networks():
    table = SparseTable(small())
    np.testing.assert_allclose(accuracy_drop(table), [0, 0.25, 0])
    table = SparseTable(small(dense_accuracy=[0.8, 1.0, 0.4]))
    np.testing.assert_allclose(accuracy_drop(table), [0, 0.4, -0.25])


@pytest.mark.filterwarnings("ignore:nothing vouches")
def test_files(tmp_path):
    def write(name, columns):
        lines = [",".join(columns)] + [",".join(map(str, row)) for row in zip(*columns.values())]
        data = ("\n".join(lines) + "\n").encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)

    write("own.csv", small(note=["x", "y", "z"], nodes=[1, "", 3]))
    write("own_layers.csv.gz", layers())
    table = read_sparse_table(tmp_path / "own.csv")
    assert table.layers["row"].tolist() == [1, 1, 2]
    assert table.layers["delta_r"][0] == -np.inf and np.isnan(table.layers["delta_r"][1])
    assert table["note"].tolist() == ["x", "y", "z"] and np.isnan(table["nodes"][1])
    assert table.incomplete().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "columns, message",
    [
        ({k: v for k, v in small().items() if k != "seed"}, "missing seed"),
        (small(accuracy=[80, 60, 50]), "accuracy: expected a fraction"),
        (small(accuracy=[0.1, "", 0.2]), "line 3: accuracy is empty"),
        (small(accuracy=[0.1, "high", 0.2]), "line 3: accuracy should be a number, got 'high'"),
        (small(sparsity=[0, 1.0, 0.9]), "sparsity: expected a fraction"),
        (small(seed=[0, 0.5, 0]), "line 3: seed should be a whole number, got 0.5"),
        (small(seed=[0, 0]), "unequal lengths"),
        (small(pruning=["snip", "snip", "snip"], sparsity=[0.9] * 3), "the same network"),
    ],
)
def test_bad_tables(columns, message):
    with pytest.raises(ValueError, match=message):
        SparseTable(columns, where="mine.csv")


def test_bad_layers():
    with pytest.raises(ValueError, match="expected 0 to numel"):
        SparseTable(small(), layers(nnz=[1, 20, 3, 4]))
    with pytest.raises(ValueError, match="missing imsg"):
        SparseTable(small(), {k: v for k, v in layers().items() if k != "imsg"})


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a table"):
        read_sparse_table(tmp_path / "none.csv")
    (tmp_path / "cut.csv").write_text("model,dataset\nA,d\nA\n")
    with pytest.raises(ValueError, match="line 3: expected 2 values, got 1"):
        read_sparse_table(tmp_path / "cut.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"model,dataset\n" * 99)[:-9])
    with pytest.raises(ValueError, match="copy the file again"):
        read_sparse_table(tmp_path / "cut.csv.gz")
    with pytest.raises(ValueError, match="no network with model C; it has A, B"):
        SparseTable(small()).select(model="C")
