"""Operations with weights, pools and resizing as parts of an unrolled graph.

Each function takes the walk over the calls and one call, and returns the call's symbolic output.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graph2nn.archgraph.calls import Call
from graph2nn.sparsity.graphs.encodings.assembly import Value
from graph2nn.sparsity.graphs.encodings.values import (
    adaptive_windows,
    distinct,
    interpolation,
    padded,
    pool_windows,
    repeats,
    replay,
    windows,
)
from graph2nn.sparsity.graphs.encodings.walk import Walk

__all__ = [
    "adaptive_pool",
    "bound",
    "convolution",
    "gated",
    "interpolate",
    "linear",
    "pad",
    "pool",
    "product",
    "reduction",
    "transposed_convolution",
]


def bound(call: Call, names: str) -> dict[str, Any]:
    """Return the arguments of a call by name; `names` are the positional ones."""
    return dict(zip(names.split(), call.args)) | dict(call.kwargs)


def convolution(walk: Walk, call: Call) -> Value:
    """Unroll `conv1d`, `conv2d`: a layer of nodes and the kernel that writes it."""
    given = bound(call, "input weight bias stride padding dilation groups")
    name, weight, mask = walk.weight(call, given["weight"])
    axes = weight.dim() - 2
    source = _map(walk, call, axes, given["input"], name)
    stride, dilation = (_pair(given.get(k, 1), axes, 1) for k in ("stride", "dilation"))
    reach = [(taps - 1) * step for taps, step in zip(_square(weight).shape[2:], dilation)]
    padding = given.get("padding", 0)
    if padding == "same":
        before = [r // 2 for r in reach]
        after = [r - b for r, b in zip(reach, before)]
    else:
        before = after = list(_pair(0 if padding == "valid" else padding, axes, 0))
    return _layer(
        walk, call, axes, name, source, _square(weight), _square(mask),
        stride=stride, dilation=dilation, groups=given.get("groups", 1),
        padding=(before[1], after[1], before[0], after[0]),
    )  # fmt: skip


def transposed_convolution(walk: Walk, call: Call) -> Value:
    """Unroll `conv_transpose1d`, `conv_transpose2d`.

    It is the convolution, with the kernel turned around, of a map with nothing between its rows and
    columns.
    """
    given = bound(call, "input weight bias stride padding output_padding groups dilation")
    name, weight, mask = walk.weight(call, given["weight"])
    axes, groups = weight.dim() - 2, given.get("groups", 1)
    source = _map(walk, call, axes, given["input"], name)
    stride, dilation = (_pair(given.get(k, 1), axes, 1) for k in ("stride", "dilation"))
    padding, extra = (_pair(given.get(k, 0), axes, 0) for k in ("padding", "output_padding"))
    channels, height, width, several = source.shape
    spread = (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1
    wide = source.new_full((channels, *spread, several), -1)
    wide[:, :: stride[0], :: stride[1]] = source
    ends = []
    for k in (1, 0):
        before = dilation[k] * (_square(weight).shape[2 + k] - 1) - padding[k]
        ends += [before, before + extra[k]]
    source = padded(wide, ends)
    weight, mask = (_turned(_square(w), groups).contiguous() for w in (weight, mask))
    return _layer(
        walk, call, axes, name, source, weight, mask, dilation=dilation, groups=groups
    )  # fmt: skip


def _turned(weight: Tensor, groups: int) -> Tensor:
    """(in, out / groups, h, w) of a transposed convolution as the kernel of a plain one."""
    by_group = weight.unflatten(0, (groups, -1)).transpose(1, 2)
    return by_group.flatten(0, 1).flip(-1, -2)


def _layer(
    walk: Walk,
    call: Call,
    axes: int,
    name: str,
    source: Tensor,
    weight: Tensor,
    mask: Tensor,
    **geometry: Any,
) -> Value:
    shape = call.shape[-3:] if axes == 2 else (call.shape[-2], 1, call.shape[-1])
    nodes = walk.assembly.layer(name.removesuffix(".weight"), (shape[0], shape[1], shape[2]))
    walk.assembly.kernel(name, nodes, source, weight, mask, **geometry)
    return Value(nodes.numbers().reshape(*call.shape, 1), nodes)


def _square(weight: Tensor) -> Tensor:
    return weight.unsqueeze(2) if weight.dim() == 3 else weight


def _pair(value: Any, axes: int, missing: int) -> tuple[int, int]:
    """Of rows and columns; `missing` is the value for the rows of a 1-d operation."""
    if isinstance(value, int):
        value = (value,) * axes
    value = tuple(value) * (axes if len(value) == 1 else 1)
    return (missing, value[0]) if axes == 1 else (value[0], value[1])


def _map(walk: Walk, call: Call, axes: int, operand: Any, name: str) -> Tensor:
    """What a convolution reads: (C, H, W, K)."""
    value = walk.value(call, operand)
    if axes > 2:
        raise walk.unsupported(call, f"{axes}-d convolution")
    batched = len(value.shape) == axes + 2
    if batched and value.shape[0] != 1:
        raise walk.unsupported(call, "the batch axis holds parts of one image")
    index = walk.assembly.readable(f"{name.removesuffix('.weight')}.input", value)
    index = index[0] if batched else index
    return index.unsqueeze(1) if axes == 1 else index


def linear(walk: Walk, call: Call) -> Value:
    """Unroll `linear`: a kernel of 1 x 1, at as many positions as the tensor has rows."""
    given = bound(call, "input weight bias")
    name, weight, mask = walk.weight(call, given["weight"])
    return _dense(walk, walk.value(call, given["input"]), name, weight, mask)


def product(walk: Walk, call: Call) -> Value:
    """Unroll `matmul`, `mm`, `addmm` with a parameter on the right."""
    left, right = call.args[-2:] if len(call.args) > 1 else (None, None)
    name, weight, mask = walk.weight(call, right)
    return _dense(walk, walk.value(call, left), name, weight.T.contiguous(), mask.T.contiguous())


def _dense(walk: Walk, value: Value, name: str, weight: Tensor, mask: Tensor) -> Value:
    layer = name.removesuffix(".weight")
    index = walk.assembly.readable(f"{layer}.input", value)
    rows, (features, several) = index.shape[:-2], index.shape[-2:]
    source = index.movedim(-2, 0).reshape(features, 1, prod(rows), several)
    nodes = walk.assembly.layer(layer, (len(weight), 1, prod(rows)))
    walk.assembly.kernel(name, nodes, source, weight[..., None, None], mask[..., None, None])
    return Value(nodes.numbers().reshape(-1, *rows).movedim(0, -1).unsqueeze(-1), nodes)


def pool(walk: Walk, call: Call) -> Value:
    """Unroll `max_pool2d`, `avg_pool2d`, ... and their 1-d forms."""
    names = "input kernel_size stride padding"
    if call.name.startswith("max"):
        names += " dilation"
    if call.name.startswith("lp"):
        names = "input norm_type kernel_size stride"
    given = bound(call, names)
    axes = 1 if "1d" in call.name else 2
    kernel, padding, dilation = (
        _pair(given.get(k, default), axes, default)
        for k, default in (("kernel_size", 1), ("padding", 0), ("dilation", 1))
    )
    stride = _pair(given["stride"], axes, 1) if given.get("stride") else kernel
    index = _rows(walk.value(call, given["input"]).index, axes)
    out = (1, *call.shape[-1:]) if axes == 1 else call.shape[-2:]
    settings = zip(index.shape[-3:-1], out, kernel, stride, padding, dilation)
    reads = [pool_windows(*s) for s in settings]
    if all(_disjoint(read) for read in reads) or repeats(index):
        return _gathered(walk, call, index, reads[0], reads[1])
    ends = []
    for k in (1, 0):  # up to the last window, which may reach over the edge
        last = (out[k] - 1) * stride[k] + (kernel[k] - 1) * dilation[k] + 1
        ends += [padding[k], max(padding[k], last - padding[k] - index.shape[k - 3])]
    source = index.reshape(-1, *index.shape[-3:])
    weight = torch.ones(len(source), 1, *kernel)
    nodes = walk.assembly.layer(walk.label(call), (len(source), out[0], out[1]))
    walk.assembly.kernel(
        walk.label(call), nodes, source, weight,
        stride=stride, dilation=dilation, padding=tuple(ends), groups=len(source),
    )  # fmt: skip
    return Value(nodes.numbers().reshape(*call.shape, 1), nodes)


def adaptive_pool(walk: Walk, call: Call) -> Value:
    """Unroll `adaptive_avg_pool2d`, `adaptive_max_pool2d`, ... and their 1-d forms."""
    axes = 1 if "1d" in call.name else 2
    index = _rows(walk.value(call, bound(call, "input")["input"]).index, axes)
    out = (1, *call.shape[-1:]) if axes == 1 else call.shape[-2:]
    reads = [adaptive_windows(size, n) for size, n in zip(index.shape[-3:-1], out)]
    return _gathered(walk, call, index, reads[0], reads[1])


def _rows(index: Tensor, axes: int) -> Tensor:
    return index.unsqueeze(-3) if axes == 1 else index


def _disjoint(read: Tensor) -> bool:
    inside = read[read >= 0]
    return len(inside.unique()) == len(inside)


def _gathered(walk: Walk, call: Call, index: Tensor, rows: Tensor, columns: Tensor) -> Value:
    """The union of each window: as it is where no node is in two, else by nodes of its own."""
    gathered = windows(index, rows, columns)
    gathered = gathered.reshape(*call.shape, gathered.shape[-1])
    if not repeats(gathered):
        return Value(gathered)
    gathered = distinct(gathered)
    return walk.assembly.own(walk.label(call), gathered) if repeats(gathered) else Value(gathered)


def gated(walk: Walk, call: Call) -> Value:
    """Unroll `glu`: the product of the two halves."""
    given = bound(call, "input dim")
    dim = given.get("dim", -1)
    halves = replay(lambda t: t.chunk(2, dim), walk.value(call, given["input"]).index)
    values = [Value(half) for half in halves]
    return walk.assembly.combine(walk.label(call), values, call.shape, added=False)


def reduction(walk: Walk, call: Call) -> Value:
    """Unroll `mean`, `sum`, `amax`, ... over some axes, or all."""
    given = bound(call, "input order dim" if "norm" in call.name else "input dim")
    index = walk.value(call, given["input"]).index
    axes = given.get("dim")
    axes = range(index.dim() - 1) if axes is None else [axes] if isinstance(axes, int) else axes
    axes = sorted(a % (index.dim() - 1) for a in axes)
    index = index.movedim(axes, [k - 1 - len(axes) for k in range(len(axes))])
    return Value(distinct(index.reshape(*call.shape, -1)))


def pad(walk: Walk, call: Call) -> Value:
    """Unroll `pad`: what is padded with a number is no node."""
    given = bound(call, "input pad mode value")
    index = walk.value(call, given["input"]).index
    return Value(padded(index, given["pad"], given.get("mode", "constant")))


def interpolate(walk: Walk, call: Call) -> Value:
    """Unroll `interpolate`: nearest copies positions; linear and area read neighbours."""
    given = bound(call, "input size scale_factor mode align_corners recompute_scale_factor")
    value, mode = walk.value(call, given.pop("input")), given.get("mode", "nearest")
    axes = len(value.shape) - 2
    if axes not in (1, 2) or given.get("antialias"):
        raise walk.unsupported(call, "antialiased or 3-d resizing")
    if mode.startswith("nearest"):
        return Value(replay(lambda t: F.interpolate(t.double(), **given).long(), value.index)[0])
    index = _rows(value.index, axes)
    out = (1, *call.shape[-1:]) if axes == 1 else call.shape[-2:]
    sizes = list(zip(index.shape[-3:-1], out))
    if mode == "area":
        reads = [adaptive_windows(size, n) for size, n in sizes]
    elif mode in ("linear", "bilinear"):
        corners = bool(given.get("align_corners"))
        reads = [interpolation(size, n, align_corners=corners) for size, n in sizes]
    else:
        raise walk.unsupported(call, f"mode {mode!r}")
    return _gathered(walk, call, index, reads[0], reads[1])
