"""Do the Python examples of the pages run, each page from top to bottom, as a reader types them?

What a block of text right below an example shows is what the example prints. A block that cannot
run says so to the reader in its first line: `# not run in tests: REASON`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import python_blocks, run_page
from repository import ROOT

DOCS = ROOT / "docs"
ELSEWHERE = {DOCS / "how_to" / "own_table.md"}  # its own test asks for what it makes, too
PAGES = [p for p in sorted(DOCS.rglob("*.md")) if python_blocks(p.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path not in ELSEWHERE],
    ids=lambda p: p.relative_to(DOCS).as_posix(),
)
@pytest.mark.usefixtures("no_reference")
def test_a_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(path)
