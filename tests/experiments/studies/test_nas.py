"""`experiments/studies/nas.py` as a user runs it."""

from __future__ import annotations

from pathlib import Path


def test_nas(script, tmp_path: Path, capsys) -> None:
    flags = ["--space", "wirings", "-n", "4", "--rankings", "size", "--top", "1", "--random", "2"]
    script.main([*flags, "-s", "1", "-e", "1", "--out", str(tmp_path / "nas")])
    assert "| size | 1 |" in capsys.readouterr().out
    assert len((tmp_path / "nas/results.csv").read_text().splitlines()) == 4
