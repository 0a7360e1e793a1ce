"""How much memory there is, and a refusal before a run that would not fit."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available_memory", "check_memory"]

_LIMITS = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}
"""Where control groups of version 2 and 1 keep the limit, the use, and what could be freed."""


def available_memory(root: Path = Path("/")) -> int | None:
    """Measure the bytes that this process can still take without swapping.

    None where nothing tells. It is the least of what Linux holds available and what the process's
    control groups (a container's limit) leave; on other systems the free pages.

    Args:
        root: Root of the file system; another for tests.
    """
    found = [_from_meminfo(root / "proc/meminfo"), *_from_groups(root)]
    known = [size for size in found if size is not None]
    if known:
        return max(min(known), 0)
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(needed: int, num_edges: int, available: int | None = None) -> None:
    """Refuse a run over listed edges that would not fit.

    Args:
        needed: Bytes that it takes.
        num_edges: Number of edges of the graph, for the message.
        available: Bytes that are there; `available_memory()` when not given. Where that is unknown,
            all fits.

    Raises:
        ValueError: More is needed than there is.
    """
    there = available_memory() if available is None else available
    if there is not None and needed > there:
        raise ValueError(
            f"the graph has {num_edges:,} edges; measuring them needs about {needed / 1e9:.3g} GB "
            f'of memory and {there / 1e9:.3g} GB are available. Use engine="edge-free", which '
            "lists no edges (it leaves out the metrics that need them), a sparser network, a "
            "smaller input, or raise max_memory"
        )


def _from_meminfo(path: Path) -> int | None:
    for line in _read(path).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _from_groups(root: Path) -> list[int | None]:
    """What is left in each control group that the process is in, outer ones included."""
    left: list[int | None] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        key = "memory" if "memory" in controllers.split(",") else controllers
        if key not in _LIMITS:
            continue
        folder, *names = _LIMITS[key]
        inner = root / folder / name.strip("/")
        while inner.is_relative_to(root / folder):
            left.append(_from_group(inner, *names))
            inner = inner.parent
    return left


def _from_group(folder: Path, limit: str, use: str, freeable: str) -> int | None:
    most, used = _read(folder / limit).strip(), _read(folder / use).strip()
    if not most.isdigit() or not used.isdigit():  # no such group, or "max": no limit
        return None
    pairs = (line.split() for line in _read(folder / "memory.stat").splitlines())
    caches = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
    return int(most) - int(used) + caches.get(freeable, 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
