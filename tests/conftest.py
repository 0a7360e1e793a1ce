"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with the reference tables, from `GRAPH2NN_REFERENCE`; skips without it."""
    value = os.environ.get("GRAPH2NN_REFERENCE")
    if not value:
        pytest.skip("GRAPH2NN_REFERENCE is not set: no reference tables to compare with")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"GRAPH2NN_REFERENCE={value} is not a folder")
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, so that tests do not depend on each other."""
    return torch.Generator().manual_seed(0)
