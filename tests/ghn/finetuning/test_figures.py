"""Curves of training, read from run folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ghn.finetuning.figures import plot_learning, read_learning


def write(folder: Path, rows: list[dict]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def row(step: int, network: str = "net", **changes) -> dict:
    values = {"top1_error": 50.0 - step, "train_loss": 1.0 if step else None, "test_loss": 2.0}
    return {"step": step, "network": network, **values, **changes}


def test_records_by_network_and_epoch(tmp_path):
    rows = [row(0), row(0, "other"), row(1), row(1, "other")]
    found = read_learning(write(tmp_path / "run", rows))
    assert [*found] == ["net", "other"]
    assert [(r["epoch"], r["top1_error"]) for r in found["net"]] == [(0, 50.0), (1, 49.0)]


def test_an_epoch_that_was_logged_twice_counts_once(tmp_path):
    found = read_learning(write(tmp_path / "run", [row(0), row(1), row(1, top1_error=40.0)]))
    assert [r["top1_error"] for r in found["net"]] == [50.0, 40.0]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_plot(tmp_path, suffix):
    runs = {
        name: read_learning(write(tmp_path / name, [row(0), row(1), row(2)]))["net"]
        for name in ("one", "two")
    }
    assert plot_learning(runs, tmp_path / f"l.{suffix}").stat().st_size


def test_what_is_no_run(tmp_path):
    with pytest.raises(ValueError, match="found no metrics.jsonl"):
        read_learning(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="a run of another kind"):
        read_learning(write(tmp_path / "ghn", [{"step": 0, "loss": 1.0}]))
    with pytest.raises(ValueError, match="expected at least one run"):
        plot_learning({}, tmp_path / "l.png")
