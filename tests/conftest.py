"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graph2nn.runs.variables import variable


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with the reference tables, from `NETWRIGHT_REFERENCE`; skips without it."""
    value = variable("NETWRIGHT_REFERENCE")
    if not value:
        pytest.skip("NETWRIGHT_REFERENCE is not set: no reference tables to compare with")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"NETWRIGHT_REFERENCE={value} is not a folder")
    return folder


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the folder of the reference tables unnamed."""
    for name in ("NETWRIGHT_REFERENCE", "GRAPH2NN_REFERENCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, so that tests do not depend on each other."""
    return torch.Generator().manual_seed(0)
