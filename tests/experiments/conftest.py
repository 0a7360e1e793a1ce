"""The script that a test file is named after."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
from repository import EXPERIMENTS, imported_script


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Of `tests/experiments/test_NAME.py`: `experiments/NAME.py`, loaded in this process."""
    with imported_script(EXPERIMENTS / request.path.name.removeprefix("test_")) as module:
        yield module
