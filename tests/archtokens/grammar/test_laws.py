"""The laws of the grammar on random strings: total, inverse, canonical."""

from __future__ import annotations

from typing import Any

import pytest

from archtokens.grammar import ArchGrammar

STRINGS = 20_000
CASES: list[tuple[str, dict[str, Any], int, tuple[int, int]]] = [
    ("deepnets", {}, STRINGS, (0, 120)),
    ("deepnets", {"cells": (4, 8), "widths": (8,), "fc_dims": (32,)}, 2000, (0, 120)),
    ("deepnets", {"ops": ("none", "msa"), "cells": (4, 6)}, 2000, (0, 60)),
    ("dag", {}, STRINGS, (0, 80)),
    ("dag", {"stages": 3, "max_inputs": 2}, 2000, (0, 80)),
    ("dag", {"ops": ("none", "relu"), "max_nodes": 8}, 1000, (8, 40)),
    ("dag", {"max_nodes": 400, "max_inputs": 3}, 500, (0, 2000)),
    ("dag", {"first": ("input", "sum"), "last": ("bias", "sum")}, 2000, (0, 40)),
    ("relational", {"macro": False, "nodes": (2, 24)}, STRINGS, (0, 100)),
    ("relational", {"nodes": (2, 32)}, 1000, (0, 30)),
    ("relational", {"macro": False, "nodes": (200, 300)}, 20, (0, 5000)),
]


def _check(grammar: ArchGrammar, strings: list[list[str]]) -> int:
    """Checks both laws; returns how many different networks the strings have."""
    distinct = set()
    for tokens in strings:
        x = grammar.decode(tokens)
        code = grammar.encode(x)
        again = grammar.decode(code)
        assert grammar.equal(again, x), tokens
        distinct.add(tuple(code))
        if len(distinct) % 8 == 0:  # implied by the above, as codes say all that `equal` compares
            assert grammar.encode(again) == code, tokens
    return len(distinct)


@pytest.mark.parametrize("space, rules, count, length", CASES)
def test_every_string_is_a_network_and_its_code_is_canonical(
    space: str, rules: dict[str, Any], count: int, length: tuple[int, int]
) -> None:
    grammar = ArchGrammar(space, **rules)
    some = max(count // 5, 20)
    strings = grammar.random_strings(some, seed=1, length=length)
    assert _check(grammar, strings) > 0.2 * some


@pytest.mark.slow
@pytest.mark.parametrize("space, rules, count, length", CASES)
def test_the_same_of_many_strings(
    space: str, rules: dict[str, Any], count: int, length: tuple[int, int]
) -> None:
    grammar = ArchGrammar(space, **rules)
    strings = grammar.random_strings(count, seed=1, length=length)
    assert _check(grammar, strings) > 0.2 * count


@pytest.mark.slow
@pytest.mark.parametrize("macro", [False, True])
def test_relational_laws_at_full_size(macro: bool) -> None:
    grammar = ArchGrammar("relational", macro=macro)
    assert _check(grammar, grammar.random_strings(STRINGS, seed=2, length=(0, 300))) > 18_000


@pytest.mark.parametrize("space", ["deepnets", "dag", "relational"])
def test_sampled_networks_round_trip(space: str) -> None:
    grammar = ArchGrammar(space)
    nets = grammar.sample(50, seed=3)
    assert all(grammar.equal(grammar.decode(grammar.encode(x)), x) for x in nets)
    again = ArchGrammar(space).sample(50, seed=3)
    assert all(grammar.equal(x, y) for x, y in zip(nets, again))
    assert len({grammar.to_string(x) for x in nets}) > 35


@pytest.mark.parametrize("space", ["deepnets", "dag", "relational"])
def test_no_tokens_and_too_many_tokens(space: str) -> None:
    grammar = ArchGrammar(space)
    shortest = grammar.decode("")
    assert grammar.equal(grammar.decode(grammar.encode(shortest)), shortest)
    code = grammar.encode(grammar.sample(1, seed=0)[0])
    surplus = code + list(grammar.vocabulary)
    assert grammar.encode(grammar.decode(surplus)) == code
    assert grammar.canonicalise(surplus) == code


@pytest.mark.parametrize("space", ["deepnets", "dag", "relational"])
def test_admissible_tokens_lead_through_a_network(space: str) -> None:
    """Each token of a canonical string is admissible after those before it, and then none is."""
    grammar = ArchGrammar(space)
    for x in grammar.sample(5, seed=4):
        code = grammar.encode(x)[:200]
        for k, token in enumerate(code[:60]):
            options = grammar.admissible(code[:k])
            assert len(options) > 1
            assert token in options
        full = grammar.encode(x)
        assert grammar.admissible(full) == ()


@pytest.mark.parametrize("space", ["deepnets", "dag", "relational"])
def test_admissible_tokens_mean_different_networks(space: str) -> None:
    grammar = ArchGrammar(space)
    prefix = grammar.encode(grammar.sample(1, seed=5)[0])[:3]
    options = grammar.admissible(prefix)
    assert options
    codes = {tuple(grammar.canonicalise([*prefix, token])) for token in options}
    assert len(codes) == len(options)


def test_length_controls_the_strings() -> None:
    grammar = ArchGrammar("dag")
    assert {len(s) for s in grammar.random_strings(30, 0, length=7)} == {7}
    sizes = [len(s) for s in grammar.random_strings(200, 0, length=(2, 5))]
    assert (min(sizes), max(sizes)) == (2, 5)
    short = grammar.sample(50, 0, length=4)
    assert max(x.num_nodes for x in short) <= 6
    with pytest.raises(ValueError, match="0 <= smallest <= largest"):
        grammar.random_strings(1, 0, length=(5, 2))
