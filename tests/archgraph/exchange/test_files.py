"""Graphs as JSON: equal graphs come back, whatever else a file holds is refused with a reason."""

from __future__ import annotations

import copy
import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kinds_of_graphs import SETS
from same_graph import assert_same_graph, written_and_read
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.files.graph_json import is_graph_file
from graph2nn.cells import nb201_cell


def net() -> ArchGraph:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 5))
    return trace(model, torch.zeros(2, 3, 8, 8), calls=True)


def edited(path: Path) -> dict[str, Any]:
    """What the file says, without its checksum, as who changes it leaves it out."""
    found = json.loads(path.read_text())
    del found["sha256"]
    return found


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return net().save(tmp_path / "net.json")


@pytest.mark.parametrize("kind", SETS)
def test_equal_graphs_come_back(kind: str) -> None:
    for graph in SETS[kind]():
        found = written_and_read(graph)
        assert found == graph and hash(found) == hash(graph)
        assert_same_graph(found, graph.replace(param_shapes=found.param_shapes))


def test_the_file_is_read_by_people_and_programs(written: Path) -> None:
    text = edited(written)
    assert (text["format"], text["version"], text["name"]) == ("netwright graph", 1, "Sequential")
    conv = text["nodes"][1]
    assert conv["op"] == "conv2d" and conv["from"] == [0] and conv["params"]["0.weight"]
    assert sum(line.startswith('{"op"') for line in written.read_text().splitlines()) == 7
    assert is_graph_file(written) and not is_graph_file(__file__)


def test_changed_files_are_told_from_damaged_ones(written: Path) -> None:
    whole = written.read_text()
    written.write_text(whole.replace('"shape": [8', '"shape": [9', 1))
    with pytest.raises(ValueError, match="altered, it has another checksum.*remove its line"):
        ArchGraph.load(written)
    lines = [line for line in whole.splitlines() if not line.startswith('"sha256"')]
    written.write_text("\n".join(lines) + "\n")
    assert ArchGraph.load(written) == net()


def test_compressed(written: Path) -> None:
    packed = net().save(written.with_suffix(".json.gz"))
    assert packed.stat().st_size < written.stat().st_size / 2
    assert ArchGraph.load(packed) == net() and is_graph_file(packed)
    assert packed.read_bytes() == net().save(packed).read_bytes()
    renamed = packed.rename(packed.with_name("renamed.json"))  # what counts is what is in it
    assert ArchGraph.load(renamed) == net()


def test_graphs_are_equal_by_content() -> None:
    graph = net()
    assert graph == net() == pickle.loads(pickle.dumps(graph)) == copy.deepcopy(graph)
    assert len({graph, net(), graph.replace(name="another")}) == 2
    graph.distances()  # what is remembered is no content
    assert graph == net() and graph in [net()]
    nan = graph.replace(attributes={"tau": float("nan")})
    assert nan == graph.replace(attributes={"tau": float("nan")}) != graph
    for change in (
        {"name": "x"},
        {"note": "x"},
        {"num_classes": 4},
        {"outputs": (2,)},
        {"calls": ()},
        {"shape": graph.shape + 1},
        {"cell": graph.cell + 1},
        {"edges": graph.edges[:, 1:]},
        {"ops": (*graph.ops, "more")},
        {"param_shapes": {**graph.param_shapes, "0.weight": (1,)}},
    ):
        assert graph.replace(**change) != graph, change
    assert graph != "graph" and (graph == 3) is False


ALTERED: list[tuple[str, Any, str]] = [
    ("version", 2, "version 2 of the format .* reads up to 1: update with pip"),
    ("version", "1", "version '1' is no number"),
    ("format", "other", "expected the format 'netwright graph', got 'other'"),
    ("nodes", {}, "nodes: expected a list"),
    ("ops", ["input", "input"], "got one twice"),
    ("ops", ["input"], "node 1: operation 'conv2d' is not among ops"),
    ("outputs", [99], "outputs: 99 is not from 0 to 6"),
    ("num_classes", 2**70, "num_classes: the number is too large"),
    ("num_classes", True, "num_classes: expected a whole number"),
    ("attributes", {"a": "b"}, "attribute 'a': expected a number, got 'b'"),
    ("name", None, "name: expected a text"),
    ("calls", False, "node 0 has a call, but the file says"),
    ("more", 1, "unknown part 'more'"),
]
ALTERED_NODES: list[tuple[str, Any, str]] = [
    ("from", [3], r"node 3, from \(a node comes after its sources\): 3 is not from 0 to 2"),
    ("from", [-1], "-1 is not from 0"),
    ("from", [0, 0], "a source stands twice"),
    ("shape", [1, 2, 3], "expected 4 numbers, got 3"),
    ("shape", [1, 2, 3, 1.5], "expected a whole number, got 1.5"),
    ("params", {"0.weight": [1]}, r"'0.weight' has the shape \(1,\), before it was \(8, 3, 3, 3\)"),
    ("params", {"a": [-1]}, "node 3, params, a: -1 is not from 0"),
    ("params", ["a"], "expected an object of shapes by name"),
    ("call", ["f"], "node 3: its call cannot be read"),
    ("call", ["f", "", [], {"tuple": [{"Operand": [77, 0]}]}, {"dict": []}], "what is no node"),
    ("call", ["f", "", [], {"import": ["os"]}, {"dict": []}], "its call cannot be read"),
    ("extra", 1, "node 3: unknown entry 'extra'"),
    ("op", ["f"], "node 3: operation .* is not among ops"),
]


@pytest.mark.parametrize(("part", "value", "message"), ALTERED)
def test_an_altered_file_says_where(written: Path, part: str, value: Any, message: str) -> None:
    text = edited(written)
    written.write_text(json.dumps({**text, part: value}))
    with pytest.raises(ValueError, match=message) as error:
        ArchGraph.load(written)
    assert str(written) in str(error.value)


@pytest.mark.parametrize(("part", "value", "message"), ALTERED_NODES)
def test_an_altered_node_says_which(written: Path, part: str, value: Any, message: str) -> None:
    text = edited(written)
    text["nodes"][3][part] = value
    written.write_text(json.dumps(text))
    with pytest.raises(ValueError, match=message):
        ArchGraph.load(written)


BYTES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is no graph, or is cut"),
    "binary": (b"\x80\x04\x95\xff", "expected text"),
    "list": (b"[1]", "got 'list'"),
    "twice": (b'{"format": 1, "format": 2}', "the name 'format' stands twice"),
    "nan": (b'{"format": NaN}', "NaN is no number of JSON"),
    "deep": (b"[" * 200_000, "nested too deeply|cut or altered"),
    "long number": (b'{"version": ' + b"9" * 10_000 + b"}", "cut or altered"),
    "archive": (b"\x1f\x8b" + b"\0" * 30, "damaged archive"),
    "cut archive": (gzip.compress(b"{}" * 999)[:-9], "damaged archive"),
}


@pytest.mark.parametrize("kind", BYTES)
def test_other_bytes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "net.json"
    path.write_bytes(BYTES[kind][0])
    with pytest.raises(ValueError, match=BYTES[kind][1]):
        ArchGraph.load(path)


def test_an_archive_does_not_fill_the_memory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("graph2nn.archgraph.files.graph_json._LARGEST", 1 << 20)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 24)))
    with pytest.raises(ValueError, match="holds more than 1048576 bytes of text"):
        ArchGraph.load(path)
    with pytest.raises(FileNotFoundError):
        ArchGraph.load(tmp_path / "absent.json")


def test_every_field_is_kept() -> None:
    """A field that `ArchGraph` gets must get a place in the file, and then in this list."""
    fields = set(net().fields())
    kept = {"op", "shape", "edges", "params", "param_shapes", "cell", "ops", "name", "note"}
    kept |= {
        "num_classes",
        "outputs",
        "calls",
        "attributes",
        "scopes",
        "scope",
        "columns",
        "returned",
    }
    assert fields == kept


ALTERED_COLUMNS: list[tuple[str, Any, str]] = [
    ("scopes", [[0, "", "Net"]], r"scope 0 \(a call comes after its caller\): 0 is not from -1"),
    ("scopes", [[-1, ""]], "scope 0: expected caller, path and class"),
    ("scopes", [], "node 1, scope: 0 is not from -1 to -1"),
    ("columns", {"flops": "int"}, "node 0: expected the columns flops"),
    ("columns", [1], "expected an object of types by name"),
]


@pytest.mark.parametrize(("part", "value", "message"), ALTERED_COLUMNS)
def test_altered_scopes_and_columns(tmp_path: Path, part: str, value: Any, message: str) -> None:
    path = SETS["columns"]()[2].save(tmp_path / "net.json")
    text = edited(path)
    path.write_text(json.dumps({**text, part: value}))
    with pytest.raises(ValueError, match=message):
        ArchGraph.load(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("flops", 1.5, "column 'flops': expected values of int, got 1.5"),
        ("flops", 2**70, "column 'flops': the number is too large"),
        ("used", 1, "expected values of bool"),
        ("time", {"float": "1"}, "column 'time': expected a value"),
        ("site", {"import": "os"}, "column 'site': expected a value"),
    ],
)
def test_an_altered_column(tmp_path: Path, column: str, value: Any, message: str) -> None:
    path = SETS["columns"]()[0].save(tmp_path / "net.json")
    text = edited(path)
    text["nodes"][1]["columns"][column] = value
    path.write_text(json.dumps(text))
    with pytest.raises(ValueError, match=message):
        ArchGraph.load(path)


def mutated(rng: np.random.Generator, value: Any) -> Any:
    """A value of JSON with one part of it, however deep, changed."""
    odd = [None, True, -1, 0, 2**80, 1.5, "", "input", "\0", [], {}, [[]], {"tuple": []}, "nan"]
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[int(rng.integers(len(keys)))]
        changed = copy.copy(value)
        if rng.random() < 0.1:
            del changed[key]
        else:
            changed[key] = mutated(rng, value[key])
        return changed
    return odd[int(rng.integers(len(odd)))]


@pytest.mark.parametrize("kind", ["calls", "columns"])
def test_fuzzed_files_are_refused_or_are_graphs(written: Path, kind: str) -> None:
    rng, refused = np.random.default_rng(0), 0
    if kind == "columns":
        SETS["columns"]()[2].save(written)
    text, raw = edited(written), written.read_bytes()
    for k in range(200):
        if k % 2:
            written.write_text(json.dumps(mutated(rng, text)))
        else:
            data = bytearray(raw)
            for _ in range(int(rng.integers(1, 4))):
                at = int(rng.integers(len(data)))
                data[at : at + int(rng.integers(4))] = rng.bytes(int(rng.integers(4)))
            written.write_bytes(bytes(data))
        try:
            graph = ArchGraph.load(written)
        except ValueError as error:
            assert str(written) in str(error) and len(str(error)) < 600
            refused += 1
        else:
            assert written_and_read(graph) == graph
            assert len(list(graph.parameters())) == sum(map(len, graph.params))
    assert refused > 120


def test_what_a_file_cannot_hold() -> None:
    cell = nb201_cell([1] * 6)
    with pytest.raises(ValueError, match="attribute 'a': expected a number"):
        written_and_read(cell.replace(attributes={"a": "b"}))
    two = (("w", "w"), *cell.params[1:])
    with pytest.raises(ValueError, match="names a parameter twice"):
        written_and_read(cell.replace(params=two, param_shapes={"w": (1,)}))
    found = written_and_read(cell.replace(attributes={"a": float("inf")}, param_shapes={"w": (3,)}))
    assert found.attributes["a"] == float("inf") and found.param_shapes["w"] == (3,)
