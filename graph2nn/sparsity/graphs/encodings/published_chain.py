"""Which layers the published unrolled encoding joins, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod

import numpy as np

from graph2nn.sparsity.graphs.encodings.published_steps import Step, pool_windows

__all__ = ["Part", "chain_of"]

_WEIGHTED = ("conv", "linear")


@dataclass(frozen=True, eq=False)
class Part:
    """A layer with weights, its padding taken off, and the pooling before it if there is any."""

    step: Step
    first: bool = False
    windows: np.ndarray | None = None

    @property
    def read(self) -> tuple[int, int, int]:
        """Map that the layer reads, (C, H, W)."""
        side = self.step.reads - (0 if self.first else 2 * self.step.padding)
        return self.step.channels, side, side

    @property
    def padding(self) -> int:
        """Rows of padding that are no nodes, on each side."""
        return 0 if self.first else self.step.padding


def chain_of(steps: list[Step], reach: int) -> tuple[list[Part], list[tuple[Step, int]], bool]:
    """Find the layers that become parts of the graph, and its shortcuts.

    Args:
        steps: Layers in order.
        reach: Number of convolutions that a shortcut spans, see `shortcut_reach`.

    Returns:
        The parts; each shortcut with its place, the number of the layer of nodes after the one it
        starts from; whether the published code fails on the network, so that its rules are
        followed without leaving out layers.

    Raises:
        ValueError: A network that the rules say nothing about.
    """
    parts, shortcuts = _chain(steps, reach)
    if not _stops(parts):
        return parts, shortcuts, False
    parts, shortcuts = _chain(steps, reach, complete=True)
    weighted = [step.name for step in steps if step.kind in _WEIGHTED]
    if [part.step.name for part in parts] != weighted or len(parts) < 2:
        raise ValueError(
            "the published encoding takes two or more layers with weights that follow one another, "
            f"convolutions first; it fails on {weighted}, use compat=False"
        )
    return parts, shortcuts, True


def _chain(
    steps: list[Step], reach: int, complete: bool = False
) -> tuple[list[Part], list[tuple[Step, int]]]:
    """Parts and shortcuts; `complete` leaves nothing out, unlike the published code."""
    parts: list[Part] = []
    shortcuts: list[tuple[Step, int]] = []
    windows: np.ndarray | None = None
    counted = 0
    if complete and steps[0].kind in _WEIGHTED:
        parts.append(Part(steps[0], first=True))
    for at, (step, after) in enumerate(zip(steps, steps[1:])):
        fits = after.kind == "linear" and step.kind != "pool" and prod(step.shape) == after.channels
        if after.kind in _WEIGHTED and step.kind in (after.kind, "shortcut"):
            parts += [Part(step, first=True)] if at == 0 and not complete else []
            gap = complete and (step.kind, after.kind) == ("shortcut", "linear") and not fits
            parts.append(Part(after, windows=_functional(step.shape, after) if gap else None))
            counted += 1
            end = at + 1 + reach
            if end < len(steps) and steps[end].kind == "shortcut":
                shortcuts.append((steps[end], counted + 1))
        elif step.kind == "conv" and after.kind == "pool":
            windows = pool_windows(step.shape, after.kernel, after.stride, after.name)
        elif step.kind == "pool" and after.kind in _WEIGHTED:
            parts.append(_pooled(after, windows))
        elif step.kind == "conv" and after.kind == "linear" and (complete or not fits):
            windows = None if fits else _functional(step.shape, after)
            parts.append(Part(after, windows=windows))
    return parts, shortcuts


def _stops(parts: list[Part]) -> bool:
    """Whether the published code fails on joining the parts."""
    if len(parts) < 2 or (parts[0].step.kind == "conv" and parts[0].windows is not None):
        return True
    pooled = [place for place, part in enumerate(parts) if part.windows is not None]
    for place, (before, part) in enumerate(zip(parts, parts[1:]), start=1):
        if prod(before.step.shape) == prod(part.read):
            continue
        if not pooled:
            return True
        pooled = pooled[1:] if pooled[0] == place else pooled
    return False


def _pooled(step: Step, windows: np.ndarray | None) -> Part:
    """A layer after pooling."""
    part = Part(step, windows=windows)
    if windows is None:
        raise ValueError(
            f"{step.name}: the published encoding fails on pooling without a convolution right "
            "before it; use compat=False"
        )
    if step.kind == "conv" and prod(part.read) != len(windows):
        raise ValueError(
            f"{step.name} reads {part.read} values, but the pooling before it writes "
            f"{len(windows)}; the published encoding fails here, use compat=False"
        )
    return part


def _functional(shape: tuple[int, int, int], step: Step) -> np.ndarray:
    """Windows of the pooling that must stand between a map and a linear layer."""
    side = isqrt(prod(shape) // step.channels)
    if side < 1:
        raise ValueError(
            f"{step.name} takes {step.channels} features, but the layer before writes "
            f"{prod(shape)} values; does the input_shape fit?"
        )
    return pool_windows(shape, side, side, step.name)
