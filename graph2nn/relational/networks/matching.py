"""Widths at which a relational network costs as much as the dense one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graph2nn.deprecated import renamed_keywords
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks.architecture import (
    SMALL_IMAGE,
    Architecture,
    architecture,
    layers,
)
from graph2nn.relational.networks.counting import Counts, EntryTable, count_layers

__all__ = ["WidthMatch", "clear_matches", "match_width", "search_dims"]

Dims = tuple[int, ...]
Flops = Callable[[Dims], int]


@dataclass(frozen=True, kw_only=True)
class WidthMatch:
    """Widths found by `match_width`, and what a network of these widths costs.

    Args:
        dims: Width of each stage.
        flops: Multiply-adds of one image.
        params: Trainable parameters. They are not matched.
        reference: Multiply-adds aimed at.
    """

    dims: Dims
    flops: int
    params: int
    reference: int


@renamed_keywords(imsize="image_size")
def match_width(
    name: str,
    graph: RelationalGraph | np.ndarray | Any,
    *,
    num_classes: int,
    image_size: int,
    in_channels: int = 3,
    reference: int | None = None,
    base_dims: Sequence[int] | None = None,
    dim_first: int | None = None,
    depths: Sequence[int] | None = None,
    upper: bool = True,
) -> WidthMatch:
    """Find the widths at which a relational network has the multiply-adds of the dense one.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1; the search is that of its
    code, so the widths equal the published ones. Counting instead of building makes it a matter of
    milliseconds; results are cached by the graph's adjacency.

    Args:
        name: Name of the family.
        graph: The relational graph.
        num_classes, image_size, in_channels: Classes, side and channels of the images.
        reference: Multiply-adds to match; None means those of the dense network of `base_dims`.
        base_dims: Widths of the dense network, where the search starts; None means the family's.
        dim_first: Width of the stem, the same in both; None means the family's.
        depths: Blocks of each stage; None means the family's.
        upper: Whether to end on at least the reference rather than on at most.

    Raises:
        ValueError: Unknown family, sizes that do not fit, or a reference that no width matches.

    Examples:
        >>> match_width("mlp", complete(64), num_classes=10, image_size=32).dims
        (512,)
    """
    graph = as_graph(graph)
    dense = architecture(
        name,
        dims=base_dims,
        dim_first=dim_first,
        depths=depths,
        num_classes=num_classes,
        image_size=image_size,
        in_channels=in_channels,
    )
    goal = count_layers(layers(dense), None).flops if reference is None else reference
    if goal < 1:
        raise ValueError(f"{name}: expected a positive number of multiply-adds, got {reference}")
    key = (graph.adjacency.tobytes(), dense, goal, upper)
    if key not in _CACHE:
        found, shrunk = _match(replace(dense, relational=True), graph, goal, upper)
        if shrunk:
            return found  # depends on the family of the graph too
        _CACHE[key] = found
    return _CACHE[key]


_CACHE: dict[tuple, WidthMatch] = {}


def clear_matches() -> None:
    """Forget all cached results of `match_width`."""
    _CACHE.clear()


def search_dims(
    flops: Flops, start: Sequence[int], reference: int, *, rounds: int, upper: bool
) -> Dims:
    """Search widths as published.

    The search: each step rescales all widths by the ratios of the current integers.

    Args:
        flops: Multiply-adds at given widths, nondecreasing in each.
        start: Widths to begin with, kept where they match exactly.
        reference: Multiply-adds to reach.
        rounds: Number of times that all widths are scaled by sqrt(reference / flops), rounded to
            two decimals, before single steps.
        upper: Whether to end on at least the reference rather than on at most.

    Raises:
        ValueError: The search leaves the positive widths.
    """
    dims = tuple(start)
    if flops(dims) == reference:
        return dims
    for _ in range(rounds):
        scale = round(math.sqrt(reference / flops(dims)), 2)
        before, dims = dims, _rescaled(dims, int(round(dims[0] * scale)))
        if dims == before:
            break  # nothing changes any more
    dims = _step_all(flops, dims, reference, upper)
    return _step_each(flops, dims, reference)


def _rescaled(dims: Dims, first: int) -> Dims:
    found = tuple(int(round(first * (dim / dims[0]))) for dim in dims)
    if min(found) < 1:
        raise ValueError(f"the search went from widths {list(dims)} to {list(found)}")
    return found


def _step_all(flops: Flops, dims: Dims, reference: int, upper: bool) -> Dims:
    """Single steps of the first width, the others in proportion, until they pass the reference."""
    below = flops(dims) < reference
    step = 1 if below else -1
    while True:
        dims = _rescaled(dims, dims[0] + step)
        now = flops(dims)
        if now == reference:
            return dims
        if (now < reference) != below:
            wrong_side = (now < reference) == upper
            return _rescaled(dims, dims[0] - step) if wrong_side else dims


def _step_each(flops: Flops, dims: Dims, reference: int) -> Dims:
    """Single steps of the later widths, up to their ratio to the first, short of passing the
    reference."""
    below = flops(dims) < reference
    step = 1 if below else -1
    allowed = [int(round(dim / dims[0])) for dim in dims]
    for stage in range(1, len(dims)):
        for _ in range(allowed[stage]):
            tried = (*dims[:stage], dims[stage] + step, *dims[stage + 1 :])
            if (flops(tried) < reference) != below:
                break
            dims = tried
    return dims


def _match(
    sizes: Architecture, graph: RelationalGraph, reference: int, upper: bool
) -> tuple[WidthMatch, bool]:
    """The match, and whether some width on the way was too small for all nodes."""
    # On the way there a family that keeps its nodes may need fewer of them, as in the original.
    may_shrink = sizes.family.shrinks or graph.regrow is not None
    entries = EntryTable(graph, shrinks=may_shrink)
    known: dict[Dims, Counts] = {}

    def flops(dims: Dims) -> int:
        if dims not in known:
            known[dims] = count_layers(layers(replace(sizes, dims=dims)), entries)
        return known[dims].flops

    rounds = 15 if sizes.image_size <= SMALL_IMAGE else 9
    try:
        dims = search_dims(flops, sizes.dims, reference, rounds=rounds, upper=upper)
        if not sizes.family.shrinks and entries.smaller:
            count_layers(layers(replace(sizes, dims=dims)), EntryTable(graph))
    except ValueError as error:
        raise ValueError(
            f"{sizes.name}: no widths give {reference} multiply-adds on {graph} with a stem of "
            f"{sizes.dim_first} channels: {error}; choose another reference, wider base_dims or a "
            "graph of fewer nodes"
        ) from error
    costs = known[dims]
    found = WidthMatch(dims=dims, flops=costs.flops, params=costs.params, reference=reference)
    return found, bool(entries.smaller)
