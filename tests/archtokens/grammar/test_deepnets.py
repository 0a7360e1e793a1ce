"""The language of DeepNets-1M: generated networks, named genotypes, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archtokens.grammar import ArchGrammar
from archtokens.grammar.liveness import FULL, completable, survives
from graph2nn.deepnets import DARTS, PDARTS, EndlessNets, NetConfig, ViT, eval_nets, is_connected
from graph2nn.deepnets.graphs.config import Genotype

SPLITS = ("val", "test", "wide", "deep", "dense", "bnfree")


def test_networks_of_every_split_round_trip() -> None:
    """The prototype of this grammar lost 8 of 1000, which bypass a dead cell."""
    grammar = ArchGrammar("deepnets")
    stream = EndlessNets("train", seed=0)
    nets = [stream[k] for k in range(1000)]
    for split in SPLITS:
        nets += list(eval_nets(split, 200))
    for x in nets:
        assert grammar.decode(grammar.encode(x)) == x


def test_bypassed_cells_are_among_them() -> None:
    """A reduction cell without output, which the next cell reads around."""
    grammar = ArchGrammar("deepnets")
    nets = [c for split in SPLITS for c in eval_nets(split, 500) if _dead_reduction(c)]
    assert len(nets) >= 5
    for x in nets:
        assert grammar.decode(grammar.encode(x)) == x


def _dead_reduction(config: NetConfig) -> bool:
    g = config.genotype
    alive = [True, True]
    for (op_a, a), (op_b, b) in zip(g.reduce[::2], g.reduce[1::2]):
        alive.append((op_a != "none" and alive[a]) or (op_b != "none" and alive[b]))
    return not any(alive[s] for s in g.reduce_concat)


@pytest.mark.parametrize("genotype", [DARTS, PDARTS, ViT])
@pytest.mark.parametrize("cells, width", [(4, 16), (12, 128)])
def test_named_genotypes_round_trip(genotype: Genotype, cells: int, width: int) -> None:
    grammar = ArchGrammar("deepnets", image_size=224, num_classes=1000)
    x = NetConfig(genotype=genotype, n_cells=cells, C=width, image_size=224, num_classes=1000)
    assert grammar.decode(grammar.encode(x)) == x


def test_the_published_vision_transformer() -> None:
    x = eval_nets("predefined", 1)[0]
    with pytest.raises(ValueError, match="norm: the grammar admits 'bnorm', None here.*bn-track"):
        ArchGrammar("deepnets").encode(x)
    grammar = ArchGrammar("deepnets", norms=("bnorm", None, "bn-track"))
    assert grammar.decode(grammar.encode(x)) == x


def test_small_networks_need_no_width_tokens() -> None:
    stream = EndlessNets("train", seed=1, image_size=8, in_channels=1)
    free = ArchGrammar("deepnets", image_size=8, in_channels=1)
    narrow = ArchGrammar("deepnets", image_size=8, in_channels=1, widths=(16,), fc_dims=(32,))
    x = stream[0].with_(C=16, fc_dim=32)
    assert len(free.encode(x)) == len(narrow.encode(x)) + 2
    assert narrow.decode(narrow.encode(x)) == x


def test_text_of_a_network() -> None:
    grammar = ArchGrammar("deepnets")
    x = NetConfig(genotype=ViT, n_cells=4, C=32, C_mult=1, preproc=False, norm=None, fc_dim=64)
    text = grammar.to_string(x)
    assert text == (
        "[CELLS:4][STEPS:1][MULT:1][NORM:None][STEM:0][POOL:0][KS:3][PREPROC:0][FC:1]"
        "[IN:0][OP:none][OP:msa][IN:0][OP:none][OP:avg_pool_3x3][C:32][FCDIM:64]"
    )  # the second input of a one-step cell and global pooling are forced: no tokens
    assert grammar.decode(text) == x


def test_every_network_of_a_small_language_is_connected() -> None:
    """Where most operations are `none`, the rule is put to the test at every string."""
    grammar = ArchGrammar("deepnets", cells=(4, 9), steps=(1, 3), ops=("none", "skip_connect"))
    nets = grammar.sample(1500, seed=0)
    assert all(is_connected(x) for x in nets)
    assert sum(_dead_reduction(x) for x in nets) > 50


def test_liveness_is_exact_on_small_cells() -> None:
    """Every one-step and two-step cell pair: the grammar admits exactly the connected ones."""
    rng = np.random.default_rng(0)
    rules: dict[str, Any] = {"ops": ("none", "skip_connect"), "widths": (32,), "fc_dims": (64,)}
    grammar = ArchGrammar("deepnets", cells=(4, 9), steps=(1, 2), **rules)
    counts = {True: 0, False: 0}
    for _ in range(3000):
        x = _random_config(rng)
        connected = is_connected(x)
        counts[connected] += 1
        if connected:
            assert grammar.decode(grammar.encode(x)) == x
        else:
            with pytest.raises(ValueError, match="the grammar admits"):
                grammar.encode(x)
    assert min(counts.values()) > 300


def _random_config(rng: np.random.Generator) -> NetConfig:
    steps = int(rng.integers(1, 3))
    halves = []
    for _ in range(2):
        edges = []
        for s in range(steps):
            for state in rng.permutation(2 + s)[:2]:
                edges.append(("none" if rng.random() < 0.5 else "skip_connect", int(state)))
        halves.append(tuple(edges))
    concat = (2, 3) if steps == 2 and rng.random() < 0.5 else (1 + steps,)
    genotype = Genotype(halves[0], concat, halves[1], concat)
    return NetConfig(genotype=genotype, n_cells=int(rng.integers(4, 10)))


def test_survival_agrees_with_the_networks() -> None:
    assert survives(4, FULL, FULL) and not survives(4, FULL, 0) and survives(5, FULL, 0)
    assert not survives(4, 0, FULL) and not survives(5, 2, 0) and survives(5, 1, 2)
    assert completable(4, None, 0, [0, 2]) and not completable(4, None, 0, [0])
    assert not completable(5, 2, 0, ()) and completable(5, 2, 2, ())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image_size": 64}, "image_size: this grammar is for 32.*image_size=64"),
        ({"num_classes": 7}, "num_classes: this grammar is for 10"),
        ({"is_vit": True}, "is_vit None"),
        ({"auxiliary": True}, "no auxiliary head"),
        ({"n_cells": 3}, "n_cells: the grammar admits 4, 5.* got 3"),
        ({"C": 30}, "C: the grammar admits 8, 16.* got 30"),
        ({"fc_layers": 0}, "fc_layers: the grammar admits 1, 2 here, got 0"),
        ({"stem_type": 1, "stem_pool": True}, "stem_pool: the grammar admits False here, got True"),
    ],
)
def test_networks_outside_the_language(changes: dict[str, Any], message: str) -> None:
    x = NetConfig(genotype=DARTS, n_cells=6).with_(**changes)
    with pytest.raises(ValueError, match=message):
        ArchGrammar("deepnets").encode(x)


def test_genotypes_outside_the_language() -> None:
    grammar = ArchGrammar("deepnets")
    g = DARTS
    for changed, message in (
        (g._replace(reduce_concat=(2, 3)), "same steps and concatenated states"),
        (g._replace(reduce=g.reduce[:6], reduce_concat=(2,), normal_concat=(2,)), "same steps"),
        (g._replace(normal_concat=(3, 2, 5), reduce_concat=(3, 2, 5)), "ascending order"),
        (g._replace(normal_concat=(0, 5), reduce_concat=(0, 5)), "ascending order"),
        (g._replace(normal_concat=(2, 3), reduce_concat=(2, 3)), "concat last: .* got False"),
        (g._replace(normal=(g.normal[0], *g.normal[:1], *g.normal[2:])), "in normal 0 1: "),
    ):
        with pytest.raises(ValueError, match=message):
            grammar.encode(NetConfig(genotype=changed, n_cells=6))
    with pytest.raises(ValueError, match="expected a NetConfig, got str"):
        grammar.encode("DARTS")


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"cells": (3, 8)}, "cells: expected 4 <= smallest"),
        ({"steps": (4, 2)}, "steps: expected 1 <= smallest"),
        ({"widths": (30,)}, "widths: expected some of"),
        ({"widths": ()}, "widths: expected some of"),
        ({"ops": ("conv",)}, "ops: expected some of"),
        ({"ops": ("none",)}, "other than none"),
        ({"depth": 3}, "unknown rule 'depth'; choose one of cells"),
    ],
)
def test_bad_rules(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchGrammar("deepnets", **rules)


def test_unknown_space() -> None:
    with pytest.raises(ValueError, match="unknown space 'nb101'; choose one of deepnets, dag"):
        ArchGrammar("nb101")
