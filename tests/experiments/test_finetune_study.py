"""`experiments/finetune_study.py` as a user runs it."""

from __future__ import annotations

import csv
from pathlib import Path


def test_study(script, tmp_path: Path, capsys) -> None:
    flags = ["--networks", "wirings-6", "relational-3", "--starts", "torch", "predicted"]
    flags += ["--shots", "3", "--rates", "0.1", "--seeds", "1", "-e", "1"]
    script.main([*flags, "--out", str(tmp_path / "study")])
    with (tmp_path / "study/results.csv").open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == 2 * 2 * 2
    said = capsys.readouterr().out
    assert "3 images a class:" in said and "| predicted | 0.1 |" in said
    assert (tmp_path / "study/study.png").stat().st_size > 5000
    assert "| predicted |" in (tmp_path / "study/tables.md").read_text()
