"""HDF5 files as older versions and other programs write them: without the block of our seal."""

from __future__ import annotations

from pathlib import Path

import h5py

__all__ = ["unsealed"]


def unsealed(path: Path) -> Path:
    """Write a file anew without its seal, in its place."""
    other = path.with_name("unsealed.h5")
    with h5py.File(path, "r") as old, h5py.File(other, "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
    return other.replace(path)
