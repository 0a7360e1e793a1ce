"""Do the examples of a page run, and print what the page says? Numbers may differ by 2 %."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from cloudpickle import register_pickle_by_value, unregister_pickle_by_value

__all__ = ["NOT_RUN", "Block", "blocks", "check_printed", "python_blocks", "run_page"]

NOT_RUN = "# not run in tests: "
"""First words of a block that cannot run; the reason follows."""

_NUMBER = r"\d+(?:\.\d+)?"
_PYTHON = re.compile(r"^```python\n(.*?)^```(?:\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """A block of Python, the text right below it that says what it prints, and its first line."""

    code: str
    printed: str | None
    line: int


def python_blocks(text: str) -> list[Block]:
    """Return the blocks of Python of a page."""
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start(1)) + 1)
        for match in _PYTHON.finditer(text)
    ]


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of any language of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_page(path: Path) -> dict[str, Any]:
    """Run the Python of a page from top to bottom, as a reader types it; give its names."""
    with _as_module(ModuleType("page")) as page:
        for code, expected, line in python_blocks(path.read_text(encoding="utf-8")):
            if code.startswith(NOT_RUN):
                assert code.splitlines()[0].removeprefix(NOT_RUN).strip(), "give the reason"
                continue
            # so that errors name the line of the page
            program = compile("\n" * (line - 1) + code, str(path), "exec")
            if expected is None:
                exec(program, vars(page))
            else:
                check_printed(program, vars(page), expected)
        return vars(page)


@contextlib.contextmanager
def _as_module(page: ModuleType) -> Iterator[ModuleType]:
    """Classes and functions of a page are looked up in a module; processes of joblib get them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, page.__name__, page)
        register_pickle_by_value(page)
        try:
            yield page
        finally:
            unregister_pickle_by_value(page)


def check_printed(code: Any, scope: dict[str, Any], expected: str) -> None:
    """Run compiled code in a scope and compare what it prints: words alike, numbers nearly."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, scope)
    found = printed.getvalue()
    assert re.sub(_NUMBER, "#", found) == re.sub(_NUMBER, "#", expected)
    wanted = [float(text) for text in re.findall(_NUMBER, expected)]
    assert [float(text) for text in re.findall(_NUMBER, found)] == pytest.approx(wanted, rel=0.02)
