"""From a `NetConfig` to the plan of a network: widths, strides, and which operations matter.

Both `Network` (modules) and `build_graph` (arrays) read this plan, so that they cannot disagree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from graph2nn.deepnets.graphs.config import Edges, NetConfig

__all__ = ["CellPlan", "CellSpec", "Layout", "cell_plan", "is_connected", "layout"]


class CellPlan(NamedTuple):
    """Which parts of a cell reach its output.

    Args:
        has_out: Whether the cell has an output at all.
        live: Whether, for each edge, its operation contributes to the output.
        uses: Whether state 0 and state 1 contribute.
    """

    has_out: bool
    live: tuple[bool, ...]
    uses: tuple[bool, bool]


@lru_cache(maxsize=8192)
def cell_plan(edges: Edges, concat: tuple[int, ...], has0: bool, has1: bool) -> CellPlan:
    """Plan a cell whose input states exist or not; `none` operations contribute nothing."""
    present = [has0, has1]
    for j in range(0, len(edges), 2):
        (op_a, a), (op_b, b) = edges[j], edges[j + 1]
        present.append((op_a != "none" and present[a]) or (op_b != "none" and present[b]))
    needed = [False] * len(present)
    for i in concat:
        needed[i] = present[i]
    live = [False] * len(edges)
    for j in range(len(edges) - 1, -1, -1):
        op, state = edges[j]
        if op != "none" and present[state] and needed[2 + j // 2]:
            live[j] = needed[state] = True
    return CellPlan(any(present[i] for i in concat), tuple(live), (needed[0], needed[1]))


class CellSpec(NamedTuple):
    """One cell of a network.

    Args:
        edges, concat: The half of the genotype it is built from.
        c_prev_prev, c_prev, c: Channels of its two inputs and of each of its states.
        stride: Stride of operations on the two inputs, 2 in a reduction cell without patch stem.
        shrink0: Whether input 0 is twice as large as input 1 and must be reduced.
        plan: Operations that contribute; None if the whole cell does not.
    """

    edges: Edges
    concat: tuple[int, ...]
    c_prev_prev: int
    c_prev: int
    c: int
    stride: int
    shrink0: bool
    plan: CellPlan | None


class Layout(NamedTuple):
    """The plan of a network.

    Args:
        cells: One entry a cell.
        uses_stem1: Whether the second half of the ImageNet-style stem contributes.
        c_stem: Channels of the stem's output.
        c_out, side: Channels and height of the last feature map.
        pos_side: Height of the first feature map of a vision transformer.
        aux_side: Height of the map behind the auxiliary cell, and `aux_c` its channels.
    """

    cells: tuple[CellSpec, ...]
    uses_stem1: bool
    c_stem: int
    c_out: int
    side: int
    pos_side: int
    aux_side: int
    aux_c: int


def _half(n: int) -> int:
    return (n + 1) // 2


def _stem_sides(config: NetConfig) -> tuple[int, int]:
    """Heights of the maps that the stem hands to the first cell as states 0 and 1."""
    n, large = config.image_size, config.imagenet_input
    if config.vit:
        n = (n - 16) // 16 + 1 if large else (n - 1) // 3 + 1
        return n, n
    if config.stem_type == 1:
        n = _half(_half(n)) if large else n
        return n, _half(n)
    n = _half(_half(n)) if large else n
    n = _half(n) if config.stem_pool else n
    return n, n


def _reductions(n_cells: int) -> tuple[int, int]:
    return n_cells // 3, 2 * n_cells // 3


def _cell_plans(config: NetConfig) -> tuple[list[CellPlan | None], bool]:
    """Plan of each cell, None where it does not contribute; and whether the stem's state 1 does.

    Raises:
        ValueError: If the output does not depend on the input.
    """
    n, g = config.n_cells, config.genotype
    where = _reductions(n)
    has = [True, True]
    plans: list[CellPlan] = []
    for k in range(n):
        reduce = k > 0 and k in where
        edges, concat = (g.reduce, g.reduce_concat) if reduce else (g.normal, g.normal_concat)
        plan = cell_plan(edges, concat, has[k], has[k + 1])
        plans.append(plan)
        has.append(plan.has_out)
    if not has[-1]:
        raise ValueError(
            "genotype: the network's output does not depend on its input (every path runs through "
            "'none'); sample another genotype, or check with is_connected(config)"
        )
    needed = [False] * (n + 2)
    needed[-1] = True
    for k in range(n - 1, -1, -1):
        if needed[k + 2]:
            needed[k] |= plans[k].uses[0]
            needed[k + 1] |= plans[k].uses[1]
    return [plan if use else None for plan, use in zip(plans, needed[2:])], needed[1]


def is_connected(config: NetConfig) -> bool:
    """Tell whether the output depends on the input; `none` operations can cut a network in two."""
    g = config.genotype
    if not g.uses("none"):
        return True
    where = _reductions(config.n_cells)
    older, newer = True, True
    for k in range(config.n_cells):
        if k > 0 and k in where:
            plan = cell_plan(g.reduce, g.reduce_concat, older, newer)
        else:
            plan = cell_plan(g.normal, g.normal_concat, older, newer)
        older, newer = newer, plan.has_out
    return newer


@lru_cache(maxsize=256)
def layout(config: NetConfig) -> Layout:
    """Plan the network that `config` describes.

    Raises:
        ValueError: The output does not depend on the input.
    """
    g, vit, mult = config.genotype, config.vit, config.C_mult
    plans, uses_stem1 = _cell_plans(config)
    sides = _stem_sides(config)
    c = config.C
    simple = not vit and config.stem_type == 0
    c_stem = 3 * c if simple and config.preproc and not config.imagenet_input else c
    c_pp = c_p = c_stem
    side, pos_side = sides[1], sides[0]
    aux_side, aux_c = side, c_p
    where = _reductions(config.n_cells)
    shrink0 = config.stem_type == 1 and not vit
    cells = []
    for k in range(config.n_cells):
        reduce = k > 0 and k in where
        edges, concat = (g.reduce, g.reduce_concat) if reduce else (g.normal, g.normal_concat)
        c = c * mult if reduce else c
        stride = 2 if reduce and not vit else 1
        cells.append(CellSpec(edges, concat, c_pp, c_p, c, stride, shrink0, plans[k]))
        side = _half(side) if stride == 2 else side
        shrink0 = stride == 2
        c_pp, c_p = c_p, len(concat) * c
        if k == where[1]:
            aux_side, aux_c = side, c_p
    return Layout(tuple(cells), uses_stem1, c_stem, c_p, side, pos_side, aux_side, aux_c)
