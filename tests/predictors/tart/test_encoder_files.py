"""Files of pre-trained encoders: format, vocabulary, and the files of before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from graph2nn.cells import nb201_cell
from graph2nn.runs import load_checkpoint, save_checkpoint
from graph2nn.runs.pretrained import find_pretrained
from predictors.tart import PretrainedEncoder, PretrainSettings, pretrain
from predictors.tart.model import ModelSettings

CELLS = [nb201_cell([k % 5, 2, k % 3, 3, 1, 2]) for k in range(12)]


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    sizes = ModelSettings(width=8, layers=1, heads=2)
    return pretrain(CELLS, model=sizes, settings=PretrainSettings(epochs=1))


def test_round_trip(encoder: PretrainedEncoder, tmp_path: Path, one_thread) -> None:
    before = torch.random.get_rng_state()
    found = PretrainedEncoder.load(encoder.save(tmp_path / "a.pt"))
    assert torch.equal(torch.random.get_rng_state(), before), "loading draws no numbers"
    assert (found.embed(CELLS) == encoder.embed(CELLS)).all() and found.card == encoder.card
    assert load_checkpoint(tmp_path / "a.pt")["vocabulary"] == list(found.tokenizer.vocabulary)


def test_files_without_a_format_still_load(encoder: PretrainedEncoder, tmp_path: Path) -> None:
    content = load_checkpoint(encoder.save(tmp_path / "a.pt"))
    for name in ("format", "netwright", "vocabulary"):
        del content[name]
    found = PretrainedEncoder.load(save_checkpoint(tmp_path / "old.pt", content))
    assert (found.embed(CELLS) == encoder.embed(CELLS)).all()
    for name in ("tart-cells", "tart-deepnets"):  # the shipped ones say none
        assert PretrainedEncoder.load(find_pretrained(name)).card["ops"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2, "netwright": "9.1"}, r"format 2 of the kind 'tart-encoder'.*reads format 1"),
        (
            {"vocabulary": ["[graph]", "conv"]},
            r"trained with the vocabulary \['\[graph\]', 'conv'\]",
        ),
        ({"settings": {"width": 16, "layers": 1, "heads": 2}}, "the tensor .* of an encoder is"),
        ({"settings": {"width": 8, "layers": 10**9}}, r"an encoder has 1000000000 layers, but \d+"),
        ({"settings": {"size": 8}}, "cannot be used: .*size"),
        ({"model": {}}, "an encoder"),
        ({"tokenizer": {}}, "cannot be used: no 'settings'"),
        ({"kind": "ghn"}, "of kind 'ghn', expected 'tart-encoder'"),
    ],
)
def test_what_is_refused(
    change: dict[str, Any], message: str, encoder: PretrainedEncoder, tmp_path: Path
) -> None:
    content = load_checkpoint(encoder.save(tmp_path / "a.pt"))
    path = save_checkpoint(tmp_path / "a.pt", {**content, **change})
    with pytest.raises(ValueError, match=message):
        PretrainedEncoder.load(path)
