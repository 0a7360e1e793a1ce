"""Do the Python examples of the pages run, each page from top to bottom, as a reader types them?

What a block of text right below an example shows is what the example prints. A block that cannot
run says so to the reader in its first line: `# not run in tests: REASON`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cloudpickle import register_pickle_by_value, unregister_pickle_by_value
from printed import check_printed
from repository import ROOT

NOT_RUN = "# not run in tests: "
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "```python" in path.read_text()]
BLOCK = re.compile(r"^```python\n(.*?)^```(?:\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


@pytest.fixture
def scope(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Names of a page: a module's, so that classes are found, and processes of joblib get them."""
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    register_pickle_by_value(page)
    yield vars(page)
    unregister_pickle_by_value(page)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.relative_to(ROOT / "docs").as_posix())
@pytest.mark.usefixtures("no_reference")
def test_a_page_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        code, expected = match[1], match[2]
        if code.startswith(NOT_RUN):
            assert code.splitlines()[0].removeprefix(NOT_RUN).strip(), "give the reason"
            continue
        before = text.count("\n", 0, match.start(1))  # so that errors name the line of the page
        program = compile("\n" * before + code, str(path), "exec")
        if expected is None:
            exec(program, scope)
        else:
            check_printed(program, scope, expected)
