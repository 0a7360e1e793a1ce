"""Where the repository stands, and its scripts as modules: folders are counted only here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from cloudpickle import register_pickle_by_value, unregister_pickle_by_value

__all__ = ["BENCHMARKS", "CHECKPOINTS", "DATA", "EXPERIMENTS", "ROOT", "imported_script"]

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
CHECKPOINTS = ROOT / "checkpoints"
DATA = ROOT / "data"
EXPERIMENTS = ROOT / "experiments"


@contextmanager
def imported_script(path: Path) -> Iterator[ModuleType]:
    """A script in this process, where starting another takes seconds; forgotten afterwards."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_script", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        register_pickle_by_value(module)  # as of a script, so that processes of joblib can have it
        try:
            yield module
        finally:
            unregister_pickle_by_value(module)
    finally:
        del sys.modules[spec.name]
