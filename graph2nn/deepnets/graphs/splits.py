"""The rules of every DeepNets-1M split, as values that can be changed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from graph2nn.deprecated import renamed_keywords
from graph2nn.names import choose

__all__ = ["EVAL_SPLITS", "SPLITS", "SplitRules", "WidthRule", "split_rules"]


@dataclass(frozen=True, kw_only=True)
class WidthRule:
    """How the width C and the classifier width of a sampled network are drawn (arXiv:2110.13100).

    The larger the network is at width 32, the fewer widths it may take, so that training fits
    into memory. `limits` is read in order: a network with more than `millions` parameters or more
    than `cells` cells draws from the first `widths` entries of `channels`. Networks with dense
    5x5 or 7x7 convolutions or without global pooling always get the first width.

    Args:
        channels: Widths, smallest first.
        fc_dims: Widths of the hidden classifier layer.
        fc_first: Number of `fc_dims` that are drawn from; networks without any limit of at most
            `fc_wide_until` channels draw from all.
        limits: Triples (millions, cells, widths).
        factor: Number that the drawn C is multiplied by (the split `wide`).
    """

    channels: tuple[int, ...] = tuple(range(32, 129, 16))
    fc_dims: tuple[int, ...] = tuple(range(64, 513, 64))
    fc_first: int = 4
    fc_wide_until: int = 64
    limits: tuple[tuple[float, int, int], ...] = ((0.8, 12, 1), (0.4, 10, 2), (0.2, 8, 3))
    factor: int = 1

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 2 or any(c % 2 for c in self.channels):
            raise ValueError(f"channels: expected even widths >= 2, got {self.channels}")
        if not self.fc_dims or min(self.fc_dims) < 1:
            raise ValueError(f"fc_dims: expected positive widths, got {self.fc_dims}")
        if self.factor < 1:
            raise ValueError(f"factor: expected a positive integer, got {self.factor}")


@dataclass(frozen=True, kw_only=True)
class SplitRules:
    """What networks a split consists of (specification of DeepNets-1M, section 2.4).

    Args:
        steps: Smallest, medium and largest number of steps in a cell; a network of more cells
            than its "deep" threshold has at most the medium number.
        cells: Smallest and largest number of cells.
        deep: Thresholds of the number of cells, one drawn for each network.
        max_params: Limit on the parameters at width 32, classifier width 256 and 10 classes, for
            32x32 as well as for 224x224 images.
        norm: "mixed" (shallow networks may have none), "bnorm" or "none".
        normfree_rate: Probability that a shallow network of "mixed" has no normalisation.
        preproc_rate: Probability of 1x1 preprocessing in convolutional one-step cells.
        vit_preproc_rate: The same for networks with self-attention.
        kernels: Kernel sizes of the first convolution.
        widths: Rule for C and the classifier width.
        exclude: Operations that are never drawn (none in the published splits).
        max_nodes: Limit on the nodes of a network's graph, or None.
        max_size: Limit on the parameters of the network at its own width, input size and number
            of classes, or None.
    """

    steps: tuple[int, int, int] = (1, 2, 4)
    cells: tuple[int, int] = (4, 18)
    deep: tuple[int, ...] = (7, 8, 9, 10)
    max_params: int = 10**7
    norm: str = "mixed"
    normfree_rate: float = 0.5
    preproc_rate: float = 1.0
    vit_preproc_rate: float = 0.2
    kernels: tuple[int, ...] = (3, 5, 7)
    widths: WidthRule = field(default_factory=WidthRule)
    exclude: tuple[str, ...] = ()
    max_nodes: int | None = None
    max_size: int | None = None

    def __post_init__(self) -> None:
        low, medium, high = self.steps
        if not 1 <= low <= medium <= high <= 12:
            raise ValueError(f"steps: expected 1 <= min <= medium <= max <= 12, got {self.steps}")
        if not 1 <= self.cells[0] <= self.cells[1] <= 255:
            raise ValueError(f"cells: expected 1 <= min <= max <= 255, got {self.cells}")
        if self.norm not in ("mixed", "bnorm", "none"):
            raise ValueError(f"norm: expected 'mixed', 'bnorm' or 'none', got {self.norm!r}")
        if not self.deep or not self.kernels:
            raise ValueError("deep and kernels: expected at least one value each")


SPLITS: dict[str, SplitRules] = {
    "train": SplitRules(),
    "val": SplitRules(),
    "test": SplitRules(),
    "wide": SplitRules(widths=WidthRule(factor=4)),
    "deep": SplitRules(cells=(10, 36), deep=(18,), max_params=10**8),
    "dense": SplitRules(steps=(2, 6, 10), max_params=10**8),
    "bnfree": SplitRules(norm="none"),
    "search": SplitRules(
        steps=(1, 3, 6), cells=(6, 20), deep=(10,), norm="bnorm", preproc_rate=0.8
    ),
}
"""The published generator's rules by split; `predefined` is a fixed list (`predefined_nets`)."""

EVAL_SPLITS: tuple[str, ...] = ("val", "test", "wide", "deep", "dense", "bnfree")

SMALL_WIDTHS = WidthRule(channels=(16, 24, 32, 48), fc_dims=(32, 64), fc_first=2, fc_wide_until=0)
# most small networks are shallow: this rate keeps the published share without normalisation, 4 %
SMALL_ALL: dict[str, Any] = {"widths": SMALL_WIDTHS, "normfree_rate": 0.15}
SMALL: dict[str, dict[str, Any]] = {
    "train": {"cells": (4, 8), "max_nodes": 250, "max_size": 10**6},
    "search": {"cells": (4, 8), "max_nodes": 400, "max_size": 10**6},
    "wide": {"cells": (4, 8), "widths": replace(SMALL_WIDTHS, factor=2), "max_nodes": 250},
    "deep": {"cells": (8, 16), "max_nodes": 500, "max_size": 4 * 10**6},
    "dense": {"cells": (4, 8), "max_nodes": 600, "max_size": 4 * 10**6},
}
"""Changes to the rules for small networks (see `split_rules`)."""


@renamed_keywords(imsize="image_size")
def split_rules(
    split: str, *, image_size: int = 32, small: bool | None = None, **overrides: Any
) -> SplitRules:
    """Return the rules of a split, for images of a size, with any field overridden.

    At 32 pixels these are the published rules; from 128 on the split `wide` doubles instead of
    quadrupling its width. `small` networks are narrower and shallower, so that training takes
    minutes on two cores; None means below 32 pixels.

    Raises:
        ValueError: Unknown split or field.
    """
    choose("split", split, SPLITS)
    rules = SPLITS[split]
    if image_size >= 128 and split == "wide":
        rules = replace(rules, widths=WidthRule(factor=2))
    if image_size < 32 if small is None else small:
        rules = replace(rules, **{**SMALL_ALL, **SMALL.get(split, SMALL["train"])})
    known = [f.name for f in fields(SplitRules)]
    for name in overrides:
        choose("rule", name, known)
    return replace(rules, **overrides)
