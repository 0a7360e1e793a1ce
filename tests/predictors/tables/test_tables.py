"""Benchmark tables: what is in them, and errors that say how to get them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational.campaign.results import published_results
from predictors.tables import TABLES, Table, load_table, read_table

ROWS = {
    "nb201": 15_625,
    "nb201_latency": 15_625,
    "nb201_9x": 199,
    "tnb101_micro": 4_096,
    "tnb101_macro": 3_256,
    "nas_bench_macro": 6_561,
    "nb101_500": 500,
    "nb101_unlabelled": 10_250,
    "ec_nas": 4_310,
    "nb_nlp": 345,
    "fbnet": 5_000,
    "hwgpt": 10_000,
    "timm_models": 987,
    "relational": 3_990,
}


@pytest.mark.parametrize("name", ROWS)
def test_every_published_table(name: str) -> None:
    table = read_table(name)
    assert len(table) == ROWS[name]
    assert all(len(values) == len(table) for values in table.targets.values())
    X, y = load_table(name)
    assert len(X) == len(y) and np.isfinite(y).all()
    assert table.minimise <= set(table.targets)
    assert table.source


def test_nb201_means_what_it_says() -> None:
    table = read_table("nb201")
    valid, _ = load_table("nb201", subset="valid")
    assert len(valid) == 9_445
    best = table.graphs[int(np.argmax(table.targets["c10_val"]))]
    assert best.name.startswith("|nor_conv_3x3~0|")
    # proxies exist for valid networks only; the cost of a 3x3 is nine times that of a 1x1
    known = ["zc_flops" in graph.attributes for graph in table.graphs]
    assert np.array_equal(known, table.subsets["valid"])
    counts = np.array(
        [[Counter(g.op_names())[op] for op in ("conv_3x3", "conv_1x1")] for g in valid]
    )
    params = np.array([g.attributes["zc_params"] for g in valid])
    cost = np.linalg.lstsq(np.c_[counts, np.ones(len(counts))], params, rcond=None)[0]
    assert cost[0] / cost[1] == pytest.approx(9, rel=0.05)
    assert not table.higher_is_better("hw_cifar10_raspi4_latency")
    assert np.isnan(table.targets["hw_cifar10_edgetpu_latency"]).sum() == 4_699
    assert table.noise["c10_val"].tau == pytest.approx(0.879, abs=5e-4)


def test_tnb101_networks_without_a_path_agree() -> None:
    """The check that settles the order of edges: 169 networks share the value of no path."""
    table = read_table("tnb101_micro")
    lost = [g for g in range(len(table)) if not _connected(table.graphs[g])]
    assert len(lost) == 169
    assert np.unique(table.targets["class_object"][lost]).size == 1


def test_costs_of_macro_add_up() -> None:
    table = read_table("nas_bench_macro")
    ops = np.array([g.op[1:-1] for g in table.graphs])
    onehot = (ops[:, :, None] == np.unique(ops)).reshape(len(table), -1).astype(float)
    flops = np.array([g.attributes["flops"] for g in table.graphs])
    fitted = onehot @ np.linalg.lstsq(onehot, flops, rcond=None)[0]
    assert np.abs(fitted - flops).max() < 1
    assert table.graphs[int(np.argmax(table.targets["acc"]))].name == "22212220"
    assert table.noise["acc"].tau == pytest.approx(0.896, abs=5e-4)


def test_energy_cells_are_cells_of_nb101() -> None:
    table = read_table("ec_nas")
    assert Counter(g.num_nodes for g in table.graphs) == {7: 3639, 6: 636, 5: 33, 4: 2}
    params = np.array([g.attributes["params"] for g in table.graphs])
    only = [{*g.op_names()} - {"input", "output"} for g in table.graphs]
    pools = params[[ops == {"max_pool_3x3"} for ops in only]]
    threes = params[[ops == {"conv_3x3"} for ops in only]]
    assert pools.max() < 3.6e6 and threes.min() > 4.3e6


def test_recurrent_cells() -> None:
    table = read_table("nb_nlp")
    assert np.isnan(table.label()).sum() == 4
    assert table.group is not None and len(np.unique(table.group)) == 291
    assert len(table.rows()) == 341


def test_relational_targets_are_means_over_seeds() -> None:
    table = read_table("relational")
    assert len(table.rows("mlp_cifar10")) == 3_942
    assert len(table.rows("efficient_imagenet")) == 48
    assert table.noise["mlp_cifar10"].tau == pytest.approx(0.269, abs=1e-3)
    results = published_results()
    some = table.graphs[100].name
    rows = (results["graph_id"] == some) & (results["task"] == "mlp_cifar10")
    assert table.label("mlp_cifar10")[100] == pytest.approx(results["top1_error"][rows].mean())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nasbench", {}, "unknown table 'nasbench'; choose one of .*nb201"),
        ("nb201", {"target": "acc"}, "table nb201 has no target 'acc'; it has c10_val"),
        ("nb201", {"subset": "best"}, "has no subset 'best'; it has valid"),
        ("tnb101_micro", {"subset": "valid"}, "has no subset 'valid'; it has none"),
    ],
)
def test_unknown_names(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_table(name, **options)


@pytest.mark.usefixtures("no_reference")
def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="deepnets_published is not there: .*set NETWRIGHT_REFER"):
        load_table("deepnets_published")
    for name in set(TABLES) & set(ROWS):
        with pytest.raises(ValueError, match="is not there: no .* leave out data_dir"):
            load_table(name, data_dir=tmp_path)


@pytest.mark.filterwarnings("ignore:nothing vouches")
@pytest.mark.parametrize("name", ROWS)
def test_originals_give_the_same_table(name: str, reference: Path) -> None:
    part = "relational" if name == "relational" else "predictors"
    ours, theirs = read_table(name), read_table(name, data_dir=reference / "data" / part)
    targets = dict(theirs.targets)
    if name == "nb201":  # comes without a licence, so it is not shipped
        assert targets.pop("c10_vis_acc").max() == pytest.approx(94.373, abs=1e-3)
    assert list(ours.targets) == list(targets)
    for target, values in targets.items():
        np.testing.assert_array_equal(ours.targets[target], values)
    assert _known(ours) == _known(theirs)
    for subset, mask in theirs.subsets.items():
        np.testing.assert_array_equal(ours.subsets[subset], mask)
    np.testing.assert_array_equal(ours.group, theirs.group)
    assert {n: r.tau for n, r in ours.noise.items()} == pytest.approx(
        {n: r.tau for n, r in theirs.noise.items()}, abs=1e-12
    )


@pytest.mark.usefixtures("reference")
def test_published_labels_are_not_given_to_other_networks() -> None:
    with pytest.raises(ValueError, match="does not hold the networks .*12 networks in split val"):
        load_table("deepnets_published")


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "tnb101_micro.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="tnb101_micro.csv.gz is half-written or altered"):
        load_table("tnb101_micro", data_dir=tmp_path)
    (tmp_path / "nb101_500.csv").write_text("arch,val_accuracy\n1\n")
    with pytest.raises(ValueError, match="nb101_500.csv, line 2: expected 2 values, got 1"):
        load_table("nb101_500", data_dir=tmp_path)


def _connected(cell) -> bool:
    alive = {0}
    ops = cell.op_names()
    for u, v in cell.edges.T.tolist():  # sorted by source, so one pass is enough
        if u in alive and ops[v] != "none":
            alive.add(v)
    return cell.num_nodes - 1 in alive


def _known(table: Table) -> list[tuple]:
    """What a predictor sees of the networks."""
    return [(g.name, g.op.tolist(), g.edges.tolist(), g.attributes) for g in table.graphs]
