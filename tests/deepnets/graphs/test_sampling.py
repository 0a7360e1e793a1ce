"""Sampling by the published rules: predicates, counts, distributions, limits, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graph2nn.deepnets import (
    DARTS,
    EVAL_SPLITS,
    OPS,
    SPLITS,
    Genotype,
    NetConfig,
    NetTable,
    SplitRules,
    ViT,
    WidthRule,
    count_params,
    draw_widths,
    is_connected,
    sample_config,
    sample_genotype,
    sample_table,
    split_rules,
)
from graph2nn.deepnets.graphs.counts import table_connected, table_params
from graph2nn.deepnets.graphs.sampling import _candidates, acceptable


def cell(*ops: str) -> tuple[tuple[str, int], ...]:
    """Edges with these operations, inputs 0 and 1."""
    return tuple((op, i % 2) for i, op in enumerate(ops))


def genotype(normal: tuple[str, ...], reduce: tuple[str, ...]) -> Genotype:
    """Both cells with the given operations and the last state as output."""
    return Genotype(cell(*normal), (1 + len(normal) // 2,), cell(*reduce), (1 + len(reduce) // 2,))


POOLS = ("max_pool_3x3", "skip_connect", "avg_pool_3x3", "none")


@pytest.mark.parametrize(
    ("normal", "reduce", "kept"),
    [
        (POOLS, POOLS, False),  # nothing to train
        (("cse", "none"), ("none", "max_pool_3x3"), False),  # squeeze-excite needs a convolution
        (("cse", "msa"), POOLS, False),
        (("cse", "sep_conv_3x3"), POOLS, True),
        (("cse", "skip_connect"), ("dil_conv_3x3", "none"), True),
        (("cse", "conv_1x1"), ("cse", "conv_1x1"), True),
        (("cse", "cse", "conv_3x3", "none"), POOLS, False),
        (POOLS, ("cse", "cse", "conv_3x3", "none"), False),
        (("conv_5x5", "conv_7x7"), POOLS, False),
        (("conv_5x5", "none"), ("conv_7x7", "none"), True),
        (("msa", "none"), POOLS, True),
        (("conv_7x1_1x7", "conv_7x1_1x7"), POOLS, True),
    ],
)
def test_rejection_of_genotypes(normal, reduce, kept):
    table = NetTable.of([NetConfig(genotype=genotype(normal, reduce), n_cells=4)])
    assert acceptable(table).tolist() == [kept]


@pytest.mark.parametrize("split", SPLITS)
def test_networks_obey_the_rules(split):
    rules = SPLITS[split]
    table = sample_table(rules, 400, np.random.default_rng(0))
    assert len(table) == 400
    assert acceptable(table).all() and table_connected(table).all()
    assert (table.num_params <= rules.max_params).all() and (table.num_params > 0).all()
    assert table.n_cells.min() == rules.cells[0] and table.n_cells.max() == rules.cells[1]
    low, medium, high = rules.steps
    deep = table.n_cells > max(rules.deep)
    assert table.steps.min() == low and table.steps.max() == high
    assert table.steps[deep].max() <= medium
    vit = (table.op == OPS.index("msa")).any((1, 2))
    several = (table.steps[:, 0] > 1) | (table.C_mult > 1)
    assert table.preproc[several].all()
    assert table.glob_avg[vit | deep].all()
    assert not table.stem_pool[table.stem_type == 1].any()
    used = np.arange(table.op.shape[2]) < 2 * table.steps[:, :, None]
    assert not (table.op[table.steps[:, 0] == 1] == 0)[used[table.steps[:, 0] == 1]].any()
    if split == "bnfree":
        assert (table.norm == 1).all()
    elif split == "search":
        assert (table.norm == 0).all()
    else:
        shallow = (table.n_cells <= low_cells(rules)) & (table.steps[:, 0] <= medium)
        assert not table.norm[~shallow].any()
        assert 0.3 < table.norm[shallow].mean() < 0.7
    for row in range(20):
        table.config(row)  # is a network that can be built


def low_cells(rules: SplitRules) -> int:
    """Number of cells up to which a network may have no norm."""
    return rules.cells[0] + 1


@pytest.mark.parametrize("image_size", [8, 16, 28, 32, 224])
@pytest.mark.parametrize("split", ["train", "dense", "deep", "bnfree", "search"])
def test_counts_equal_builder(split, image_size):
    table = sample_table(SPLITS[split], 60, np.random.default_rng(1))
    fast = table_params(table, image_size=image_size, num_classes=7, in_channels=1)
    images = {"image_size": image_size, "num_classes": 7, "in_channels": 1}
    slow = [count_params(table.config(row, **images)) for row in range(len(table))]
    assert fast.tolist() == slow


@pytest.mark.parametrize("n_cells", [1, 2, 3, 4, 5])
def test_counts_of_named_genotypes(n_cells):
    configs = [
        NetConfig(genotype=DARTS, n_cells=n_cells, glob_avg=False, fc_layers=3),
        NetConfig(genotype=DARTS, n_cells=n_cells, is_vit=True),
        NetConfig(genotype=ViT, n_cells=n_cells, C_mult=1, preproc=False, norm="bn-track"),
    ]
    fast = table_params(NetTable.of(configs))
    assert fast.tolist() == [count_params(config) for config in configs]


def test_connectivity_equals_builder():
    table = _candidates(SPLITS["train"], 3000, np.random.default_rng(2))
    table.op[::3] *= np.random.default_rng(3).random(table.op[::3].shape) > 0.5  # many "none"
    fast = table_connected(table)
    assert 0.02 < 1 - fast.mean() < 0.6
    assert fast.tolist() == [is_connected(table.config(row)) for row in range(len(table))]


@pytest.mark.parametrize("part", ["train", "eval"])
def test_counts_equal_published(reference: Path, part: str):
    meta = json.loads((reference / f"data/deepnets/deepnets1m_{part}_meta.json").read_text())
    for split in meta.values():
        nets = split["nets"]
        table = NetTable.of([NetConfig.from_json({**net, "C": 32, "fc_dim": 256}) for net in nets])
        for image_size, key in ((32, "cifar10"), (224, "imagenet")):
            expected = [net["num_params"][key] for net in nets]
            assert table_params(table, image_size=image_size).tolist() == expected
        assert acceptable(table).all() and table_connected(table).all()


def test_genotype_arguments():
    rng = np.random.default_rng(0)
    for _ in range(100):
        g = sample_genotype(rng, steps=3, only_pool=True, allow_none=False, drop_concat=False)
        assert {op for op, _ in g.reduce} <= set(OPS[1:4])
        assert "none" not in {op for op, _ in g.normal} and not g.uses("msa")
        assert g.normal_concat == g.reduce_concat == (2, 3, 4)
    drawn = [sample_genotype(rng, steps=3, allow_transformer=True) for _ in range(300)]
    assert any(g.uses("msa") for g in drawn) and any(g.uses("none") for g in drawn)
    assert all(g.normal_concat[-1] == 4 for g in drawn)
    assert {g.normal_concat for g in drawn} == {(4,), (2, 4), (3, 4), (2, 3, 4)}
    assert all(g.normal[k][1] != g.normal[k + 1][1] for g in drawn for k in (0, 2, 4))


def test_operations_and_inputs_are_uniform():
    table = _candidates(SplitRules(steps=(4, 4, 4)), 20000, np.random.default_rng(0))
    counts = np.bincount(table.op[:, 0].ravel(), minlength=15)
    expected = table.op[:, 0].size / 15
    assert ((counts - expected) ** 2 / expected).sum() < 36.1  # chi2(14) at 0.001
    pairs = table.source[:, 0, 6] * 5 + table.source[:, 0, 7]  # ordered pairs of five states
    kinds, counts = np.unique(pairs, return_counts=True)
    assert len(kinds) == 20
    expected = len(pairs) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi2(19) at 0.001


@pytest.mark.parametrize(
    ("cells", "millions", "glob_avg", "op", "widths"),
    [
        (8, 0.1, True, "conv_3x3", set(range(32, 129, 16))),
        (9, 0.1, True, "conv_3x3", {32, 48, 64}),
        (4, 0.3, True, "conv_3x3", {32, 48, 64}),
        (11, 0.1, True, "conv_3x3", {32, 48}),
        (4, 0.5, True, "conv_3x3", {32, 48}),
        (13, 0.1, True, "conv_3x3", {32}),
        (4, 0.9, True, "conv_3x3", {32}),
        (4, 0.1, False, "conv_3x3", {32}),
        (4, 0.1, True, "conv_5x5", {32}),
        (4, 0.1, True, "conv_7x7", {32}),
    ],
)
def test_published_widths(cells, millions, glob_avg, op, widths):
    net = NetConfig(genotype=genotype((op, "none"), POOLS), n_cells=cells, glob_avg=glob_avg)
    rng = np.random.default_rng(0)
    drawn = [draw_widths(net, int(millions * 1e6), rng) for _ in range(300)]
    assert {c.C for c in drawn} == widths
    free = cells == 8
    narrow, broad = set(range(64, 257, 64)), set(range(64, 513, 64))
    assert {c.fc_dim for c in drawn if c.C <= 64} == (broad if free else narrow)
    assert {c.fc_dim for c in drawn if c.C > 64} == (narrow if free else set())


def test_limits_and_small_images():
    images = {"image_size": 8, "num_classes": 10, "in_channels": 1}
    for split in ("train", *EVAL_SPLITS, "search"):
        rules = split_rules(split, image_size=8)
        table = sample_table(rules, 30, np.random.default_rng(0), **images)
        if rules.max_size is not None:
            assert (table_params(table, **images) <= rules.max_size).all()
        assert (table.num_nodes <= rules.max_nodes).all() and table.num_nodes.all()
    config = sample_config(split_rules("train", image_size=8), np.random.default_rng(0), **images)
    assert (config.image_size, config.in_channels) == (8, 1)
    rules = split_rules("train", exclude=("msa", "conv_7x7"), kernels=(3,))
    table = sample_table(rules, 200, np.random.default_rng(0))
    assert not np.isin(table.op, [OPS.index("msa"), OPS.index("conv_7x7")]).any()
    assert (table.ks == 3).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_rules("tests"), "unknown split 'tests'; choose one of train, val"),
        (lambda: split_rules("train", cell=4), "unknown rule 'cell'; choose one of steps, cells"),
        (lambda: split_rules("train", cells=(8, 4)), "cells: expected 1 <= min <= max"),
        (lambda: split_rules("train", steps=(1, 2, 13)), "steps: expected 1 <= min"),
        (lambda: split_rules("train", norm="bn"), "norm: expected 'mixed'"),
        (lambda: WidthRule(channels=(3,)), "channels: expected even widths"),
        (lambda: WidthRule(factor=0), "factor: expected a positive integer"),
        (
            lambda: sample_table(split_rules("train", max_params=100), 5, np.random.default_rng(0)),
            "only 0 of .* candidate networks satisfy the rules; allow more cells",
        ),
        (
            lambda: NetTable.of([NetConfig(genotype=DARTS, n_cells=4, norm="bn")]),
            "norm 'bn' cannot be stored",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
