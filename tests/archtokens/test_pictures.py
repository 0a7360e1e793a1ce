"""Tokens as rows and as pictures; strings of modules."""

from __future__ import annotations

import pytest
from torch import nn

from archtokens import ArchGrammar, GraphTokenizer
from archtokens.grammar import module_string
from archtokens.pictures import draw_tokens, token_rows
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import Network, eval_nets
from graph2nn.relational import build_model, read_graph

CELL = nb201_cell([2, 1, 0, 2, 4, 3])


@pytest.mark.parametrize("preset", ["dag", "dag-nodes", "tart", "tokengt"])
def test_rows_are_the_tokens(preset):
    tokenizer = GraphTokenizer.preset(preset)
    rows, batch = token_rows(tokenizer, CELL), tokenizer([CELL])
    assert [tokenizer.vocabulary.index(row["token"]) for row in rows] == batch.token[0].tolist()
    nodes = [row for row in rows if row["kind"] == "node"]
    assert [row["token"] for row in nodes] == CELL.op_names()
    edges = [[row["u"], row["v"]] for row in rows if row["kind"] == "edge"]
    assert edges == (CELL.edges.T.tolist() if tokenizer.settings.edges else [])
    width = sum(name.startswith("identifier_") for name in rows[0])
    assert width == tokenizer.identifier_width


def words(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_picture_has_every_token(tmp_path):
    path = tmp_path / "tokens.svg"
    found = words(draw_tokens(GraphTokenizer(), CELL, path, string=["[OP:skip]", "[END]"]))
    assert path.stat().st_size
    assert found[:3] == ["string", "[OP:skip]", "[END]"]
    assert f"0 {CELL.op_names()[0]}" in found and "0→1" in found


def test_long_pictures_say_what_is_left_out():
    found = words(draw_tokens(GraphTokenizer(), CELL, most=5))
    assert "… and 14 more" in found and "[graph]" in found


@pytest.mark.parametrize(
    "tokenizer", [GraphTokenizer(identifiers="none"), GraphTokenizer.preset("tart")]
)
def test_other_identifiers_are_drawn(tokenizer, tmp_path):
    draw_tokens(tokenizer, CELL, tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size


def test_wrong_format(tmp_path):
    with pytest.raises(ValueError, match="ends in .png"):
        draw_tokens(GraphTokenizer(), CELL, tmp_path / "t.gif")


@pytest.mark.parametrize("norm", ["bnorm", "bn-track"])
def test_string_of_a_module_means_its_network(norm):
    config = eval_nets("test", 1)[0]
    model = Network(config.with_(norm=norm), device="meta")
    assert ArchGrammar("deepnets").decode(module_string(model)) == config.with_(norm="bnorm")


def test_string_of_a_relational_module():
    graph = read_graph("ws:n=8,k=4,p=0.2")
    model = build_model("mlp", graph, seed=0, num_classes=10, image_size=8, in_channels=3)
    assert module_string(model) == ArchGrammar("relational").encode(graph)


def test_other_modules_have_no_string():
    with pytest.raises(ValueError, match="Linear has no string: expected a network of DeepNets-1M"):
        module_string(nn.Linear(2, 2))
