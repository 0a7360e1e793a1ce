"""`Network`: a DeepNets-1M network as a torch module with the published parameter names."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from graph2nn.deepnets.graphs.config import Genotype, NetConfig
from graph2nn.deepnets.graphs.layout import layout
from graph2nn.deepnets.networks.cell import Cell
from graph2nn.deepnets.networks.heads import (
    AuxiliaryHead,
    classifier,
    imagenet_stem,
    patch_stem,
    simple_stem,
)
from graph2nn.deepnets.networks.layers import PosEnc
from graph2nn.deprecated import renamed_keywords

__all__ = ["Network"]

_ARGUMENTS = {f.name for f in fields(NetConfig)}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pauses the garbage collector: it takes twice as long as making a thousand modules does."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Network(nn.Module):
    """A network of DeepNets-1M (arXiv:2110.13100, section 3.1), built on any device or on meta.

    Only operations that contribute to the output are built, so that the module's parameters are
    exactly those of its graph; `unused=True` builds the others too, as the original does (they
    never run). Differences from the original: odd map sides work down to one pixel, so that images
    may have any size; the auxiliary head does not change the feature map it reads.

    Args:
        config: Structure, widths and image size.
        unused: Whether what cannot reach the output is built, too.
        device: Device of the parameters; on "meta" they stay uninitialised.

    Attributes:
        drop_path_prob: Probability of dropping an operation's output for a sample, in training.
        generator: Source of the random numbers of drop path; None takes torch's global one.

    Shapes: (B, in_channels, H, W) -> logits (B, num_classes), and with `auxiliary` in training
    the pair of logits and auxiliary logits.

    Raises:
        ValueError: The output does not depend on the input.

    Examples:
        >>> from graph2nn.deepnets import DARTS, NetConfig, Network
        >>> net = Network(NetConfig(genotype=DARTS, n_cells=4, C=16))
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        config: NetConfig,
        *,
        unused: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        plan = layout(config)
        self.config = config
        self.drop_path_prob = 0.0
        self.generator: torch.Generator | None = None
        size, channels = config.image_size, config.in_channels
        self.expected_input_sz = size if channels == 3 else (channels, size, size)
        self._aux_cell = 2 * config.n_cells // 3 if config.auxiliary else -1
        self._uses_stem1 = plan.uses_stem1
        if config.vit:
            self.stem0 = patch_stem(config, device)
            self.pos_enc = PosEnc(config.C, plan.pos_side, device=device)
        elif config.stem_type == 0:
            self.stem = simple_stem(config, plan.c_stem, device)
        else:
            stem0, stem1 = imagenet_stem(config, device)
            self.stem0 = stem0
            self.stem1 = stem1 if plan.uses_stem1 or unused else nn.Identity()
        with _no_collection():
            self.cells = nn.ModuleList(
                Cell(spec, config.norm, config.preproc, unused=unused, device=device)
                for spec in plan.cells
            )
        if config.auxiliary:
            self.auxiliary_head = AuxiliaryHead(plan.aux_c, plan.aux_side, config, device)
        self.global_pooling = nn.AdaptiveAvgPool2d(1) if config.glob_avg else nn.Identity()
        width = plan.c_out if config.glob_avg else plan.c_out * plan.side**2
        self.classifier = classifier(config, width, device)

    @classmethod
    @renamed_keywords(imsize="image_size")
    def from_args(
        cls,
        C: int,
        num_classes: int,
        genotype: Any,
        n_cells: int,
        ks: int = 3,
        is_imagenet_input: bool = True,
        stem_pool: bool = False,
        stem_type: int = 0,
        is_vit: bool | None = None,
        norm: str | None = "bn-track",
        preproc: bool = True,
        C_mult: int = 2,
        fc_layers: int = 0,
        fc_dim: int = 0,
        glob_avg: bool = True,
        auxiliary: bool = False,
        light: bool = False,
        *,
        unused: bool = False,
        device: torch.device | str | None = None,
        **more: Any,
    ) -> Network:
        """Build a network from the published arguments.

        Args:
            C, num_classes, genotype, n_cells: Fields of `NetConfig`; the others are so, too.
            is_imagenet_input: Whether images have a side of 224 pixels, else 32.
            light: Whether parameters are meta tensors.
            more: Further fields of `NetConfig`.
        """
        given = {k: v for k, v in locals().items() if k in _ARGUMENTS}
        given["genotype"] = Genotype.of(genotype)
        config = NetConfig(**{"image_size": 224 if is_imagenet_input else 32, **more}, **given)
        return cls(config, unused=unused, device="meta" if light else device)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor | None]:
        self._check(x)
        found, aux = self._cells(x, self._aux_cell if self.training else -1)
        logits = self.classifier(self.global_pooling(found).flatten(1))
        return (logits, aux) if self.config.auxiliary and self.training else logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the map of the last cell, which pooling and classifier read.

        Images may have any size, but for networks with positional encoding.

        Shapes:
            x (B, in_channels, H, W) → (B, channels, h, w).
        """
        return self._cells(x, aux_cell=-1)[0]

    def _cells(self, x: torch.Tensor, aux_cell: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The map of the last cell, and auxiliary logits after a cell, if it has a number."""
        s0: torch.Tensor | None
        s0, s1 = self._stem(x)
        aux = None
        for k, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, self.drop_path_prob, self.generator)
            if k == aux_cell and s1 is not None:
                aux = self.auxiliary_head(s1)
        assert s1 is not None  # the layout has checked it
        return s1, aux

    def _stem(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self.config.vit:
            s = self.pos_enc(self.stem0(x))
            return s, s
        if self.config.stem_type == 0:
            s = self.stem(x)
            return s, s
        s0 = self.stem0(x)
        if not self._uses_stem1:
            return s0, None
        # The original's second half starts with an in-place ReLU, so state 0 passes it as well.
        relu, conv, norm = self.stem1.children()
        s0 = relu(s0)
        return s0, norm(conv(s0))

    def _check(self, x: torch.Tensor) -> None:
        c, n = self.config.in_channels, self.config.image_size
        if x.dim() != 4 or x.shape[1] != c:
            raise ValueError(
                f"Network: expected images of shape (batch, {c}, {n}, {n}), got {tuple(x.shape)}; "
                "set NetConfig.in_channels and image_size to the images' shape"
            )
        fixed = self.config.vit or not self.config.glob_avg
        if fixed and tuple(x.shape[2:]) != (n, n):
            raise ValueError(
                f"Network: expected images of {n}x{n} pixels (positional encoding or flattening "
                f"fixes the size), got {x.shape[2]}x{x.shape[3]}; set NetConfig.image_size"
            )
