"""All cells of a benchmark's space, random ones, and neighbours of one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical_key
from graph2nn.cells.as_archgraph import (
    EDGES,
    MACRO_OPS,
    NB101_OPS,
    NB201_OPS,
    TNB101_OPS,
    TNB101_ORDER,
    macro_network,
    nb101_cell,
    nb201_cell,
    tnb101_cell,
)
from graph2nn.names import check_choice

__all__ = ["SPACES", "cell_code", "cell_of", "enumerate_space", "mutate_cell", "sample_cells"]

SPACES: tuple[str, ...] = ("nb201", "tnb101_micro", "nas_bench_macro", "nb101")
"""Names of the spaces: 15 625, 4 096, 6 561 networks, and 423 624 of NAS-Bench-101."""

_NB101_CLASSES = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62010, 7: 359082}
"""How many distinct cells of NAS-Bench-101 have so many nodes."""

_MAX_EDGES = 9


@dataclass(frozen=True)
class _CodeSpace:
    """A space in which a network is a word of fixed length."""

    ops: tuple[str, ...]
    length: int
    decode: Callable[[Sequence[int]], ArchGraph]
    order: tuple[int, ...]
    """For each digit of the word, the place of its node among the operations of the graph."""


_CODES = {
    "nb201": _CodeSpace(NB201_OPS, 6, nb201_cell, tuple(range(6))),
    "tnb101_micro": _CodeSpace(
        TNB101_OPS, 6, tnb101_cell, tuple(EDGES.index(edge) for edge in TNB101_ORDER)
    ),
    "nas_bench_macro": _CodeSpace(MACRO_OPS, 8, macro_network, tuple(range(8))),
}


def enumerate_space(space: str) -> Iterator[ArchGraph]:
    """Enumerate every network of a space, in the order of its codes.

    Codes are those of `graph2nn.cells.as_archgraph`.

    Raises:
        ValueError: An unknown space, or NAS-Bench-101, which can only be sampled.

    Examples:
        >>> sum(1 for _ in enumerate_space("tnb101_micro"))
        4096
    """
    found = _code_space(space, "enumerate")
    words = itertools.product(range(len(found.ops)), repeat=found.length)
    return (found.decode(word) for word in words)


def sample_cells(
    space: str, count: int, seed: int | np.random.Generator, *, distinct: bool = False
) -> list[ArchGraph]:
    """Draw random networks of a space, without any labels: for pre-training and search.

    Codes are drawn evenly. A cell of NAS-Bench-101 (arXiv:1902.09635: at most 7 nodes and 9 edges)
    gets its number of nodes as often as distinct cells have it, then an even draw of edges and
    operations, again until every node is on a path: like the benchmark's cells once pruned, close
    to even over distinct cells.

    Args:
        space: Name of the space.
        count: Number of networks.
        seed: Seed, or a generator, which advances.
        distinct: Whether isomorphic networks (by `canonical_key`) are drawn once only.

    Raises:
        ValueError: An unknown space, a negative count, or more distinct networks than there are.

    Examples:
        >>> sample_cells("nb101", 2, 0)[0].op_names()[0]
        'input'
    """
    check_choice("space", space, SPACES)
    if count < 0:
        raise ValueError(f"count: expected at least 0, got {count}")
    rng = np.random.default_rng(seed)
    found: list[ArchGraph] = []
    seen: set[str] = set()
    misses = 0
    while len(found) < count:
        graph = _random(space, rng)
        key = canonical_key(graph) if distinct else ""
        if distinct and key in seen:
            misses += 1
            if misses > 1000 + 100 * count:
                raise ValueError(
                    f"{space}: found only {len(found)} of {count} distinct networks; ask for fewer"
                )
            continue
        seen.add(key)
        found.append(graph)
    return found


def mutate_cell(space: str, graph: ArchGraph, rng: np.random.Generator) -> ArchGraph:
    """Replace one operation of a network, drawn evenly, by another one of the space.

    Raises:
        ValueError: NAS-Bench-101, an unknown space, or a graph that is not of the space.
    """
    found = _code_space(space, "mutate a cell of")
    code = list(cell_code(space, graph))
    place = int(rng.integers(found.length))
    code[place] = (code[place] + int(rng.integers(1, len(found.ops)))) % len(found.ops)
    return found.decode(code)


def cell_code(space: str, graph: ArchGraph) -> tuple[int, ...]:
    """Read the code of a network, as `nb201_cell`, `tnb101_cell` or `macro_network` take it.

    Raises:
        ValueError: NAS-Bench-101, an unknown space, or a graph that is not of the space as stored
            (a canonical form has lost its place in the code).
    """
    found = _code_space(space, "give the code of a cell of")
    names = graph.op_names()
    body = names[1:-1]
    if len(body) != found.length or not set(body) <= set(found.ops):
        raise ValueError(
            f"{graph.name or 'graph'}: not a network of {space} as stored: expected "
            f"{found.length} operations out of {', '.join(found.ops)}, got {', '.join(body)}"
        )
    return tuple(found.ops.index(body[place]) for place in found.order)


def cell_of(space: str, code: Sequence[int]) -> ArchGraph:
    """Make the network of a code; `cell_code` undoes it.

    Raises:
        ValueError: NAS-Bench-101, an unknown space, or no code of the space.
    """
    return _code_space(space, "make a cell from the code of").decode(code)


def _code_space(space: str, purpose: str) -> _CodeSpace:
    if space not in _CODES:
        raise ValueError(f"cannot {purpose} {space!r}; expected one of {', '.join(_CODES)}")
    return _CODES[space]


def _random(space: str, rng: np.random.Generator) -> ArchGraph:
    if space == "nb101":
        return _random_nb101(rng)
    found = _CODES[space]
    return found.decode(rng.integers(len(found.ops), size=found.length).tolist())


def _random_nb101(rng: np.random.Generator) -> ArchGraph:
    classes = np.array(list(_NB101_CLASSES.values()), dtype=np.float64)
    n = int(rng.choice(list(_NB101_CLASSES), p=classes / classes.sum()))
    sources, targets = np.triu_indices(n, 1)
    leaves, enters = np.eye(n, dtype=np.int64)[sources], np.eye(n, dtype=np.int64)[targets]
    while True:
        draws = rng.integers(2, size=(128, len(sources)))
        # Numbered in topological order, all nodes are on a path if each has a source and a target.
        alive = (draws @ enters)[:, 1:].all(1) & (draws @ leaves)[:, :-1].all(1)
        fitting = draws[alive & (draws.sum(1) <= _MAX_EDGES)]
        if len(fitting):
            matrix = np.zeros((n, n), dtype=np.int64)
            matrix[sources, targets] = fitting[0]
            inner = rng.integers(2, len(NB101_OPS), size=n - 2).tolist()
            return nb101_cell(matrix, [0, *inner, 1])
