"""Colours and shapes of operations in drawings."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Style", "style_of"]


class Style(NamedTuple):
    """How an operation, or a family of them, looks; `rank` is its place in a legend."""

    rank: int
    name: str
    colour: str
    shape: str

    @property
    def dark(self) -> bool:
        """Whether writing on it should be white."""
        red, green, blue = (int(self.colour[k : k + 2], 16) for k in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue < 130


_LOOKS = {
    "input": ("#8c1515", "square"),
    "conv": ("#2f6bff", "circle"),
    "sep_conv": ("#0b2a8a", "circle"),
    "dil_conv": ("#1f49c4", "circle"),
    "bias": ("#e649dc", "diamond"),
    "msa": ("#17181a", "circle"),
    "cse": ("#1fb6e8", "circle"),
    "bn": ("#63d99a", "square"),
    "ln": ("#f3e03c", "square"),
    "pos_enc": ("#a9d046", "square"),
    "max_pool": ("#f6c343", "circle"),
    "avg_pool": ("#f29d2b", "circle"),
    "glob_avg": ("#ef7b1f", "circle"),
    "sum": ("#e6512c", "circle"),
    "concat": ("#bb2d1c", "triangle"),
}
_PRIMITIVES = {name: Style(k, name, *look) for k, (name, look) in enumerate(_LOOKS.items())}

_FAMILIES = (
    ("input", "#8c1515", "square", "input"),
    ("attention", "#17181a", "circle", "attention softmax"),
    ("convolution", "#2f6bff", "circle", "conv"),
    (
        "matrix product",
        "#0b2a8a",
        "circle",
        "linear matmul mm bmm addmm einsum embedding lstm gru rnn",
    ),
    ("bias", "#e649dc", "diamond", "bias"),
    ("normalisation", "#63d99a", "square", "norm"),
    ("pooling", "#f29d2b", "circle", "pool mean interpolate"),
    (
        "activation",
        "#1fb6e8",
        "circle",
        "elu silu swish sigmoid tanh mish softplus dropout stochastic",
    ),
    ("sum", "#e6512c", "circle", "add sub"),
    ("product", "#f3e03c", "circle", "mul div prod pow"),
    ("concatenation", "#bb2d1c", "triangle", "cat stack concat"),
)
_OTHERS = (
    Style(len(_FAMILIES), "parameter", "#a9d046", "square"),
    Style(len(_FAMILIES) + 1, "shape and other", "#c9ced6", "circle"),
)


def style_of(op: str, *, primitive: bool) -> Style:
    """Find the look of an operation: of its own among the 15 primitives, else of its family."""
    if primitive:
        return _PRIMITIVES[op]
    for rank, (name, colour, shape, marks) in enumerate(_FAMILIES):
        if any(mark in op.rpartition(".")[2] for mark in marks.split()):
            return Style(rank, name, colour, shape)
    return _OTHERS[0 if "." in op or op == "parameter" else 1]
