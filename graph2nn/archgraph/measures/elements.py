"""How many operations does a call take beside multiply-adds? Biases, normalisation, activations."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from graph2nn.archgraph.measures.products import Count, argument

__all__ = ["ELEMENTS"]

_SOFTMAX = 5  # maximum, difference, exponential, sum, quotient


def _each(times: int) -> Count:
    """So many operations for each value that comes out."""
    return lambda args, kwargs, out: times * out.numel() * out.dtype.is_floating_point


def _each_read(times: int) -> Count:
    """So many operations for each value that is read."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        x = argument(args, kwargs, 0, "input")
        return times * x.numel() * x.dtype.is_floating_point if isinstance(x, Tensor) else 0

    return count


def _bias(place: int) -> Count:
    """One addition a value where a bias is given at this place."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        return out.numel() if argument(args, kwargs, place, "bias") is not None else 0

    return count


def _dropout(args: tuple, kwargs: dict, out: Tensor) -> int:
    kept = argument(args, kwargs, 1, "p", 0.5) == 0 or not argument(args, kwargs, 2, "training")
    return 0 if kept else 2 * out.numel()  # mask and scale


def _affine(args: tuple, kwargs: dict, place: int) -> int:
    return 0 if argument(args, kwargs, place, "weight") is None else 2


def _batch_norm(args: tuple, kwargs: dict, out: Tensor) -> int:
    """Scale and shift with known statistics; else as layer normalisation."""
    if not argument(args, kwargs, 5, "training", False):
        return 2 * out.numel()
    return (5 + _affine(args, kwargs, 3)) * out.numel()


def _instance_norm(args: tuple, kwargs: dict, out: Tensor) -> int:
    return (5 + _affine(args, kwargs, 3)) * out.numel()


def _layer_norm(args: tuple, kwargs: dict, out: Tensor) -> int:
    """Mean 1, difference 1, variance 2, scale 1; weight and bias 2."""
    return (5 + _affine(args, kwargs, 2)) * out.numel()


def _rms_norm(args: tuple, kwargs: dict, out: Tensor) -> int:
    """Mean of squares 2, scale 1; weight 1."""
    return (3 + _affine(args, kwargs, 2) // 2) * out.numel()


def _pool(args: tuple, kwargs: dict, out: Tensor) -> int:
    size = argument(args, kwargs, 1, "kernel_size")
    axes = 3 if out.dim() == 5 else 1 if out.dim() == 2 else min(out.dim() - 2, 2)
    return out.numel() * (size**axes if isinstance(size, int) else math.prod(size))


_PER_VALUE = {"nearest": 0, "nearest-exact": 0, "area": 1, "linear": 3, "bilinear": 7}


def _interpolate(args: tuple, kwargs: dict, out: Tensor) -> int:
    mode = argument(args, kwargs, 3, "mode", "nearest")
    return out.numel() * _PER_VALUE.get(mode, 31 if mode == "bicubic" else 15)


def _attention(args: tuple, kwargs: dict, out: Tensor) -> int:
    key = argument(args, kwargs, 1, "key")
    masked = argument(args, kwargs, 3, "attn_mask") is not None
    return math.prod(out.shape[:-1]) * key.shape[-2] * (_SOFTMAX + 1 + masked)


def _multi_head(args: tuple, kwargs: dict, out: Tensor) -> int:
    query, key, heads = args[0], args[1], argument(args, kwargs, 4, "num_heads")
    batch = query.shape[1] if query.dim() == 3 else 1
    keys = key.shape[0] * query.shape[0] * heads * batch
    biases = argument(args, kwargs, 6, "in_proj_bias") is not None
    inner = (query.numel() + 2 * key.numel()) * biases
    outer = query.numel() * (argument(args, kwargs, 12, "out_proj_bias") is not None)
    return keys * (_SOFTMAX + 1) + inner + outer


def _recurrent(gates: int, rest: int) -> Count:
    """Two biases, a sum and an activation a gate, and the rest, for each value of each state."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        layers = next((a for a in args[2:] if type(a) is int), 1)
        return out.numel() * layers * (4 * gates + rest)

    return count


def _fourier(args: tuple, kwargs: dict, out: Tensor) -> int:
    """5 N log2 N for N values, as is usual."""
    x: Any = argument(args, kwargs, 0, "input")
    size = max(x.numel(), out.numel())
    return round(5 * size * math.log2(max(out.shape[-1], 2)))


_POINTWISE = (
    "add sub mul div neg abs exp log sqrt rsqrt square reciprocal pow sin cos tanh sigmoid relu "
    "relu6 hardtanh leaky_relu prelu rrelu elu selu celu gelu silu mish hardsigmoid hardswish "
    "softplus logsigmoid softsign threshold clamp clip maximum minimum erf floor round sign glu"
)
_READ = (
    "sum mean prod max min amax amin cumsum cumprod logsumexp adaptive_avg_pool adaptive_max_pool"
)
_CONVOLUTIONS = [f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)]

ELEMENTS: dict[str, Count] = {
    **dict.fromkeys(_POINTWISE.split(), _each(1)),
    **dict.fromkeys(["addcmul", "addcdiv", "lerp"], _each(2)),
    **dict.fromkeys(_READ.split()[:-2], _each_read(1)),
    **{f"{name}{n}d": _each_read(1) for name in _READ.split()[-2:] for n in (1, 2, 3)},
    **dict.fromkeys(["var", "std"], _each_read(4)),
    **dict.fromkeys(["norm", "vector_norm", "linalg_norm", "linalg_vector_norm"], _each_read(2)),
    **dict.fromkeys(["softmax", "log_softmax", "softmin"], _each(_SOFTMAX)),
    **dict.fromkeys(["linear", *_CONVOLUTIONS], _bias(2)),
    "bilinear": _bias(3),
    **dict.fromkeys(["addmm", "addmv", "baddbmm", "addbmm"], _each(1)),
    **{f"{kind}_pool{n}d": _pool for kind in ("max", "avg") for n in (1, 2, 3)},
    **dict.fromkeys(["dropout", "alpha_dropout", "feature_alpha_dropout"], _dropout),
    **{f"dropout{n}d": _dropout for n in (1, 2, 3)},
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "layer_norm": _layer_norm,
    "group_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "interpolate": _interpolate,
    "grid_sample": _each(7),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "lstm": _recurrent(4, 5),
    "gru": _recurrent(3, 5),
    "rnn_tanh": _recurrent(1, 0),
    "rnn_relu": _recurrent(1, 0),
    **{f"fft_{name}": _fourier for name in ("fft", "ifft", "rfft", "irfft", "fft2", "rfft2")},
    "cdist": lambda args, kwargs, out: 3 * out.numel() * args[0].shape[-1],
}
"""Function name, without underscores → rule. Of others, the kernels that they run are counted."""
