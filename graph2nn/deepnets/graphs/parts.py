"""Which templates make up a network, of which sizes? How many nodes and parameters have they?"""

from __future__ import annotations

from functools import lru_cache

from graph2nn.deepnets.graphs.config import Edges, NetConfig
from graph2nn.deepnets.graphs.layout import CellSpec, Layout, layout
from graph2nn.deepnets.graphs.templates import (
    Template,
    cell_template,
    head_template,
    op_template,
    stem_template,
)

__all__ = [
    "Values",
    "cell_of",
    "cell_values",
    "count_params",
    "head_of",
    "head_values",
    "num_nodes",
    "stem_of",
    "stem_values",
]

Values = tuple[int, ...]
"""Sizes by number: what the axes of a template stand for."""


def num_nodes(config: NetConfig) -> int:
    """Count the nodes of `build_graph(config)`, at a fraction of its time."""
    plan = layout(config)
    total = len(stem_of(config, plan).op)
    for k, spec in enumerate(plan.cells):
        if spec.plan is not None:
            total += len(cell_of(config, spec, k).op)
    return total + len(head_of(config).op)


def count_params(config: NetConfig) -> int:
    """Count the parameters as published: with operations that cannot reach the output.

    The auxiliary head is not counted. `build_graph(config).num_params()` counts only what
    contributes.

    Raises:
        ValueError: The output does not depend on the input.
    """
    plan, norm = layout(config), config.has_norm
    stem = stem_template(_stem_kind(config), config.stem_pool, norm, True)
    total = stem.count(stem_values(config, plan))
    for spec in plan.cells:
        strided = spec.stride == 2
        total += _ops_params(spec.edges, spec.c, strided, norm)
        if config.preproc:
            total += (spec.c_prev_prev + spec.c_prev + (4 if norm else 0)) * spec.c
    head = head_of(config)
    return total + head.count(head_values(config, plan))


@lru_cache(maxsize=4096)
def _ops_params(edges: Edges, c: int, strided: bool, norm: bool) -> int:
    return sum(_op_params(op, c, strided and state < 2, norm) for op, state in edges)


@lru_cache(maxsize=4096)
def _op_params(op: str, c: int, strided: bool, norm: bool) -> int:
    return op_template(op, strided, norm).count(_width_values(c, 0, 0))


def _width_values(c: int, c_prev_prev: int, c_prev: int) -> Values:
    inner = 8 * (c // 8)
    return (0, 1, 3, 5, 7, c, c // 2, c_prev_prev, c_prev, 3 * inner, inner)


def cell_values(spec: CellSpec) -> Values:
    """Return the sizes that the axes of a cell's template stand for."""
    return _width_values(spec.c, spec.c_prev_prev, spec.c_prev)


def stem_values(config: NetConfig, plan: Layout) -> Values:
    """Return the sizes that the axes of the stem's template stand for."""
    patch = 16 if config.imagenet_input else 3
    c, side = config.C, plan.pos_side
    return (0, 1, 3, 5, 7, c, c // 2, plan.c_stem, config.in_channels, config.ks, patch, side)


def head_values(config: NetConfig, plan: Layout) -> Values:
    """Return the sizes that the axes of the head's template stand for."""
    width = plan.c_out if config.glob_avg else plan.c_out * plan.side**2
    return (0, 1, 3, 5, 7, width, config.fc_dim, config.num_classes)


def _stem_kind(config: NetConfig) -> str:
    return "patch" if config.vit else ("simple", "imagenet")[config.stem_type]


def stem_of(config: NetConfig, plan: Layout) -> Template:
    """Return the template of a network's stem."""
    return stem_template(_stem_kind(config), config.stem_pool, config.has_norm, plan.uses_stem1)


def cell_of(config: NetConfig, spec: CellSpec, k: int) -> Template:
    """Return the template of cell k, which something reads."""
    assert spec.plan is not None
    same = k == 0 and (config.vit or config.stem_type == 0)
    shape = spec.stride == 2, spec.shrink0, config.has_norm, config.preproc
    return cell_template(spec.edges, spec.concat, spec.plan, *shape, same)


def head_of(config: NetConfig) -> Template:
    """Return the template of a network's head."""
    return head_template(config.glob_avg, max(config.fc_layers, 1) - 1)
