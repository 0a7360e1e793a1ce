"""What is an operation, from its name? Its kind, kernel, expansion, groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["SHAPE", "Factors", "factors_of"]

# The first pattern found names the kind: of `conv_1x1-bn-relu` the convolution counts.
_KINDS = {
    "end": r"^(input|output)$",
    "bias": r"(^|\.)(bias|b|pos_enc)$|\.(weight|in_proj_bias|bias_k|bias_v)$",
    "zero": r"^(none|zero|zeroize)$",
    "attention": r"attention|^msa$|attn",
    "convolution": r"conv|^ir_|^k\d+_e\d+|^dw_|mbconv|bottleneck|unfold",
    "linear": r"linear|addmm|matmul|bmm|einsum|^mm$|^fc|dense|__rmatmul__",
    "pool": r"pool|^mean$|glob_avg|^amax$|^max$",
    "normalisation": r"norm|^bn$|^ln$|^gn$",
    "activation": r"relu|gelu|silu|swish|sigmoid|tanh|softmax|softplus|mish|elu|^glu$|^exp$|erf",
    "product": r"^(i)?(mul|div|truediv|cse|rsqrt|sqrt|pow|square|prod)_?$|^se$",
    "sum": r"^(i)?(add|sum|sub|addcmul|neg|abs)_?$|^cumsum$",
    "concat": r"^(cat|concat|stack|hstack|vstack)$",
    "split": r"chunk|split|getitem|unbind|select|narrow|gather|index",
}
SHAPE = "shape"
"""Kind of all other operations, which only pass values on."""

_KERNEL = re.compile(r"(?:^|_)k(\d+)|(\d+)x\d+")
_EXPANSION = re.compile(r"_e(\d+(?:\.\d+)?)")
_DIMENSIONS = re.compile(r"(\d)d(?:_|$)")


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What the name of an operation says.

    Args:
        kind: Kind of operation, such as convolution, pool, sum; shape for whatever only passes
            values on.
        kernel: Side of the kernel, 1 where none is named.
        expansion: Factor by which channels grow within, 1 where none is named.
        grouped: Whether channels are convolved in groups or one by one.
        dilated: Whether the kernel has gaps.
        average: Whether a pool takes means.
        dimensions: Number of spatial dimensions, 2 where none is named.
    """

    kind: str
    kernel: int = 1
    expansion: float = 1.0
    grouped: bool = False
    dilated: bool = False
    average: bool = False
    dimensions: int = 2


@lru_cache(maxsize=4096)
def factors_of(op: str) -> Factors:
    """Read the factors of an operation off its name, in any of the spellings of the tables.

    Examples:
        >>> factors_of("sep_conv_5x5").kernel, factors_of("adaptive_avg_pool2d").kind
        (5, 'pool')
        >>> factors_of("k3_e6_g2").expansion
        6.0
    """
    name = op.lower()
    kind = next((k for k, pattern in _KINDS.items() if re.search(pattern, name)), SHAPE)
    kernel = _KERNEL.search(name)
    expansion = _EXPANSION.search(name)
    dimensions = _DIMENSIONS.search(name)
    return Factors(
        kind=kind,
        kernel=int(kernel[1] or kernel[2]) if kernel else 1,
        expansion=float(expansion[1]) if expansion else 1.0,
        grouped=bool(re.search(r"sep|depthwise|^dw_|group|_g\d+|mbconv|^ir_|dil", name)),
        dilated="dil" in name,
        average=bool(re.search(r"avg|mean", name)),
        dimensions=int(dimensions[1]) if dimensions else 2,
    )
