"""What the published unrolled encoding reads off a network: its layers by name, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

__all__ = ["Step", "list_steps", "pool_windows", "shortcut_reach"]

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One layer as the published encoding sees it.

    Args:
        kind: Kind of layer: `conv`, `linear`, `pool` or `shortcut`.
        name: Name of the module.
        module: The layer.
        reads: Rows and columns that it reads; with padding for `conv`, and there without those
            that no window reaches.
        writes: Rows and columns that it writes.
        kernel, stride, padding: Rows of the window, its step, rows added on each side.
    """

    kind: str
    name: str
    module: nn.Module
    reads: int
    writes: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the map that is written, (C, H, W)."""
        if isinstance(self.module, nn.Linear):
            return self.module.out_features, 1, 1
        assert isinstance(self.module, nn.Conv2d), self.name
        # A depthwise layer that multiplies its channels counts them all but fills the first ones.
        return self.module.out_channels, self.writes, self.writes

    @property
    def channels(self) -> int:
        """Number of channels that are read."""
        if isinstance(self.module, nn.Linear):
            return self.module.in_features
        assert isinstance(self.module, nn.Conv2d), self.name
        return self.module.in_channels


def list_steps(model: nn.Module, size: int) -> list[Step]:
    """List the layers in the order of `named_modules`.

    Their sizes are as if each read the one before.

    Args:
        size: Rows and columns of the input.

    Raises:
        ValueError: A layer that the published encoding has no rule for, or a map that is too
            small for it.
    """
    steps: list[Step] = []
    reach = shortcut_reach(model)
    for name, module in model.named_modules():
        kind = _kind(name, module)
        if kind is None:
            continue
        if kind == "linear":
            steps.append(Step(kind=kind, name=name, module=module, reads=1, writes=1))
            continue
        before = _size_before_block(steps, reach, name) if kind == "shortcut" else size
        step = _sized(kind, name, module, before)
        steps.append(step)
        size = size if kind == "shortcut" else step.writes
    return steps


def shortcut_reach(model: nn.Module) -> int:
    """Count the convolutions on the main path of a residual block.

    That is how far back its shortcut starts. The published code counts the names of convolutions in
    two classes of blocks; here any module with a convolution called `shortcut` or `downsample` is
    such a block.
    """
    names = {name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    inner: set[str] = set()
    for name in filter(_is_shortcut, names):
        parts = name.split(".")
        depth = next(i for i, part in enumerate(parts) if _is_shortcut(part))
        block = "".join(part + "." for part in parts[:depth])
        within = {other[len(block) :] for other in names if other.startswith(block)}
        inner |= {other for other in within if "conv" in other.lower() and not _is_shortcut(other)}
    return len(inner)


def _is_shortcut(name: str) -> bool:
    return "shortcut" in name.lower() or "downsample" in name.lower()


def _kind(name: str, module: nn.Module) -> str | None:
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, _POOLS):
        return "pool"
    if isinstance(module, nn.Conv2d):
        return "shortcut" if _is_shortcut(name) else "conv"
    if "downsample" in name.lower() and not isinstance(module, nn.Identity):
        raise ValueError(
            f"{name} ({type(module).__name__}): the published encoding takes everything called "
            "`downsample` for a convolution and fails; use compat=False"
        )
    return None


def _size_before_block(steps: list[Step], reach: int, name: str) -> int:
    """What the published code takes for the size of the map that a residual block reads."""
    place = len(steps) - 1 - reach
    if not -len(steps) <= place < len(steps):
        raise ValueError(f"{name}: no layers before this shortcut that it could lead around")
    if steps[place].kind == "shortcut":  # has no size there, so the next layer's is taken
        place += 1
    if place == len(steps):
        raise ValueError(f"{name}: the published encoding fails on a shortcut after a shortcut")
    step = steps[place]
    return step.module.out_features if isinstance(step.module, nn.Linear) else step.writes


def _sized(kind: str, name: str, module: Any, size: int) -> Step:
    """The step with its sizes, for a map of `size` rows and columns."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        kernel, stride, padding = _adaptive(name, module, size)
    else:
        kernel = _square(name, "kernel_size", module.kernel_size)
        stride = _square(name, "stride", module.stride)
        padding = _square(name, "padding", module.padding)
    groups = module.groups if isinstance(module, nn.Conv2d) else 1
    if groups not in (1, getattr(module, "in_channels", 1)):
        raise ValueError(
            f"{name}: the published encoding knows ordinary and depthwise convolutions, not "
            f"groups={groups}; use compat=False"
        )
    if kind == "shortcut":
        padding = 0  # left out there
    writes = (size + 2 * padding - kernel) // stride + 1
    reads = size
    if kind == "conv":
        reads = (writes - 1) * stride + kernel
    if writes < 1 or reads < 2 * padding * (kind == "conv"):
        raise ValueError(
            f"{name}: a map of {size} x {size} is too small for a window of {kernel} x {kernel} "
            f"with padding {padding}; use a larger input_shape"
        )
    sizes = {"kernel": kernel, "stride": stride, "padding": padding}
    return Step(kind=kind, name=name, module=module, reads=reads, writes=writes, **sizes)


def _adaptive(name: str, module: nn.AdaptiveAvgPool2d, size: int) -> tuple[int, int, int]:
    out = module.output_size
    target = _square(name, "output_size", out if isinstance(out, tuple) else (out, out))
    if target < 1 or size % target:
        raise ValueError(
            f"{name}: the published encoding has windows of one size, but a map of {size} x {size} "
            f"does not divide into {target} x {target}; use compat=False"
        )
    return size // target, size // target, 0


def _square(name: str, option: str, value: Any) -> int:
    """The one number, where rows and columns have the same."""
    values = (value,) if isinstance(value, (int, str)) or value is None else tuple(value)
    if len(set(values)) != 1 or not isinstance(values[0], int):
        raise ValueError(
            f"{name}: {option}={value!r}; the published encoding has square windows with numbers "
            "for sizes; use compat=False"
        )
    return values[0]


def pool_windows(shape: tuple[int, int, int], kernel: int, stride: int, name: str) -> np.ndarray:
    """Find the positions of a map that each pooled value stands for, as published.

    Windows start every `stride` rows from the first one, whatever the padding, and are cut where
    the map ends.

    Args:
        shape: Shape of the map, (C, H, W).
        name: Name of the layer, for messages.
        kernel: Side of a window in rows.
        stride: Rows from a window to the next.

    Shapes:
        (pooled values, kernel²); -1 where a window is cut.

    Raises:
        ValueError: Windows that overlap.
    """
    channels, height, width = shape
    rows = np.arange(0, height, stride)[:, None] + np.arange(kernel)
    columns = np.arange(0, width, stride)[:, None] + np.arange(kernel)
    inside = (rows < height)[:, None, :, None] & (columns < width)[None, :, None, :]
    plane = rows[:, None, :, None] * width + columns[None, :, None, :]
    maps = np.arange(channels)[:, None, None, None, None] * (height * width)
    windows = np.where(inside, plane + maps, -1).reshape(-1, kernel * kernel)
    if stride < kernel and inside.sum() > len(np.unique(plane[inside])):
        raise ValueError(
            f"{name}: windows of {kernel} x {kernel} every {stride} rows overlap, which the "
            "published encoding turns into several edges between the same nodes; use compat=False"
        )
    return windows
