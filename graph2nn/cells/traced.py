"""How do networks of real layers (GPT, FBNet, residual) become graphs by the thousand?

Each block is traced once; a network's graph is those of its blocks in series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from operator import floordiv

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.archgraph.series import in_series, with_prefix
from graph2nn.cells.networks.fbnet import FBNet, FBNetBlock, FBNetLayer, fbnet_layers, fbnet_ops
from graph2nn.cells.networks.gpt import GPT, GPTBlock, GPTSizes
from graph2nn.cells.networks.macro_resnet import (
    MacroResNetModule,
    macro_resnet_head,
    macro_resnet_modules,
    macro_resnet_stem,
)

__all__ = ["fbnet_multiply_adds", "fbnet_network", "gpt_network", "tnb101_macro_network"]

_SIDE = 32  # pixels of the images of FBNet on CIFAR-100
_MACRO_SIDE = 256  # of TransNAS-Bench-101's images
_TOKENS = 1024  # of the sequences that HW-GPT-Bench measures
_BATCH = 2  # as `trace` takes


def gpt_network(sizes: GPTSizes) -> ArchGraph:
    """Make the graph of a GPT: exactly that of tracing it, in a fraction of a millisecond.

    That is `trace(GPT(sizes), tokens, view="primitives")` on two sequences of 1 024 tokens. Token
    embedding (`pos_enc`, the primitive of embeddings), then for each block norm, attention and MLP;
    heads and widths are in the shapes. A tied output layer has its shape and no parameters of its
    own.

    Examples:
        >>> gpt_network(GPTSizes(embed_dim=192, heads=(4,) * 10, mlp_ratios=(2,) * 10))
        ArchGraph('GPT', nodes=134, edges=153, parameters=123)
    """
    one = replace(sizes, heads=(1,), mlp_ratios=(1,))
    blocks = [
        _gpt_block(one, heads, ratio, k)
        for k, (heads, ratio) in enumerate(zip(sizes.heads, sizes.mlp_ratios))
    ]
    before, after = _gpt_ends(one)
    tied = {"head.weight": "tokens.weight"} if sizes.tied else None
    return in_series([before, *blocks, *after], tied=tied, name=GPT.__name__)


def fbnet_network(code: Sequence[int], *, num_classes: int = 100) -> ArchGraph:
    """Make the graph of an FBNet from its 22 codes: exactly that of tracing it, with stages.

    `cell` is the number of the layer's stage; stem and head are in the first and the last. The name
    is the code, as in HELP's tables.

    Raises:
        ValueError: Not 22 codes from 0 to 8.

    Examples:
        >>> fbnet_network([8] * 22)
        ArchGraph('8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8_8', nodes=20, edges=19, parameters=26)
    """
    ops, layers = fbnet_ops(code), fbnet_layers()
    stem, head = _fbnet_ends(num_classes)
    places = zip(ops, layers, _fbnet_sides())
    blocks = [_fbnet_block(op, layer, side, k) for k, (op, layer, side) in enumerate(places)]
    stages = [layer.stage for layer in layers]
    return in_series(
        [stem, *blocks, head],
        stages=[stages[0], *stages, stages[-1]],
        name="_".join(str(int(c)) for c in code),
        num_classes=num_classes,
    )


def fbnet_multiply_adds(code: Sequence[int], *, num_classes: int = 100) -> int:
    """Count the multiply-adds of an FBNet on an image of 32 x 32 pixels.

    Raises:
        ValueError: Not 22 codes from 0 to 8.
    """
    places = zip(fbnet_ops(code), fbnet_layers(), _fbnet_sides())
    return _fbnet_end_costs(num_classes) + sum(_fbnet_block_costs(*place) for place in places)


def tnb101_macro_network(code: Sequence[int], *, num_classes: int = 75) -> ArchGraph:
    """Make the graph of a macro network of TransNAS-Bench-101: that of tracing it, with stages.

    `cell` is how often the resolution has been halved behind the stem, which shapes of parameters
    do not tell. The name is the published one, such as 64-1234-basic.

    Raises:
        ValueError: Not four to six codes from 1 to 4.

    Examples:
        >>> tnb101_macro_network([1, 2, 3, 4]).num_params()
        3419499
    """
    modules = macro_resnet_modules(code)
    halved = [0, *accumulate(stride == 2 for _, _, stride in modules)]
    sides = [_MACRO_SIDE // 4 >> times for times in halved]
    parts = [_macro_module(sizes, side, k) for k, (sizes, side) in enumerate(zip(modules, sides))]
    stem, head = _macro_ends(modules[-1][1], sides[-1], num_classes)
    return in_series(
        [stem, *parts, head],
        stages=[*halved, halved[-1]],
        name=f"64-{''.join(str(int(kind)) for kind in code)}-basic",
        num_classes=num_classes,
    )


def _traced(module: nn.Module, input: Tensor, prefix: str) -> ArchGraph:
    return with_prefix(trace(module, input, view="primitives"), prefix)


def _images(channels: int, side: int, batch: int = _BATCH) -> Tensor:
    return torch.zeros(batch, channels, side, side, device="meta")


# ---- GPT -------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _gpt_block(sizes: GPTSizes, heads: int, ratio: int, place: int) -> ArchGraph:
    return with_prefix(_gpt_template(sizes, heads, ratio), f"blocks.{place}")


@lru_cache(maxsize=1024)
def _gpt_template(sizes: GPTSizes, heads: int, ratio: int) -> ArchGraph:
    with torch.device("meta"):
        block = GPTBlock(sizes, heads, ratio)
    return trace(block, _sequences(sizes), view="primitives")


@lru_cache(maxsize=64)
def _gpt_ends(sizes: GPTSizes) -> tuple[ArchGraph, tuple[ArchGraph, ArchGraph]]:
    """Graphs of the embedding, and of norm and output layer."""
    with torch.device("meta"):
        net = GPT(replace(sizes, tied=False))
    x = _sequences(sizes)
    tokens = torch.zeros(_BATCH, _TOKENS, dtype=torch.long, device="meta")
    after = (_traced(net.norm, x, "norm"), _traced(net.head, x, "head"))
    return _traced(net.tokens, tokens, "tokens"), after


def _sequences(sizes: GPTSizes) -> Tensor:
    return torch.zeros(_BATCH, _TOKENS, sizes.embed_dim, device="meta")


# ---- FBNet -----------------------------------------------------------------------------------


def _fbnet_sides() -> list[int]:
    """Pixels of a side of what each layer reads, and of what the last one gives out."""
    return list(accumulate((layer.stride for layer in fbnet_layers()), floordiv, initial=_SIDE))


@lru_cache(maxsize=1024)
def _fbnet_block(op: str, layer: FBNetLayer, side: int, place: int) -> ArchGraph:
    return with_prefix(_fbnet_template(op, layer, side), f"layers.{place}")


@lru_cache(maxsize=512)
def _fbnet_template(op: str, layer: FBNetLayer, side: int) -> ArchGraph:
    with torch.device("meta"):
        block = FBNetBlock(op, layer)
    return trace(block, _images(layer.c_in, side), view="primitives")


@lru_cache(maxsize=16)
def _fbnet_ends(num_classes: int) -> tuple[ArchGraph, ArchGraph]:
    with torch.device("meta"):
        net = FBNet([8] * len(fbnet_layers()), num_classes=num_classes)
    stem = _traced(net.stem, _images(3, _SIDE), "stem")
    return stem, _traced(net.head, _images(fbnet_layers()[-1].c, _fbnet_sides()[-1]), "head")


@lru_cache(maxsize=1024)
def _fbnet_block_costs(op: str, layer: FBNetLayer, side: int) -> int:
    with torch.device("meta"):
        block = FBNetBlock(op, layer)
    return multiply_adds(lambda: block(_images(layer.c_in, side, 1)))


@lru_cache(maxsize=16)
def _fbnet_end_costs(num_classes: int) -> int:
    last = _fbnet_sides()[-1]
    with torch.device("meta"):
        net = FBNet([8] * len(fbnet_layers()), num_classes=num_classes)
    head = multiply_adds(lambda: net.head(_images(fbnet_layers()[-1].c, last, 1)))
    return head + multiply_adds(lambda: net.stem(_images(3, _SIDE, 1)))


# ---- TransNAS-Bench-101 macro ----------------------------------------------------------------


@lru_cache(maxsize=1024)
def _macro_module(sizes: tuple[int, int, int], side: int, place: int) -> ArchGraph:
    return with_prefix(_macro_template(sizes, side), f"layers.{place}")


@lru_cache(maxsize=256)
def _macro_template(sizes: tuple[int, int, int], side: int) -> ArchGraph:
    with torch.device("meta"):
        module = MacroResNetModule(*sizes)
    return trace(module, _images(sizes[0], side), view="primitives")


@lru_cache(maxsize=256)
def _macro_ends(width: int, side: int, num_classes: int) -> tuple[ArchGraph, ArchGraph]:
    """Graphs of the stem, and of the head behind `width` channels of a side."""
    with torch.device("meta"):
        stem, head = macro_resnet_stem(), macro_resnet_head(width, num_classes)
    image = _images(3, _MACRO_SIDE)
    return _traced(stem, image, "stem"), _traced(head, _images(width, side), "head")
