"""The script that a test file is named after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from repository import EXPERIMENTS, imported_script


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Of `tests/experiments/test_NAME.py`: `experiments/NAME.py`, loaded in this process.

    The same holds for folders in them.
    """
    place = request.path.relative_to(Path(__file__).parent)
    name = place.with_name(place.name.removeprefix("test_"))
    with imported_script(EXPERIMENTS / name) as module:
        yield module
