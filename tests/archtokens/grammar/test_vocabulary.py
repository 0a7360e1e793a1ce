"""Token numbers are part of saved models: they must not change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from archtokens.grammar import (
    ArchGrammar,
    Vocabulary,
    dag_tokens,
    deepnets_tokens,
    relational_tokens,
    vocabulary_file,
)

SIZES = {"deepnets": 116, "dag": 25, "relational": 18}
CELL = ("none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3", "max_pool_3x3")


def test_the_file_is_the_one_that_was_released() -> None:
    """A change needs a new `VERSION`; saved models would read other networks otherwise."""
    content = json.loads(vocabulary_file().read_text())
    assert content["version"] == 1
    text = json.dumps(content["spaces"], sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "512fad42c8993aac"


def test_the_code_writes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    Vocabulary(deepnets_tokens()).save(path, "deepnets")
    Vocabulary(dag_tokens([*CELL, "mbconv_k3_e3", "mbconv_k5_e6"])).save(path, "dag")
    Vocabulary(relational_tokens()).save(path, "relational")
    assert path.read_bytes() == vocabulary_file().read_bytes()
    for space, size in SIZES.items():
        assert Vocabulary.load(path, space).tokens == ArchGrammar(space).vocabulary
        assert len(ArchGrammar(space).vocabulary) == size


def test_rules_do_not_renumber_tokens() -> None:
    assert ArchGrammar("deepnets", widths=(8,)).vocabulary == ArchGrammar("deepnets").vocabulary
    assert ArchGrammar("dag", ops=CELL[:3]).vocabulary == ArchGrammar("dag").vocabulary
    own = ArchGrammar("dag", ops=("relu", "linear"))
    assert own.vocabulary[16:] == ("[END]", "[OP:relu]", "[OP:linear]")


def test_numbers_and_text_of_tokens() -> None:
    grammar = ArchGrammar("deepnets")
    x = grammar.sample(1, seed=0)[0]
    tokens, ids = grammar.encode(x), grammar.ids(x)
    assert [grammar.vocabulary[k] for k in ids] == tokens
    assert grammar.from_ids(ids) == x
    assert grammar.decode(tokens) == grammar.from_string(grammar.to_string(x)) == x
    assert grammar.to_string(x) == "".join(tokens)
    assert grammar.decode(" ".join(tokens)) == x


def test_bad_tokens_are_named() -> None:
    grammar = ArchGrammar("dag")
    with pytest.raises(ValueError, match=r"token 1: '\[OP:gelu\]' is not in the vocabulary.*skip"):
        grammar.decode(["[END]", "[OP:gelu]"])
    with pytest.raises(ValueError, match="got 'skip' outside"):
        grammar.decode("[END]skip")
    with pytest.raises(ValueError, match="id 25 does not exist.*0 to 24"):
        grammar.from_ids([3, 25])
    with pytest.raises(ValueError, match="id -1 does not exist"):
        grammar.from_ids([-1])


def test_bad_vocabularies(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        Vocabulary(["[A]", "[A]"])
    with pytest.raises(ValueError, match="'A' is no token"):
        Vocabulary(["A"])
    path = tmp_path / "v.json"
    with pytest.raises(ValueError, match="cannot read"):
        Vocabulary.load(path, "dag")
    Vocabulary(["[A]"]).save(path, "mine")
    assert Vocabulary.load(path, "mine").tokens == ("[A]",)
    with pytest.raises(ValueError, match="no vocabulary for 'dag', only for mine"):
        Vocabulary.load(path, "dag")
    path.write_text(json.dumps({"version": 0, "spaces": {}}))
    with pytest.raises(ValueError, match="expected a vocabulary of version 1, got 0"):
        Vocabulary.load(path, "dag")
