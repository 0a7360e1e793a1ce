"""The vocabulary of operations that the cell spaces share."""

__all__ = ["CELL_OPS"]

CELL_OPS: tuple[str, ...] = (
    "input",
    "output",
    "none",
    "skip",
    "conv_1x1",
    "conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "mbconv_k3_e3",
    "mbconv_k5_e6",
)
"""Operations of the cells, under one name in all spaces, so that a model can learn from several.

A convolution is one with normalisation and activation; `none` gives zeros, `skip` its input;
`mbconv_k3_e3` is an inverted residual block of MobileNetV2 with kernel 3 and expansion 3."""
