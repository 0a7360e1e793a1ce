"""Files of hypernetworks: both layouts, formats and vocabularies, and all that came before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ghn import GHN, from_pretrained, load_ghn, save_ghn
from ghn.checkpoints import read_ghn
from graph2nn.archgraph import PRIMITIVES
from graph2nn.runs import load_checkpoint, save_checkpoint
from graph2nn.runs.tensors import read_tensors, write_tensors
from predictors import LinearBaseline, save


def equal(found: GHN, expected: GHN) -> bool:
    ours, theirs = found.state_dict(), expected.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in ours.items())


@pytest.mark.parametrize("name", ["mine.pt", "mine.safetensors"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"hypernet": "graphormer"},
        {"hypernet": "mlp"},
        {"hypernet": "tokens", "tokens": "both", "layernorm": False},
    ],
)
def test_round_trip(name: str, fields: dict[str, Any], tiny, convnet, tmp_path: Path) -> None:
    ghn = tiny(**fields)
    path = ghn.save(tmp_path / name, card={"dataset": "toys", "steps": 3})
    before = torch.random.get_rng_state()
    for found in (GHN.load(path), load_ghn(path), from_pretrained(str(path))):
        assert equal(found, ghn) and found.config == ghn.config and not found.training
        assert all(parameter.requires_grad for parameter in found.parameters())
    assert torch.equal(torch.random.get_rng_state(), before), "loading draws no numbers"
    assert read_ghn(path)[2]["card"] == {"dataset": "toys", "steps": 3}
    net = convnet()
    expected = ghn.predict(net)
    assert all(torch.equal(v, expected[k]) for k, v in found.predict(net).items())


def test_what_is_written(tiny, tmp_path: Path) -> None:
    content = load_checkpoint(save_ghn(tmp_path / "a.pt", tiny()), kind="ghn")
    assert content["format"] == 1 and content["vocabulary"] == list(PRIMITIVES)
    texts = read_tensors(tiny().save(tmp_path / "a.safetensors"))[1]
    assert texts["kind"] == "ghn" and json.loads(texts["config"])["hid"] == 8


def test_files_without_a_format_still_load(tiny, tmp_path: Path) -> None:
    ghn = tiny()
    content = load_checkpoint(ghn.save(tmp_path / "a.pt"))
    old = {k: content[k] for k in ("kind", "config", "state_dict")}
    assert equal(GHN.load(save_checkpoint(tmp_path / "old.pt", old)), ghn)


def test_weights_of_other_programs(tiny, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    ghn = tiny(hypernet="graphormer", heads=8, layers=1, max_shape=(8, 8, 11, 11))
    safetensors.save_file(ghn.state_dict(), tmp_path / "bare.safetensors")
    assert equal(GHN.load(tmp_path / "bare.safetensors"), ghn), "sizes are inferred"
    torch.save(ghn.state_dict(), tmp_path / "bare.pt")
    assert equal(GHN.load(tmp_path / "bare.pt"), ghn)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2, "netwright": "9.1"}, r"format 2 of the kind 'ghn'.*reads format 1.*9\.1"),
        ({"vocabulary": ["conv", "sum"]}, r"trained on graphs of the primitives \['conv', 'sum'\]"),
        ({"kind": "net"}, "of kind 'net', expected 'ghn'"),
        ({"config": {"hid": 16, "max_shape": [8, 8, 5, 5], "num_classes": 10}}, "do not fit"),
        ({"config": {"layers": 10**9, "max_shape": [8, 8, 5, 5], "num_classes": 10}}, "layers"),
        ({"config": {"hid": 10**7, "max_shape": [8, 8, 5, 5], "num_classes": 10}}, "do not fit"),
        ({"config": {"hid": "x", "max_shape": [8, 8, 5, 5], "num_classes": 10}}, "cannot be used"),
    ],
)
def test_what_is_refused(name: str, change: dict, message: str, tiny, tmp_path: Path) -> None:
    path = tiny().save(tmp_path / name)
    if name.endswith(".pt"):
        save_checkpoint(path, {**load_checkpoint(path), **change})
    else:
        tensors, texts = read_tensors(path)
        plain = ("kind", "netwright")
        changed = {k: v if k in plain else json.dumps(v) for k, v in change.items()}
        write_tensors(path, tensors, {**texts, **changed})
    with pytest.raises(ValueError, match=message):
        GHN.load(path)


def test_a_predictor_is_no_hypernetwork(tmp_path: Path) -> None:
    path = save(tmp_path / "a.safetensors", LinearBaseline())
    with pytest.raises(ValueError, match="predictor', expected 'ghn'; predictors.load loads"):
        GHN.load(path)


def test_damaged_and_unfit_entries(tiny, tmp_path: Path) -> None:
    path = tiny().save(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="truncated or altered"):
        GHN.load(path)
    tensors, texts = read_tensors(tiny().save(path))
    write_tensors(path, tensors, {**texts, "config": "{"})
    with pytest.raises(ValueError, match=r"description in .* is not JSON"):
        GHN.load(path)
    with pytest.raises(ValueError, match=r"entry 'x' is no plain value.*ends in \.pt"):
        tiny().save(tmp_path / "b.safetensors", x=torch.zeros(3))
    assert not (tmp_path / "b.safetensors").exists()
