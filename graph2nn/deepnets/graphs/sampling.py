"""Random networks by the rules of a DeepNets-1M split (arXiv:2110.13100, appendix A).

Candidates are drawn and rejected in blocks of columns, two orders of magnitude faster than
building each. The official generator ranks random architecture weights; as those are independent
and identically distributed, the winning operation is uniform over the allowed ones and the kept
inputs are a uniform ordered pair, which is what is drawn here. The random numbers differ from the
official ones, their distribution does not.
"""

from __future__ import annotations

import numpy as np

from graph2nn.deepnets.graphs.config import OPS, Genotype, NetConfig
from graph2nn.deepnets.graphs.config_table import NetTable
from graph2nn.deepnets.graphs.counts import table_connected, table_params
from graph2nn.deepnets.graphs.parts import num_nodes
from graph2nn.deepnets.graphs.splits import SplitRules, WidthRule
from graph2nn.deprecated import renamed_keywords

__all__ = [
    "acceptable",
    "draw_table_widths",
    "draw_widths",
    "sample_config",
    "sample_genotype",
    "sample_table",
]

_CONVS = np.array(["conv" in op for op in OPS])
_DENSE = np.array([op in ("conv_5x5", "conv_7x7") for op in OPS])
_MSA, _CSE = OPS.index("msa"), OPS.index("cse")
_POOLING = 4  # operations below this index have no trainable parameters at stride 1
_REFERENCE_C, _REFERENCE_FC = 32, 256


@renamed_keywords(imsize="image_size")
def sample_table(
    rules: SplitRules,
    size: int,
    rng: np.random.Generator,
    *,
    image_size: int = 32,
    num_classes: int = 10,
    in_channels: int = 3,
) -> NetTable:
    """Sample exactly `size` networks that satisfy `rules`, with their widths drawn.

    `image_size`, `num_classes` and `in_channels` matter only for the width rule (which looks at the
    number of parameters on small or large images) and for `max_size`.

    Raises:
        ValueError: Hardly any candidate satisfies the rules.
    """
    found: list[NetTable] = []
    count = tried = 0
    while count < size:
        table = _candidates(rules, max(32, min(2048, 2 * (size - count))), rng)
        tried += len(table)
        table = _accepted(table, rules)
        draw_table_widths(table, rules.widths, rng, large=image_size >= 128)
        table = _within_limits(table, rules, image_size, num_classes, in_channels)
        if tried > 20000 and count + len(table) < tried / 2000:
            raise ValueError(
                f"only {count + len(table)} of {tried} candidate networks satisfy the rules; "
                f"allow more cells, max_params, max_size or max_nodes than in {rules}"
            )
        found.append(table)
        count += len(table)
    return NetTable.join(found).take(slice(size))


def sample_config(rules: SplitRules, rng: np.random.Generator, **images: int) -> NetConfig:
    """Sample one network; `images` are `sample_table`'s image_size, num_classes, in_channels."""
    return sample_table(rules, 1, rng, **images).config(0, **images)


def sample_genotype(
    rng: np.random.Generator,
    *,
    steps: int = 1,
    only_pool: bool = False,
    allow_none: bool = True,
    drop_concat: bool = True,
    allow_transformer: bool = False,
) -> Genotype:
    """Sample a random genotype, with the arguments of the official function.

    Args:
        rng: Source of randomness.
        steps: Number of steps of each cell.
        only_pool: Whether the reduction cell has no operation with parameters.
        allow_none: Whether `none` may be drawn.
        drop_concat: Whether each state but the last is left out of the output with probability 1/2.
        allow_transformer: Whether `msa` may be drawn.
    """
    one = np.ones(1, bool)
    allowed = np.ones((1, 2, len(OPS)), bool)
    allowed[:, 1, _POOLING:] &= not only_pool
    allowed[:, :, 0] &= allow_none
    allowed[:, :, _MSA] &= allow_transformer
    columns = _cells(np.array([steps]), allowed, one & drop_concat, steps, rng)
    table = NetTable.empty(1, 2 * steps)
    for name, column in columns.items():
        setattr(table, name, column)
    return table.genotype(0)


def _cells(
    steps: np.ndarray,
    allowed: np.ndarray,
    drop: np.ndarray,
    max_steps: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Columns steps, op, source, concat. Shapes: steps and drop (B,), allowed (B, 2, 15)."""
    size = len(steps)
    step = np.repeat(np.arange(max_steps), 2)  # of every edge
    used = (step < steps[:, None])[:, None]  # (B, 1, E)
    choices = np.argsort(~allowed, axis=2, kind="stable").astype(np.uint8)  # allowed ones first
    counts = allowed.sum(2)[..., None]
    pick = (rng.random((size, 2, 2 * max_steps)) * counts).astype(np.int64)
    op = np.take_along_axis(choices, pick, 2)
    inputs = 2 + step - np.arange(len(step)) % 2  # the second input differs from the first
    source = (rng.random((size, 2, len(step))) * inputs).astype(np.uint8)
    source[:, :, 1::2] += source[:, :, 1::2] >= source[:, :, ::2]
    keep = (rng.random((size, max_steps)) > 0.5) | ~drop[:, None]
    index = np.arange(max_steps)
    keep = (keep | (index == steps[:, None] - 1)) & (index < steps[:, None])
    concat = (keep << (index + 2)).sum(1).astype(np.uint16)
    return {
        "steps": np.stack([steps, steps], 1).astype(np.uint8),
        "op": op * used,
        "source": source * used,
        "concat": np.stack([concat, concat], 1),
    }


def _candidates(rules: SplitRules, size: int, rng: np.random.Generator) -> NetTable:
    """Networks before any rejection, at the reference widths."""

    def chance(p: float) -> np.ndarray:
        return rng.random(size) < p

    low, medium, high = rules.steps
    cells = rng.integers(rules.cells[0], rules.cells[1] + 1, size)
    deep = cells > rng.choice(rules.deep, size)
    steps = rng.integers(low, np.where(deep, medium, high) + 1)
    allowed = np.ones((size, 2, len(OPS)), bool)
    allowed[:, :, 0] = (steps > 1)[:, None]
    allowed[:, :, [OPS.index(op) for op in rules.exclude]] = False
    allowed[:, 1, _POOLING:] &= chance(0.5)[:, None]
    cell = _cells(steps, allowed, chance(0.5) & (steps > 1), high, rng)
    vit, c_mult = (cell["op"] == _MSA).any((1, 2)), rng.integers(1, 3, size)
    kept = rng.random(size) < np.where(vit, rules.vit_preproc_rate, rules.preproc_rate)
    bare = (cells <= rules.cells[0] + 1) & (steps <= medium) & chance(rules.normfree_rate)
    norm = {"mixed": bare, "bnorm": np.zeros(size, bool), "none": np.ones(size, bool)}[rules.norm]
    stem_type = rng.integers(0, 2, size)
    columns = {
        "n_cells": cells,
        "fc_layers": rng.integers(1, 3, size),
        "ks": rng.choice(rules.kernels, size),
        "C_mult": c_mult,
        "stem_type": stem_type,
        "stem_pool": (stem_type == 0) & chance(0.5),
        "preproc": (steps > 1) | (c_mult > 1) | kept,
        "glob_avg": vit | deep | chance(0.9),
        "norm": norm,
        "vit": np.zeros(size),
    }
    return NetTable(
        **cell,
        **{name: column.astype(np.uint8) for name, column in columns.items()},
        C=np.full(size, _REFERENCE_C, np.uint16),
        fc_dim=np.full(size, _REFERENCE_FC, np.uint16),
        num_params=np.zeros((size, 2), np.int64),
        num_nodes=np.zeros(size, np.uint16),
    )


def acceptable(table: NetTable) -> np.ndarray:
    """Find the genotypes that the published generator keeps before it builds a network, (B,) bool.

    Rejected are squeeze-excite without any convolution, more than one squeeze-excite or more than
    one dense 5x5 or 7x7 convolution in a cell, and networks of pools and skips only.
    Shapes: (B,) bool.
    """
    conv = _CONVS[table.op].any((1, 2))
    cse = (table.op == _CSE).sum(2)
    dense = _DENSE[table.op].sum(2)
    crowded = (cse > 1).any(1) | (dense > 1).any(1)
    return (conv | ((table.op == _MSA).any((1, 2)) & ~cse.any(1))) & ~crowded


def _accepted(table: NetTable, rules: SplitRules) -> NetTable:
    """The candidates that pass every published rule, with `num_params` filled in."""
    table = table.take(acceptable(table))
    table = table.take(table_connected(table))
    counts = [table_params(table, image_size=size) for size in (32, 224)]
    table.num_params = np.stack(counts, 1)
    return table.take(np.all(table.num_params <= rules.max_params, axis=1))


def draw_widths(
    config: NetConfig, num_params: int, rng: np.random.Generator, rule: WidthRule | None = None
) -> NetConfig:
    """Draw C and `fc_dim` of a network anew, as at each access in training.

    Args:
        config: Any network of the data set.
        num_params: Number of its parameters at width 32 and classifier width 256, for the data set
            at hand.
        rng: Source of randomness.
        rule: Rule to draw by; None means the published one.
    """
    table = NetTable.of([config])
    table.num_params[:] = num_params
    draw_table_widths(table, rule or WidthRule(), rng)
    return config.with_(C=int(table.C[0]), fc_dim=int(table.fc_dim[0]))


def draw_table_widths(
    table: NetTable, rule: WidthRule, rng: np.random.Generator, *, large: bool = False
) -> None:
    """Draw C and the classifier width of every network, in place (training-time sampling).

    Reads `num_params` (for 224x224 images if `large`), the number of cells, the operations and
    `glob_avg`.
    """
    size = len(table)
    channels, fc_dims = np.array(rule.channels), np.array(rule.fc_dims)
    millions = table.num_params[:, int(large)] / 1e6
    allowed = np.full(size, len(channels))
    limited = np.zeros(size, bool)
    for threshold, cells, widths in reversed(rule.limits):
        over = (millions > threshold) | (table.n_cells > cells)
        allowed[over] = min(widths, len(channels))
        limited |= over
    if rule.limits:
        dense = ~table.glob_avg.astype(bool) | _DENSE[table.op].any((1, 2))
        allowed[dense] = 1
        limited |= dense
    width = channels[(rng.random(size) * allowed).astype(np.int64)]
    first = min(rule.fc_first, len(fc_dims))
    fc_narrow = fc_dims[(rng.random(size) * first).astype(np.int64)]
    fc_any = fc_dims[(rng.random(size) * len(fc_dims)).astype(np.int64)]
    table.C = (width * rule.factor).astype(np.uint16)
    wide_fc = ~limited & (width <= rule.fc_wide_until)
    table.fc_dim = np.where(wide_fc, fc_any, fc_narrow).astype(np.uint16)


def _within_limits(
    table: NetTable, rules: SplitRules, image_size: int, num_classes: int, in_channels: int
) -> NetTable:
    """The networks within `max_size` and `max_nodes`."""
    images = {"image_size": image_size, "num_classes": num_classes, "in_channels": in_channels}
    if rules.max_size is not None:
        table = table.take(table_params(table, **images) <= rules.max_size)
    if rules.max_nodes is not None:
        nodes = [num_nodes(table.config(row, **images)) for row in range(len(table))]
        table.num_nodes = np.array(nodes, np.uint16)
        table = table.take(table.num_nodes <= rules.max_nodes)
    return table
