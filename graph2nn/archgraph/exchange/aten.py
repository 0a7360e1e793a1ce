"""Which function do users call that becomes an operation of aten?"""

from __future__ import annotations

from graph2nn.archgraph.tracing.recorder import function_name

__all__ = ["aten_name"]

_NAMES = {
    "_softmax": "softmax",
    "_safe_softmax": "softmax",
    "_log_softmax": "log_softmax",
    "_to_copy": "to",
    "_unsafe_view": "view",
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "native_dropout": "dropout",
    "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_native_batch_norm_legit_functional": "batch_norm",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "slice": "getitem",
    "select": "getitem",
    "index": "getitem",
    "numpy_T": "T",
}


def aten_name(packet: str, rank: int) -> str:
    """Return the name that `trace` gives an operation.

    Args:
        packet: Name of the operation, without its overload.
        rank: Number of axes of its output.

    Examples:
        >>> aten_name("convolution", 4), aten_name("native_layer_norm", 3), aten_name("relu_", 2)
        ('conv2d', 'layer_norm', 'relu')
    """
    if packet == "convolution":
        return f"conv{rank - 2}d"
    return _NAMES.get(packet, function_name(packet))
