"""The page on tables of one's own: its Python runs from top to bottom, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from repository import ROOT

PAGE = ROOT / "docs" / "how_to" / "own_table.md"


@pytest.mark.usefixtures("one_thread")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3 and len(text.splitlines()) <= 80
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(names["table"]) == len(names["runs"]) == 24
    assert names["table"].targets.keys() == {"accuracy", "latency"}
    assert "mine, accuracy" in (tmp_path / "runs" / "mine" / "leaderboard.md").read_text()
    assert list(names["runs"].targets) == ["accuracy", "ms"]
