"""Which values does one value of the output read? Windows of convolutions, order of axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from graph2nn.archgraph.measures.products import argument

__all__ = ["NO_WINDOW", "axes_of", "window_of"]

Axes = tuple[int, ...]
Window = tuple[Axes, Axes, Axes, Axes]

NO_WINDOW: Window = ((), (), (), ())
"""Kernel, stride, dilation and padding where a function has none."""


def window_of(name: str, args: tuple, kwargs: dict) -> Window:
    """Return kernel, stride, dilation and padding of a convolution or pool, an entry an axis.

    `pad` is a window of one value, with the padding in front of each axis.

    Args:
        name: Name of the function, without underscores.
        args, kwargs: Arguments as called.
    """
    if name == "pad":
        return _pad(args, kwargs)
    read = _WINDOWS.get(name)
    return NO_WINDOW if read is None else read(int(name[-2]), args, kwargs)


def _convolution(axes: int, args: tuple, kwargs: dict) -> Window:
    return _window(axes, args, kwargs, dilation=5)


def _transposed(axes: int, args: tuple, kwargs: dict) -> Window:
    return _window(axes, args, kwargs, dilation=7)


def _window(axes: int, args: tuple, kwargs: dict, dilation: int) -> Window:
    weight = argument(args, kwargs, 1, "weight")
    kernel = tuple((weight if hasattr(weight, "shape") else weight.unpack()[0]).shape[2:])
    stride = _each(argument(args, kwargs, 3, "stride", 1), axes)
    dilations = _each(argument(args, kwargs, dilation, "dilation", 1), axes)
    padding = argument(args, kwargs, 4, "padding", 0)
    if padding == "same":
        return kernel, stride, dilations, tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilations))
    return kernel, stride, dilations, _each(0 if padding == "valid" else padding, axes)


def _pool(axes: int, args: tuple, kwargs: dict) -> Window:
    kernel = _each(argument(args, kwargs, 1, "kernel_size"), axes)
    stride = argument(args, kwargs, 2, "stride")
    padding = _each(argument(args, kwargs, 3, "padding", 0), axes)
    dilation = _each(kwargs.get("dilation", 1), axes)
    return kernel, _each(stride or kernel, axes), dilation, padding


def _pad(args: tuple, kwargs: dict) -> Window:
    sizes = argument(args, kwargs, 1, "pad")
    ones = (1,) * (len(sizes) // 2)
    return ones, ones, ones, tuple(int(n) for n in sizes[::2])[::-1]


def _each(value: Any, axes: int) -> Axes:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(int(v) for v in (values * axes if len(values) == 1 else values))


_WINDOWS: dict[str, Callable[[int, tuple, dict], Window]] = {
    **{f"conv{n}d": _convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": _pool for kind in ("max", "avg") for n in (1, 2, 3)},
}


def axes_of(name: str, args: tuple, kwargs: dict) -> Axes:
    """Return which axis of the argument each axis of the output is, where some move or go.

    Args:
        name: Name of the function, without underscores.
        args, kwargs: Arguments as called.

    Returns:
        -1 for an axis of which one value is left; () of a function that does not move axes.
    """
    read = _MOVES.get(name)
    if read is None or not args or not hasattr(args[0], "dim"):
        return ()
    return read(args[0].dim(), args, kwargs)


def _permute(rank: int, args: tuple, kwargs: dict) -> Axes:
    dims = args[1:] if len(args) != 2 else args[1]
    dims = kwargs.get("dims", dims)
    dims = (dims,) if isinstance(dims, int) else dims
    return tuple(d % rank for d in dims)


def _transpose(rank: int, args: tuple, kwargs: dict) -> Axes:
    order = list(range(rank))
    first = argument(args, kwargs, 1, "dim0", kwargs.get("axis0", 0)) % rank
    second = argument(args, kwargs, 2, "dim1", kwargs.get("axis1", 1)) % rank
    order[first], order[second] = second, first
    return tuple(order)


def _last_two(rank: int, args: tuple, kwargs: dict) -> Axes:
    order = list(range(rank))
    return (*order[:-2], *order[:-3:-1])


def _movedim(rank: int, args: tuple, kwargs: dict) -> Axes:
    source = _each(argument(args, kwargs, 1, "source"), 1)
    target = _each(argument(args, kwargs, 2, "destination"), 1)
    source, target = (tuple(d % rank for d in dims) for dims in (source, target))
    order = [d for d in range(rank) if d not in source]
    for place, axis in sorted(zip(target, source)):
        order.insert(place, axis)
    return tuple(order)


def _reduction(rank: int, args: tuple, kwargs: dict) -> Axes:
    dims = argument(args, kwargs, 1, "dim", kwargs.get("axis"))
    keep = bool(argument(args, kwargs, 2, "keepdim", False))
    if isinstance(dims, Tensor):
        return ()  # `max(x, y)`
    dims = (dims,) if isinstance(dims, int) else dims or range(rank)
    gone = {d % rank for d in dims} if rank else set()
    return tuple(-1 if d in gone else d for d in range(rank) if keep or d not in gone)


_MOVES: dict[str, Callable[[int, tuple, dict], Axes]] = {
    "permute": _permute,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "t": _last_two,
    "T": _last_two,
    "mT": _last_two,
    **dict.fromkeys(["mean", "sum", "amax", "amin", "max", "min", "logsumexp"], _reduction),
    "movedim": _movedim,
    "moveaxis": _movedim,
}
