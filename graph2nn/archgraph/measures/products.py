"""How many multiply-adds does one call of a function take? By its arguments, on any device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

__all__ = ["PRODUCTS", "Count", "argument"]

Count = Callable[[tuple, dict, Tensor], int]
"""Function from positional arguments, keyword arguments and the first output to a number."""


def argument(args: tuple, kwargs: dict, place: int, name: str, default: Any = None) -> Any:
    """Find an argument that was given by place or by name."""
    return args[place] if len(args) > place else kwargs.get(name, default)


def _linear(args: tuple, kwargs: dict, out: Tensor) -> int:
    inputs = argument(args, kwargs, 0, "input")
    weight = argument(args, kwargs, 1, "weight")
    if weight is None or (isinstance(weight, Tensor) and weight.dim() == 1):
        return inputs.numel()
    return out.numel() * inputs.shape[-1]  # also where the weight is packed, of a quantised layer


def _bilinear(args: tuple, kwargs: dict, out: Tensor) -> int:
    weight = argument(args, kwargs, 2, "weight")
    left, right = weight.shape[1:]
    return out.numel() * left * (right + 1)


def _convolution(args: tuple, kwargs: dict, out: Tensor) -> int:
    return out.numel() * math.prod(_kernel(args, kwargs).shape[1:])


def _transposed(args: tuple, kwargs: dict, out: Tensor) -> int:
    inputs = argument(args, kwargs, 0, "input")
    return inputs.numel() * math.prod(_kernel(args, kwargs).shape[1:])


def _kernel(args: tuple, kwargs: dict) -> Tensor:
    """The weight of a convolution; a quantised layer gives it packed."""
    weight = argument(args, kwargs, 1, "weight")
    return weight if isinstance(weight, Tensor) else weight.unpack()[0]


def _product(args: tuple, kwargs: dict, out: Tensor) -> int:
    """`x @ y` of any ranks: each value of the result sums over the axis that both share."""
    x: Tensor = argument(args, kwargs, 0, "input")
    y: Tensor = next(v for v in (*args[1:2], *kwargs.values()) if isinstance(v, Tensor))
    if not _is_dense(x):
        return _entries(x) * (y.shape[-1] if y.dim() > 1 else 1)
    if not _is_dense(y):
        return _entries(y) * math.prod(x.shape[:-1])
    inner = y.shape[-2] if y.dim() > 1 else y.shape[0]
    in_order = x.shape[-1] == inner and (y.dim() == 1 or out.shape[-1] == y.shape[-1])
    return out.numel() * (x if in_order else y).shape[-1]  # `y.__rmatmul__(x)` is x @ y


def _added_product(args: tuple, kwargs: dict, out: Tensor) -> int:
    """`addmm(bias, x, y)` and alike, with the number of products that are summed."""
    named = (kwargs[name] for name in _FACTORS if name in kwargs)
    return _product((*args[1:3], *named), {}, out)


_FACTORS = ("mat1", "mat", "batch1", "mat2", "vec", "batch2")


def _summed_products(args: tuple, kwargs: dict, out: Tensor) -> int:
    batch: Tensor = argument(args, kwargs, 1, "batch1")
    return batch.shape[0] * _added_product(args, kwargs, out)


def _grouped(args: tuple, kwargs: dict, out: Tensor) -> int:
    """`grouped_mm`: rows of one matrix in groups, each group times a matrix of its own."""
    x, y = args[0], argument(args, kwargs, 1, "mat2")
    groups = x.shape[0] if x.dim() == 3 and y.dim() == 2 else 1
    return x.numel() // groups * y.shape[-1]


def _is_dense(x: Tensor) -> bool:
    return str(x.layout) == "torch.strided"


def _entries(x: Tensor) -> int:
    kept = x.coalesce() if str(x.layout) == "torch.sparse_coo" else x
    return kept.values().numel()


def _attention(args: tuple, kwargs: dict, out: Tensor) -> int:
    """Scores of all queries with all keys, masked ones too, and the means of the values."""
    query, key = argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "key")
    queries = math.prod(out.shape[:-1])  # of all heads
    return queries * key.shape[-2] * (query.shape[-1] + out.shape[-1])


def _multi_head(args: tuple, kwargs: dict, out: Tensor) -> int:
    """`multi_head_attention_forward`: projections in, attention, projection out."""
    query, key, value = (argument(args, kwargs, k, n) for k, n in enumerate(_QKV))
    width = query.shape[-1]
    batch = query.shape[1] if query.dim() == 3 else 1
    inputs = ((query, width), (key, key.shape[-1]), (value, value.shape[-1]))
    given = (None, kwargs.get("static_k"), kwargs.get("static_v"))
    total = sum(
        x.numel() // size * size * width for (x, size), made in zip(inputs, given) if made is None
    )
    keys = key.shape[0] if given[1] is None else given[1].shape[1]
    keys += argument(args, kwargs, 7, "bias_k") is not None
    keys += bool(argument(args, kwargs, 9, "add_zero_attn"))
    total += 2 * batch * query.shape[0] * keys * width
    return total + query.numel() * width


_QKV = ("query", "key", "value")


def _recurrent(args: tuple, kwargs: dict, out: Tensor) -> int:
    """`lstm`, `gru`, `rnn_*`: every matrix once for every step of every sequence."""
    weights = [a for a in args if isinstance(a, (list, tuple)) and a and isinstance(a[0], Tensor)]
    steps = args[0].numel() // args[0].shape[-1]
    return steps * sum(w.numel() for w in weights[-1] if w.dim() == 2)  # states stand before them


def _quantised_recurrent(gates: int) -> Count:
    """The same where the matrices are packed: their sizes follow from those of the states."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        inputs, states = args[:2]
        state = states[0] if isinstance(states, (list, tuple)) else states
        width, ways = state.shape[-1], out.shape[-1] // state.shape[-1]
        layers = state.shape[0] // ways
        read = inputs.shape[-1] + (layers - 1) * ways * width + layers * width
        return inputs.numel() // inputs.shape[-1] * ways * gates * width * read

    return count


def _cell(args: tuple, kwargs: dict, out: Tensor) -> int:
    inputs = args[0]
    return inputs.numel() // inputs.shape[-1] * (args[2].numel() + args[3].numel())


def _none(args: tuple, kwargs: dict, out: Tensor) -> int:
    return 0


_CONVOLUTIONS = [f"conv{n}d" for n in (1, 2, 3)]
_QUANTISED = [f"{name}_relu" for name in _CONVOLUTIONS]
_TRANSPOSED = [f"conv_transpose{n}d" for n in (1, 2, 3)]
_LINEAR = ["linear", "linear_relu", "linear_dynamic", "linear_relu_dynamic"]

PRODUCTS: dict[str, Count] = {
    **dict.fromkeys(_LINEAR, _linear),
    **dict.fromkeys([*_CONVOLUTIONS, *_QUANTISED, "deform_conv2d"], _convolution),
    **dict.fromkeys(_TRANSPOSED, _transposed),
    **dict.fromkeys(["matmul", "rmatmul", "mm", "bmm", "mv", "dot", "vdot", "sparse_mm"], _product),
    **dict.fromkeys(["addmm", "addmv", "baddbmm"], _added_product),
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], _recurrent),
    **dict.fromkeys(["lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"], _cell),
    "quantized_lstm": _quantised_recurrent(4),
    "quantized_gru": _quantised_recurrent(3),
    "bilinear": _bilinear,
    "addbmm": _summed_products,
    "grouped_mm": _grouped,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "cdist": _none,  # distances, which one device in some sizes gets from a product
}
"""Function name, without underscores → rule. Of others, the kernels that they run are counted."""
