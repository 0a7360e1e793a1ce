"""Mutation and crossover give valid, different networks near their parents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archtokens.grammar import ArchGrammar

SPACES: list[tuple[str, dict[str, Any]]] = [
    ("deepnets", {"cells": (4, 18), "steps": (1, 4)}),
    ("dag", {"max_nodes": 8}),
    ("relational", {"nodes": (8, 24)}),
]


def _parents(grammar: ArchGrammar, count: int) -> list[list[str]]:
    return [grammar.encode(x) for x in grammar.sample(count, seed=1)]


@pytest.mark.parametrize("space, rules", SPACES)
def test_a_mutant_is_another_canonical_network(space: str, rules: dict[str, Any]) -> None:
    grammar, rng = ArchGrammar(space, **rules), np.random.default_rng(0)
    for tokens in _parents(grammar, 100):
        mutant = grammar.mutate(tokens, rng)
        assert mutant != tokens
        assert grammar.canonicalise(mutant) == mutant


@pytest.mark.parametrize("space, rules", SPACES)
def test_a_mutation_keeps_most_decisions(space: str, rules: dict[str, Any]) -> None:
    grammar, rng = ArchGrammar(space, **rules), np.random.default_rng(0)
    kept = []
    for tokens in _parents(grammar, 100):
        before = {d.key: d.value for d in grammar.decisions(grammar.decode(tokens))}
        mutant = grammar.decode(grammar.mutate(tokens, rng))
        after = {d.key: d.value for d in grammar.decisions(mutant)}
        kept.append(sum(after.get(k) == v for k, v in before.items()) / max(len(before), 1))
    assert np.median(kept) > 0.75


def test_more_mutations_lead_farther() -> None:
    grammar, rng = ArchGrammar("deepnets"), np.random.default_rng(0)
    parents = _parents(grammar, 60)

    def distance(n: int) -> float:
        changed = 0
        for tokens in parents:
            old = {d.key: d.value for d in grammar.decisions(grammar.decode(tokens))}
            mutant = grammar.decode(grammar.mutate(tokens, rng, n))
            new = {d.key: d.value for d in grammar.decisions(mutant)}
            changed += sum(new.get(k) != v for k, v in old.items())
        return changed / len(parents)

    assert distance(6) > 2 * distance(1)


@pytest.mark.parametrize("space, rules", SPACES)
def test_a_child_takes_after_both_parents(space: str, rules: dict[str, Any]) -> None:
    grammar, rng = ArchGrammar(space, **rules), np.random.default_rng(0)
    parents = _parents(grammar, 60)
    new = 0
    for a, b in zip(parents, parents[1:]):
        child = grammar.crossover(a, b, rng)
        assert grammar.canonicalise(child) == child
        new += child not in (a, b)
        mine, first, second = (
            {d.key: d.value for d in grammar.decisions(grammar.decode(t))} for t in (child, a, b)
        )
        for key in set(mine) & set(first) & set(second):
            if first[key] == second[key] and space == "deepnets" and "in" not in key:
                assert mine[key] == first[key]
    assert new > 30


def test_a_parent_crossed_with_itself_is_itself() -> None:
    grammar, rng = ArchGrammar("deepnets"), np.random.default_rng(0)
    for tokens in _parents(grammar, 10):
        assert grammar.crossover(tokens, tokens, rng) == tokens


def test_variation_depends_on_the_generator_only() -> None:
    grammar = ArchGrammar("deepnets")
    a, b = _parents(grammar, 2)
    one = grammar.mutate(a, np.random.default_rng(7), 3)
    assert one == grammar.mutate(a, np.random.default_rng(7), 3)
    child = grammar.crossover(a, b, np.random.default_rng(7))
    assert child == grammar.crossover(a, b, np.random.default_rng(7))


def test_mutations_that_cannot_be() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n of at least 1, got 0"):
        ArchGrammar("dag").mutate("", rng, 0)
    with pytest.raises(ValueError, match="found no other network"):
        ArchGrammar("dag", max_nodes=2).mutate("", rng)
