"""Output shapes of common operations, computed without running their meta kernels.

A meta kernel costs 20 µs (convolution) to 1.2 ms (batch norm, a Python decomposition) a call; the
shape rules here cost about 3 µs. A rule that meets an argument it does not understand, or shapes
that do not fit, returns None: the caller then runs the real kernel, which also raises the proper
error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["SHAPE_RULES", "Rule"]

Rule = Callable[[tuple, dict], Any]

_META = torch.device("meta")


def _new(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=_META)


def _same(args: tuple, kwargs: dict) -> Tensor | None:
    """Element-wise functions of one tensor, and normalisations: the shape of the input."""
    x = args[0] if args else kwargs.get("input")
    if x is None or not x.is_meta or not x.dtype.is_floating_point:
        return None
    return x if kwargs.get("inplace") else _new(x.shape, x) if x.is_contiguous() else _strided(x)


def _strided(x: Tensor) -> Tensor:
    # A dense permuted tensor keeps its strides, so that a later `view` behaves as in a real run.
    return torch.empty_like(x)


def _softmax(args: tuple, kwargs: dict) -> Tensor | None:
    return None if kwargs.get("dtype") is not None else _same(args, kwargs)


def _norm(args: tuple, kwargs: dict) -> Tensor | None:
    """Batch, layer, group and root-mean-square normalisation with matching channels."""
    weight = kwargs.get("weight")
    x = args[0]
    if weight is not None and weight.dim() == 1:
        n = weight.shape[0]
        if n != x.shape[1] and n != x.shape[-1]:
            return None
    return _same(args, {})


def _batch_norm(args: tuple, kwargs: dict) -> Tensor | None:
    x = args[0]
    for known in (*args[1:5], kwargs.get("weight"), kwargs.get("bias")):
        if known is not None and (known.dim() != 1 or known.shape[0] != x.shape[1]):
            return None
    return _same((x,), {})


def _inplace(args: tuple, kwargs: dict) -> Tensor | None:
    return args[0] if args and args[0].is_meta else None


def _binary(args: tuple, kwargs: dict) -> Tensor | None:
    """`x + y` and alike: equal shapes and types, broadcast of equally many axes, or a number."""
    if len(args) != 2 or kwargs:
        return None
    x, y = args
    if not isinstance(x, Tensor):
        x, y = y, x
    if not x.is_meta or not x.dtype.is_floating_point:
        return None
    if isinstance(y, (int, float)):
        return torch.empty_like(x) if not x.is_contiguous() else _new(x.shape, x)
    if not isinstance(y, Tensor) or not y.is_meta or x.dtype != y.dtype:
        return None
    a, b = x.shape, y.shape
    if a == b:
        return torch.empty_like(x) if not x.is_contiguous() else _new(a, x)
    if len(a) != len(b):
        return None
    shape = []
    for i, j in zip(a, b):
        if i != j and i != 1 and j != 1:
            return None
        shape.append(j if i == 1 else i)
    return _new(tuple(shape), x)


def _binary_inplace(args: tuple, kwargs: dict) -> Tensor | None:
    if len(args) != 2 or kwargs:
        return None
    x, y = args
    if not x.is_meta or not x.dtype.is_floating_point:
        return None
    if isinstance(y, (int, float)) or (isinstance(y, Tensor) and y.is_meta and y.shape == x.shape):
        return x
    return None


def _conv(args: tuple, kwargs: dict) -> Tensor | None:
    """`conv1d`, `conv2d`, `conv3d` with positional arguments and numeric padding."""
    if kwargs or len(args) < 7:
        return None
    x, weight, bias, stride, padding, dilation, groups = args
    if type(stride) is not tuple or type(padding) is not tuple or type(dilation) is not tuple:
        return None
    if not x.is_meta or x.dtype != weight.dtype:
        return None
    a, w = x.shape, weight.shape
    if len(a) != len(w) or len(w) != len(stride) + 2 or a[1] != w[1] * groups:
        return None
    if bias is not None and bias.shape[0] != w[0]:
        return None
    shape = [a[0], w[0]]
    for n, k, s, p, d in zip(a[2:], w[2:], stride, padding, dilation):
        m = (n + 2 * p - d * (k - 1) - 1) // s + 1
        if m < 1:
            return None
        shape.append(m)
    return _new(tuple(shape), x)


def _linear(args: tuple, kwargs: dict) -> Tensor | None:
    if kwargs or len(args) < 2:
        return None
    x, weight = args[0], args[1]
    a, w = x.shape, weight.shape
    if len(w) != 2 or not a or a[-1] != w[1] or x.dtype != weight.dtype or not x.is_meta:
        return None
    return _new((*a[:-1], w[0]), x)


def _adaptive_pool2d(args: tuple, kwargs: dict) -> Tensor | None:
    if len(args) != 2 or kwargs:
        return None
    x, size = args
    size = (size, size) if isinstance(size, int) else tuple(size)
    a = x.shape
    if len(size) != 2 or len(a) not in (3, 4) or not x.is_meta:
        return None
    return _new((*a[:-2], *(n if s is None else s for n, s in zip(a[-2:], size))), x)


def _max_pool2d(args: tuple, kwargs: dict) -> Tensor | None:
    """`max_pool2d(x, size, stride, padding, dilation, ceil_mode=False, return_indices=False)`."""
    if len(args) < 5 or any(args[5:]) or any(kwargs.values()):
        return None
    x, *settings = args[:5]
    if len(x.shape) not in (3, 4) or not x.is_meta or not x.is_contiguous():
        return None
    pairs = [(n, n) if isinstance(n, int) else tuple(n) for n in settings]
    if any(len(pair) != 2 for pair in pairs):
        return None
    shape = list(x.shape)
    for axis, (size, stride, padding, dilation) in zip((-2, -1), zip(*pairs)):
        shape[axis] = (shape[axis] + 2 * padding - dilation * (size - 1) - 1) // stride + 1
        if shape[axis] < 1 or 2 * padding > size:
            return None
    return _new(tuple(shape), x)


def _cat(args: tuple, kwargs: dict) -> Tensor | None:
    tensors = args[0] if args else kwargs.get("tensors")
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    if not tensors or not isinstance(dim, int):
        return None
    first = tensors[0]
    shape = list(first.shape)
    if not -len(shape) <= dim < len(shape):
        return None
    dim %= len(shape)
    rest = shape[:dim] + shape[dim + 1 :]
    total = 0
    for t in tensors:
        s = list(t.shape)
        if len(s) != len(shape) or s[:dim] + s[dim + 1 :] != rest:
            return None
        if not t.is_meta or t.dtype != first.dtype:
            return None
        total += s[dim]
    shape[dim] = total
    return _new(tuple(shape), first)


def _mean(args: tuple, kwargs: dict) -> Tensor | None:
    x = args[0]
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    keep = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if dims is None or kwargs.get("dtype") is not None or not x.is_meta:
        return None
    if not x.dtype.is_floating_point:
        return None
    n = x.dim()
    dims = [dims] if isinstance(dims, int) else list(dims)
    if not dims or any(not -n <= d < n for d in dims):
        return None
    gone = {d % n for d in dims}
    pairs = enumerate(x.shape)
    shape = (1 if i in gone else s for i, s in pairs if keep or i not in gone)
    return _new(tuple(shape), x)


def _attention(args: tuple, kwargs: dict) -> Tensor | None:
    """`scaled_dot_product_attention` with equal leading axes."""
    if len(args) < 3:
        return None
    q, k, v = args[:3]
    if q.shape[:-2] != v.shape[:-2] or q.shape[-1] != k.shape[-1] or not q.is_meta:
        return None
    return _new((*q.shape[:-1], v.shape[-1]), q)


def _multi_head(args: tuple, kwargs: dict) -> tuple[Tensor, Tensor | None] | None:
    """`multi_head_attention_forward` without extra keys: (output, attention weights or None)."""
    if len(args) != 13 or args[7] is not None or args[8] is not None or args[9]:
        return None
    q, k = args[0], args[1]
    if q.dim() != 3 or not q.is_meta or q.shape[-1] != args[3]:
        return None
    if kwargs.get("static_k") is not None or kwargs.get("static_v") is not None:
        return None
    out, weights = _new(q.shape, q), None
    if kwargs.get("need_weights", True):
        heads = () if kwargs.get("average_attn_weights", True) else (args[4],)
        weights = _new((q.shape[1], *heads, q.shape[0], k.shape[0]), q)
    return out, weights


def _recurrent(args: tuple, kwargs: dict) -> tuple | None:
    """`lstm(input, (h, c), weights, bias, layers, dropout, train, two_way, batch_first)`, `gru`."""
    if len(args) != 9 or kwargs:
        return None
    x, hidden, both_ways = args[0], args[1], args[7]
    h = hidden[0] if isinstance(hidden, tuple) else hidden
    if not x.is_meta or x.dim() not in (2, 3):
        return None
    out = _new((*x.shape[:-1], h.shape[-1] * (2 if both_ways else 1)), x)
    if isinstance(hidden, tuple):
        return out, _new(h.shape, h), _new(hidden[1].shape, h)
    return out, _new(h.shape, h)


_POINTWISE = (
    "relu relu6 hardtanh leaky_relu elu selu celu gelu silu mish tanh sigmoid hardsigmoid "
    "hardswish softplus logsigmoid softsign dropout dropout1d dropout2d dropout3d alpha_dropout "
    "feature_alpha_dropout"
)

SHAPE_RULES: dict[str, Rule] = {
    **dict.fromkeys(_POINTWISE.split(), _same),
    **dict.fromkeys(["relu_", "sigmoid_", "tanh_", "clamp_", "bernoulli_", "normal_"], _inplace),
    **dict.fromkeys(["add", "sub", "mul", "div", "__add__", "__mul__", "__radd__"], _binary),
    **dict.fromkeys(["add_", "sub_", "mul_", "div_", "__iadd__", "__imul__"], _binary_inplace),
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], _conv),
    **dict.fromkeys(["layer_norm", "group_norm", "rms_norm"], _norm),
    "softmax": _softmax,
    "log_softmax": _softmax,
    "batch_norm": _batch_norm,
    "linear": _linear,
    "adaptive_avg_pool2d": _adaptive_pool2d,
    "cat": _cat,
    "max_pool2d": _max_pool2d,
    "mean": _mean,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "lstm": _recurrent,
    "gru": _recurrent,
}
"""Function name → rule. Unlisted functions run their meta kernel."""
