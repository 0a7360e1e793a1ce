"""Where the repository stands: the one place in the tests that counts folders upwards."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BENCHMARKS", "CHECKPOINTS", "DATA", "EXPERIMENTS", "ROOT"]

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
CHECKPOINTS = ROOT / "checkpoints"
DATA = ROOT / "data"
EXPERIMENTS = ROOT / "experiments"
