"""Which facts of a call beyond its tensors does a view need? Kernel, groups, axes, letters."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["ATTRIBUTES"]


def _pool_attrs(args: tuple, kwargs: dict) -> dict:
    k = args[1] if len(args) > 1 else kwargs.get("kernel_size", 1)
    k = tuple(k) if isinstance(k, (tuple, list)) else (k, k)
    return {"kernel": k * 2 if len(k) == 1 else k}


def _pool1d_attrs(args: tuple, kwargs: dict) -> dict:
    return {"kernel": (1, _pool_attrs(args, kwargs)["kernel"][0])}


def _conv_attrs(args: tuple, kwargs: dict) -> dict:
    d = args[5] if len(args) > 5 else kwargs.get("dilation", 1)
    g = args[6] if len(args) > 6 else kwargs.get("groups", 1)
    return {"groups": g, "dilation": d if isinstance(d, int) else min(d)}


def _mean_attrs(args: tuple, kwargs: dict) -> dict:
    keep = bool(args[2] if len(args) > 2 else kwargs.get("keepdim", False))
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    x = args[0] if args else kwargs.get("input")
    rank = x.dim() if isinstance(x, Tensor) else 0
    if not isinstance(dims, (tuple, list)):
        dims = range(rank) if dims is None else (dims,)
    dims = tuple(sorted(d % rank for d in dims if isinstance(d, int))) if rank else ()
    return {"keepdim": keep, "rank": rank, "dims": dims}


def _mha_attrs(args: tuple, kwargs: dict) -> dict:
    return {"need_weights": bool(kwargs.get("need_weights", True))}


def _einsum_attrs(args: tuple, kwargs: dict) -> dict:
    """Letters and shape of each operand, letters of the result; nothing where some are implicit."""
    equation, operands = args[0], args[1:]
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    if not isinstance(equation, str) or "->" not in equation or "." in equation:
        return {}
    read, result = equation.replace(" ", "").split("->")
    shapes = [tuple(t.shape) for t in operands if isinstance(t, Tensor)]
    return {"terms": list(zip(read.split(","), shapes)), "result": result}


ATTRIBUTES: dict[str, Callable[[tuple, dict], dict]] = {
    **dict.fromkeys(["max_pool2d", "avg_pool2d", "lp_pool2d"], _pool_attrs),
    **dict.fromkeys(["max_pool1d", "avg_pool1d"], _pool1d_attrs),
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], _conv_attrs),
    "mean": _mean_attrs,
    "einsum": _einsum_attrs,
    "multi_head_attention_forward": _mha_attrs,
}
"""Function name → facts of a call of it, from its arguments."""
