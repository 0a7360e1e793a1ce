"""Feature sets of tables of sparse networks."""

from __future__ import annotations

import numpy as np
import pytest
from sparse_table import made_up_table

from graph2nn.sparsity.campaign.densities import DENSITY_FLOOR
from graph2nn.sparsity.campaign.feature_sets import FEATURE_SETS, features
from graph2nn.sparsity.campaign.results import LAYER_COLUMNS, SparseTable


def table(nnz, numel, **columns) -> SparseTable:
    """Networks with these layers, one list a network."""
    count = len(nnz)
    keys = {
        "model": [f"m{k}" for k in range(count)],
        "dataset": ["d"] * count,
        "pruning": ["snip"] * count,
        "sparsity": [0.5] * count,
        "seed": [0] * count,
    }
    rows = [(k, i) for k in range(count) for i in range(len(nnz[k]))]
    layers = {name: [values[k] for k, _ in rows] for name, values in keys.items()}
    layers |= {name: [0.0] * len(rows) for name in LAYER_COLUMNS}
    layers |= {"layer_id": [i for _, i in rows], "layer_name": [f"l{i}" for _, i in rows]}
    layers |= {"nnz": [nnz[k][i] for k, i in rows], "numel": [numel[k][i] for k, i in rows]}
    for name, values in columns.items():
        layers[name] = [values[k][i] for k, i in rows]
    return SparseTable({**keys, "accuracy": [0.5] * count}, layers)


def test_density8_by_hand():
    found = features(table([[10, 2], [8, 0, 4]], [[20, 20], [8, 5, 16]]), "density8")
    d = np.array([0.5, 0.1])
    np.testing.assert_allclose(
        found.values[0],
        [
            0.3,
            np.log(d).mean(),
            np.log(1 / (1 / d).mean()),
            np.log(0.1),
            np.log(d).std(),
            np.log(0.5),
            np.log(0.1),
            np.log(12),
        ],
    )
    d = np.array([1.0, DENSITY_FLOOR, 0.25])
    assert found.values[1][3] == np.log(DENSITY_FLOOR)  # a layer without weights
    np.testing.assert_allclose(found.values[1][1], np.log(d).mean())
    np.testing.assert_allclose(found.values[1][0], 1.25 / 3)  # the mean needs no floor
    assert len(found.names) == 8


def test_profile_of_a_straight_line():
    logs = np.linspace(-3, -0.5, 8)
    found = features(table([list(np.exp(logs))], [[1.0] * 8]), "profile")
    np.testing.assert_allclose(found.values[0], np.concatenate([logs, logs]))


def test_ramanujan_without_and_with_infinite_values():
    values = [[-np.inf, 0.2, np.nan], [0.3, 0.5, np.nan], [0.0, 0.1, 0.2], [np.nan] * 3]
    four = table([[1, 1, 1]] * 4, [[2, 2, 2]] * 4, delta_r=values)
    finite = features(four, "ramanujan3").values[:, 0]
    np.testing.assert_allclose(finite, [0.2, 0.4, 0.1, (0.2 + 0.4 + 0.1) / 3])
    infinite = features(four, "ramanujan3_inf").values[:, 0]
    np.testing.assert_allclose(infinite[1:], [0.4, 0.1, 0.25])  # the first has no finite mean
    np.testing.assert_allclose(infinite[0], 0.1 - np.std([0.4, 0.1]))


def test_logarithms_of_counts_below_one():
    found = features(made_up_table(), "mge_log")
    raw = features(made_up_table(), "mge16")
    np.testing.assert_allclose(found.values, np.log(np.maximum(np.abs(raw.values), 1e-9)))


def test_sets_join_in_order():
    joined = features(made_up_table(), "log_density+model+mge13")
    assert joined.names[:2] == ("log density", "B") and len(joined.names) == 15
    assert set(joined.values[:, 1]) == {0.0, 1.0}
    assert not {"spectral_gap", "avg_node_strength"} & set(joined.names)


def test_features_do_not_depend_on_other_rows():
    """But for the Ramanujan ones, whose missing values are filled in from all networks."""
    whole = made_up_table(seeds=1)
    part = whole.take(np.arange(5, 11))
    for name in FEATURE_SETS:
        if not name.startswith("ramanujan") and name != "model":
            expected = features(whole, name).values[5:11]
            np.testing.assert_allclose(features(part, name).values, expected, err_msg=name)


@pytest.mark.parametrize(
    "change, sets, message",
    [
        (lambda t: t, "mge17", "unknown set 'mge17'; choose one of sparsity, "),
        (lambda t: made_up_table(missing=("motif",)), "mge16", "no columns motif"),
        (lambda t: SparseTable(dict(t)), "density8", "need the table of layers"),
        (
            lambda t: t.with_column("motif", np.where(np.arange(t.num_rows) < 2, np.nan, 1.0)),
            "density8+mge16",
            "2 networks lack a feature .* such as motif of row 0",
        ),
    ],
)
def test_what_a_table_lacks_is_said(change, sets, message):
    with pytest.raises(ValueError, match=message):
        features(change(made_up_table()), sets)


def test_networks_without_layers_are_named():
    whole = made_up_table(seeds=1)
    layers = dict(whole.layers)
    row = layers.pop("row")
    keys = whole.keys_of_rows()
    for at, name in enumerate(("model", "dataset", "pruning", "sparsity", "seed")):
        layers[name] = [keys[r][at] for r in row]
    kept = {name: np.asarray(values)[row > 0] for name, values in layers.items()}
    with pytest.raises(ValueError, match="1 networks have none, such as A, d, snip, 0.6, 0"):
        features(SparseTable(dict(whole), kept), "density8")
