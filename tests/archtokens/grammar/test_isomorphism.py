"""Isomorphic DeepNets-1M networks have one canonical string."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph.canonical import canonical_key
from graph2nn.deepnets import EndlessNets, NetConfig, build_graph
from graph2nn.deepnets.graphs.config import Edges

RULES = {"cells": (4, 9), "widths": (8, 16), "fc_dims": (32, 64)}


def _shuffled(x: NetConfig, rng: np.random.Generator) -> NetConfig:
    """The same network with its steps in another order and its sums the other way round."""
    g = x.genotype
    flags = [2 + s in g.normal_concat for s in range(len(g.normal) // 2)]
    cells = [_renumbered(edges, flags, rng) for edges in (g.normal, g.reduce)]
    return x.with_(genotype=g._replace(normal=cells[0], reduce=cells[1]))


def _renumbered(edges: Edges, flags: list[bool], rng: np.random.Generator) -> Edges:
    orders = list(itertools.permutations(range(len(flags))))
    while True:
        order = orders[int(rng.integers(len(orders)))]
        place = {0: 0, 1: 1, **{2 + s: 2 + k for k, s in enumerate(order)}}
        if [flags[s] for s in order] != flags:
            continue
        if any(place[i] >= 2 + k for k, s in enumerate(order) for _, i in edges[2 * s : 2 * s + 2]):
            continue
        found = []
        for s in order:
            pair = [(op, place[i]) for op, i in edges[2 * s : 2 * s + 2]]
            found += pair[::-1] if rng.random() < 0.5 else pair
        return tuple(found)


def test_renumbered_networks_have_one_string() -> None:
    grammar = ArchGrammar("deepnets", canonical=True, steps=(1, 5), **RULES)
    rng = np.random.default_rng(0)
    moved = 0
    for x in grammar.sample(60, seed=0):
        variants = [_shuffled(x, rng) for _ in range(5)]
        moved += any(y != x for y in variants)
        assert {grammar.to_string(y) for y in variants} == {grammar.to_string(x)}
    assert moved > 50


def test_the_canonical_network_is_the_same_network() -> None:
    plain = ArchGrammar("deepnets", steps=(1, 4), **RULES)
    grammar = ArchGrammar("deepnets", canonical=True, steps=(1, 4), **RULES)
    for x in plain.sample(150, seed=1):
        form = grammar.decode(grammar.encode(x))
        assert canonical_key(build_graph(form)) == canonical_key(build_graph(x))
        assert grammar.encode(form) == grammar.encode(x)


def test_equal_graphs_have_one_string() -> None:
    """In a language of few operations, many networks differ in dead parts only."""
    rules = {**RULES, "ops": ("none", "conv_1x1"), "norms": ("bnorm",), "widths": (8,)}
    plain = ArchGrammar("deepnets", steps=(1, 3), **rules, kernels=(3,), stems=(1,), fc_layers=(1,))
    grammar = ArchGrammar("deepnets", canonical=True, steps=(1, 3), **rules)
    strings: dict[str, set[str]] = {}
    written = set()
    for x in plain.sample(700, seed=2):
        key = f"{x.C_mult}{x.preproc}{x.glob_avg}{x.genotype.normal_concat}{x.n_cells}"
        key += canonical_key(build_graph(x))
        strings.setdefault(key, set()).add(grammar.to_string(x))
        written.add(plain.to_string(x))
    assert len(strings) < 0.95 * len(written)
    assert all(len(same) == 1 for same in strings.values())


def test_dead_parts_and_settings_without_effect() -> None:
    grammar = ArchGrammar("deepnets", canonical=True)
    stream = EndlessNets("train", seed=0)
    nets = [stream[k] for k in range(200)]
    linear = next(x for x in nets if x.fc_layers == 1)
    assert grammar.encode(linear.with_(fc_dim=512)) == grammar.encode(linear)
    vit = next(x for x in nets if x.vit)
    other = vit.with_(ks=7 if vit.ks == 3 else 3, stem_type=1, stem_pool=False)
    assert grammar.encode(other) == grammar.encode(vit)


@pytest.mark.parametrize("split", ["train", "dense"])
def test_generated_networks_stay_in_the_language(split: str) -> None:
    grammar = ArchGrammar("deepnets", canonical=True)
    stream = EndlessNets(split, seed=0)
    for k in range(60):
        code = grammar.encode(stream[k])
        assert grammar.encode(grammar.decode(code)) == code
