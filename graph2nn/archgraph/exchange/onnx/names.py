"""Which function of torch is a node of ONNX, and which facts of it do views need?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graph2nn.archgraph.exchange.onnx.file import OnnxNode

__all__ = ["call_facts", "call_name"]

_NAMES = {
    "Gemm": "linear",
    "Transpose": "permute",
    "Concat": "cat",
    "Slice": "getitem",
    "GatherND": "getitem",
    "ReduceMean": "mean",
    "ReduceSum": "sum",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceL2": "norm",
    "Clip": "clamp",
    "Neg": "neg",
    "Cast": "to",
    "CastLike": "to",
    "Resize": "interpolate",
    "LeakyRelu": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "BatchNormalization": "batch_norm",
    "LayerNormalization": "layer_norm",
    "SimplifiedLayerNormalization": "rms_norm",
    "InstanceNormalization": "instance_norm",
    "GroupNormalization": "group_norm",
    "RMSNormalization": "rms_norm",
    "Attention": "scaled_dot_product_attention",
    "MultiHeadAttention": "scaled_dot_product_attention",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle",
    "PRelu": "prelu",
    "LSTM": "lstm",
    "GRU": "gru",
}
_SPATIAL = {
    "Conv": "conv{}d",
    "ConvTranspose": "conv_transpose{}d",
    "MaxPool": "max_pool{}d",
    "AveragePool": "avg_pool{}d",
    "LpPool": "lp_pool{}d",
    "GlobalAveragePool": "adaptive_avg_pool{}d",
    "GlobalMaxPool": "adaptive_max_pool{}d",
}


def call_name(node: OnnxNode, rank: int, *, weight: bool, table: bool) -> str:
    """Return the name that `trace` gives what a node does; unknown operations keep their own.

    Args:
        node: The node.
        rank: Number of axes of its first argument.
        weight: Whether its last argument is a parameter.
        table: Whether its first one is.
    """
    if node.op in _SPATIAL:
        kernel = node.attrs.get("kernel_shape")
        return _SPATIAL[node.op].format(len(kernel) if kernel else max(rank - 2, 1))
    if node.op == "MatMul":
        return "linear" if weight else "matmul"
    if node.op == "Gather":
        return "embedding" if table else "getitem"
    if node.op == "Gemm" and not weight and not table:
        return "addmm"
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", node.op).lower()
    return _NAMES.get(node.op, snake)


def call_facts(node: OnnxNode, rank: int, integers: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return the facts that `tracing.attributes` reads off a call of torch.

    Args:
        node: The node.
        rank: Number of axes of its first argument.
        integers: Constants of the file, among them axes.
    """
    attrs = node.attrs
    if node.op == "Conv":
        return {"groups": attrs.get("group", 1), "dilation": min(attrs.get("dilations") or [1])}
    if node.op in ("MaxPool", "AveragePool", "LpPool"):
        kernel = tuple(attrs.get("kernel_shape") or ())
        if len(kernel) in (1, 2):
            return {"kernel": (1, *kernel)[-2:]}
    if node.op == "ReduceMean":
        axes = attrs.get("axes")
        if axes is None and len(node.inputs) > 1:
            axes = integers.get(node.inputs[1])
        dims = range(rank) if axes is None else {a % rank for a in axes if rank}
        keep = bool(attrs.get("keepdims", 1))
        return {"keepdim": keep, "rank": rank, "dims": tuple(sorted(dims))}
    return {}
