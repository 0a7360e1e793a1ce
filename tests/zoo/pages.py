"""Does an example of a page print what the page says? Numbers may differ by 2 %."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import pytest

__all__ = ["check_printed"]

NUMBER = r"\d+(?:\.\d+)?"


def check_printed(code: Any, scope: dict[str, Any], expected: str) -> None:
    """Run compiled code in a scope and compare what it prints: words alike, numbers nearly."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, scope)
    found = printed.getvalue()
    assert re.sub(NUMBER, "#", found) == re.sub(NUMBER, "#", expected)
    wanted = [float(text) for text in re.findall(NUMBER, expected)]
    assert [float(text) for text in re.findall(NUMBER, found)] == pytest.approx(wanted, rel=0.02)
