"""The page on tables of one's own runs from top to bottom, in an empty folder, and makes tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import python_blocks, run_page
from repository import ROOT

PAGE = ROOT / "docs" / "how_to" / "own_table.md"


@pytest.mark.usefixtures("one_thread", "no_reference")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    assert len(python_blocks(text)) == 3 and len(text.splitlines()) <= 80
    names = run_page(PAGE)
    assert len(names["table"]) == len(names["runs"]) == 24
    assert names["table"].targets.keys() == {"accuracy", "latency"}
    assert "mine, accuracy" in (tmp_path / "runs" / "mine" / "leaderboard.md").read_text()
    assert list(names["runs"].targets) == ["accuracy", "ms"]
