"""Endless and finite sets of networks and the meta-batches made of them."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch

from graph2nn.deepnets import (
    DARTS,
    EndlessNets,
    MetaBatch,
    MetaBatches,
    NetConfig,
    NetDataset,
    WidthRule,
    eval_nets,
    num_nodes,
    split_rules,
)

SMALL = {"image_size": 8, "in_channels": 1}


def first(stream, n: int) -> list:
    return list(itertools.islice(stream, n))


def key(batch: MetaBatch) -> tuple:
    return batch.index, batch.configs


def test_network_depends_on_seed_and_index_only():
    nets = EndlessNets("train", 3, chunk=16)
    later = EndlessNets("train", 3, chunk=16, start=40)
    sequence = first(nets, 60)
    assert first(later, 20) == sequence[40:]
    assert EndlessNets("train", 3, chunk=16)[59] == sequence[59]
    assert nets[5] == sequence[5]
    copy = pickle.loads(pickle.dumps(nets))
    assert copy[17] == sequence[17]
    assert EndlessNets("train", 4, chunk=16)[0] != sequence[0]
    assert len(set(sequence)) == 60


def test_images_and_rules_of_a_stream():
    nets = EndlessNets("train", rules={"cells": (4, 5), "max_nodes": 90}, num_classes=3, **SMALL)
    for index in range(20):
        config = nets[index]
        assert (config.image_size, config.num_classes, config.in_channels) == (8, 3, 1)
        assert config.n_cells <= 5
        assert nets.num_nodes(index) == num_nodes(config) <= 90
    rules = split_rules("train", cells=(4, 4))
    assert all(c.n_cells == 4 for c in first(EndlessNets("train", rules=rules), 20))


@pytest.mark.parametrize("world", [2, 4])
def test_batches_are_shared_between_processes(world):
    nets = EndlessNets("train", 0)
    whole = first(MetaBatches(nets, 4), 5)
    parts = [first(MetaBatches(nets, 4, rank=r, world=world), 5) for r in range(world)]
    for step, batch in enumerate(whole):
        assert all(part[step].index == batch.index for part in parts)
        for rank, part in enumerate(parts):
            assert part[step].configs == batch.configs[rank::world]


def test_batches_resume_and_do_not_depend_on_workers():
    nets = EndlessNets("train", 1, **SMALL)
    options = {"max_nodes": 700, "cutoff": 10}
    here = first(MetaBatches(nets, 6, **options), 12)
    assert any(b.index != a.index + 1 for a, b in itertools.pairwise(here)), "none was dropped"
    before = torch.random.get_rng_state()
    workers = first(MetaBatches(nets, 6, num_workers=2, **options), 12)
    assert torch.equal(before, torch.random.get_rng_state())
    assert [key(b) for b in workers] == [key(b) for b in here]
    resumed = first(MetaBatches(nets, 6, start=here[4].index + 1, **options), 3)
    assert [key(b) for b in resumed] == [key(b) for b in here[5:8]]
    for batch in workers:
        assert sum(g.num_nodes for g in batch.graphs) <= 700
        assert all(g.recall(("distances", 10)) is not None for g in batch.graphs), (
            "path lengths were not sent along"
        )


def test_large_batches_are_dropped_whole():
    nets = EndlessNets("train", 0)
    batches = MetaBatches(nets, 8, max_nodes=1500)
    for index in range(12):
        total = sum(nets.num_nodes(8 * index + k) for k in range(8))
        assert (batches.batch(index) is None) == (total > 1500)
    assert len(MetaBatches(nets, 8, max_nodes=None).batch(0)) == 8


def test_finite_set_is_shuffled_every_pass():
    nets = eval_nets("train", 10)
    batches = MetaBatches(nets, 4, max_nodes=None, seed=5)
    passes = [[batches.batch(3 * p + k).configs for k in range(3)] for p in range(2)]
    for one in passes:
        assert [len(b) for b in one] == [4, 4, 2]
        assert set(itertools.chain(*one)) == set(nets)
    assert passes[0] != passes[1]


def test_widths_drawn_on_access():
    nets = NetDataset(eval_nets("train", 40).table, widths=WidthRule())
    rng = np.random.default_rng(0)
    for index in range(40):
        config, graph = nets.item(index, rng)
        assert config.genotype == nets[index].genotype
        assert graph.param_shapes["classifier.0.bias"][0] in (config.fc_dim, config.num_classes)
    drawn = {nets.item(3, rng)[0].fc_dim for _ in range(50)}
    assert len(drawn) >= 4
    batches = MetaBatches(nets, 8, max_nodes=None)
    assert batches.batch(3).configs == batches.batch(3).configs


def test_evaluation_sets():
    short, long = eval_nets("val", 20), eval_nets("val", 130)
    assert list(short) == list(long)[:20] and len(long) == 130
    assert long[-1] == long[129] and list(long[5:8]) == [long[5], long[6], long[7]]
    assert not set(long) & set(first(EndlessNets("val", 0), 130))
    assert not set(long) & set(eval_nets("test", 130))
    test, wide = eval_nets("test", 50), eval_nets("wide", 50)
    assert [c.genotype for c in test] == [c.genotype for c in wide]
    assert all(w.C == 4 * c.C for c, w in zip(test, wide))
    (vit,) = eval_nets("predefined", 2)
    assert (vit.C, vit.n_cells, vit.vit, vit.preproc) == (128, 12, True, False)


def test_list_of_configs_keeps_its_images():
    nets = NetDataset([NetConfig(genotype=DARTS, n_cells=4, **SMALL)])
    assert nets[0].image_size == 8 and nets.num_nodes(0) == num_nodes(nets[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EndlessNets("valid"), "unknown split 'valid'"),
        (lambda: EndlessNets("valid", rules=split_rules("val")), "unknown split 'valid'"),
        (lambda: EndlessNets(start=-1), "start >= 0 .* got seed=0, start=-1"),
        (lambda: eval_nets("eval", 3), "unknown split 'eval'"),
        (lambda: MetaBatches(EndlessNets(), 2, world=4), "cannot be shared by 4 processes"),
        (lambda: MetaBatches(EndlessNets(), 2, rank=1), "expected 0 <= rank < world"),
        (lambda: MetaBatches(NetDataset([]), 2), "expected at least one network"),
        (
            lambda: next(iter(MetaBatches(EndlessNets(**SMALL), 2, max_nodes=1))),
            "1000 batches in a row exceed max_nodes",
        ),
        (
            lambda: NetDataset(
                [NetConfig(genotype=DARTS, n_cells=4, image_size=size) for size in (8, 32)]
            ),
            "networks for different images",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_index_errors():
    with pytest.raises(IndexError, match="index 3 of a data set of 3 networks"):
        eval_nets("val", 3)[3]
    with pytest.raises(IndexError, match="expected an index >= 0, got -1"):
        EndlessNets()[-1]
