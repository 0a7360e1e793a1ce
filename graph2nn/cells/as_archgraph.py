"""From the encodings of the published tables to `ArchGraph`s."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.cells.graphs.ops import CELL_OPS

__all__ = [
    "EDGES",
    "MACRO_OPS",
    "NB101_OPS",
    "NB201_OPS",
    "TNB101_OPS",
    "TNB101_ORDER",
    "cell_graph",
    "macro_network",
    "nb101_cell",
    "nb201_cell",
    "nb201_code",
    "nb201_from_string",
    "nb201_string",
    "tnb101_cell",
]

EDGES: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""Edges of a 4-node cell in the order in which its operations are nodes of the graph."""

NB201_OPS = ("skip", "none", "conv_3x3", "conv_1x1", "avg_pool_3x3")
"""Operations of NAS-Bench-201 (arXiv:2001.00326) by their code in the published tables."""

TNB101_OPS = ("none", "skip", "conv_1x1", "conv_3x3")
"""Operations of the micro space of TransNAS-Bench-101 (arXiv:2105.11871) by digit."""

NB101_OPS = ("input", "output", "max_pool_3x3", "conv_1x1", "conv_3x3")
"""Operations of NAS-Bench-101 (arXiv:1902.09635) by their code in the published tables."""

MACRO_OPS = ("skip", "mbconv_k3_e3", "mbconv_k5_e6")
"""Operations of NAS-Bench-Macro (arXiv:2103.11922) by digit."""

_MACRO_STAGES = (1, 1, 2, 2, 2, 3, 3, 3)
_NB201_NAMES = {
    "skip": "skip_connect",
    "none": "none",
    "conv_3x3": "nor_conv_3x3",
    "conv_1x1": "nor_conv_1x1",
    "avg_pool_3x3": "avg_pool_3x3",
}

TNB101_ORDER: tuple[tuple[int, int], ...] = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Edges in the order of TransNAS-Bench-101's digits."""


def cell_graph(
    ops: Sequence[str],
    edges: Iterable[tuple[int, int]],
    *,
    vocabulary: tuple[str, ...] = CELL_OPS,
    stage: Sequence[int] | None = None,
    name: str = "",
) -> ArchGraph:
    """Make an `ArchGraph` of a labelled DAG, without shapes and parameters.

    Args:
        ops: Operation of each node, in topological order.
        edges: Pairs (source, target) with source < target; duplicates count once.
        vocabulary: All operations that nodes may have; becomes `ops` of the graph.
        stage: Stage of the network that each node sits in, for spaces in which it matters; stored
            as `cell`.

    Raises:
        ValueError: An operation outside the vocabulary, or an edge against the order.

    Examples:
        >>> cell_graph(["input", "conv_3x3", "output"], [(0, 1), (1, 2)]).num_edges
        2
    """
    unknown = sorted(set(ops) - set(vocabulary))
    if unknown:
        raise ValueError(
            f"{name or 'cell'}: unknown operation {unknown[0]!r}; known are {', '.join(vocabulary)}"
        )
    pairs = sorted({(int(u), int(v)) for u, v in edges})
    for u, v in pairs:
        if not 0 <= u < v < len(ops):
            raise ValueError(
                f"{name or 'cell'}: edge ({u}, {v}) does not run forward between {len(ops)} nodes; "
                "number the nodes in topological order"
            )
    n = len(ops)
    return ArchGraph(
        op=np.array([vocabulary.index(op) for op in ops], dtype=np.int64),
        shape=np.zeros((n, 4), dtype=np.int64),
        edges=np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy(),
        params=((),) * n,
        param_shapes={},
        cell=np.array(stage if stage is not None else [0] * n, dtype=np.int64),
        ops=vocabulary,
        name=name,
    )


def _edge_cell(ops: Sequence[str], name: str) -> ArchGraph:
    """Operations on the edges of a 4-node cell become nodes: input, one an edge, output."""
    pairs = []
    for k, (u, v) in enumerate(EDGES, start=1):
        if u == 0:
            pairs.append((0, k))
        if v == 3:
            pairs.append((k, 7))
        pairs += [(k, j) for j, (source, _) in enumerate(EDGES, start=1) if source == v]
    return cell_graph(["input", *ops, "output"], pairs, name=name)


def nb201_cell(code: Sequence[int]) -> ArchGraph:
    """Make a cell of NAS-Bench-201 from its six codes, edges ordered by source.

    It has eight nodes: input, the operations of edges (0→1), (0→2), (0→3), (1→2), (1→3), (2→3),
    output; an edge of the graph joins operations that share a node of the cell.

    Raises:
        ValueError: Not six codes from 0 to 4.
    """
    ops = _decoded(code, NB201_OPS, 6, "NAS-Bench-201")
    return _edge_cell(ops, nb201_string(ops))


def nb201_string(ops: Sequence[str]) -> str:
    """Write the string of a NAS-Bench-201 cell from operations in the order of `EDGES`."""
    table = dict(zip(EDGES, ops))
    return "+".join(
        "|" + "".join(f"{_NB201_NAMES[table[u, v]]}~{u}|" for u in range(v)) for v in (1, 2, 3)
    )


def nb201_from_string(text: str) -> ArchGraph:
    """Make a cell of NAS-Bench-201 from its string, as `nb201_string` writes it.

    Raises:
        ValueError: Another string.
    """
    return nb201_cell(nb201_code(text))


def nb201_code(text: str) -> tuple[int, ...]:
    """Read the code of a cell of NAS-Bench-201, as `nb201_cell` takes it, from its string.

    Raises:
        ValueError: Another string.

    Examples:
        >>> nb201_code(nb201_string([NB201_OPS[k] for k in (4, 0, 3, 1, 2, 0)]))
        (4, 0, 3, 1, 2, 0)
    """
    code = {name: k for k, name in enumerate(map(_NB201_NAMES.__getitem__, NB201_OPS))}
    found = {
        (int(u), v): code.get(name, -1)
        for v, node in enumerate(text.split("+"), start=1)
        for name, u in re.findall(r"(\w+)~(\d)\|", node)
    }
    if sorted(found) != sorted(EDGES) or -1 in found.values():
        example = nb201_string(["conv_3x3"] * 6)
        raise ValueError(f"NAS-Bench-201: expected a string such as {example!r}, got {text!r}")
    return tuple(found[edge] for edge in EDGES)


def tnb101_cell(code: Sequence[int]) -> ArchGraph:
    """Make a cell of TransNAS-Bench-101's micro space from six digits, edges ordered by target.

    The nodes are those of `nb201_cell`, in the same order.

    Raises:
        ValueError: Not six digits from 0 to 3.
    """
    ops = _decoded(code, TNB101_OPS, 6, "TransNAS-Bench-101 micro")
    table = dict(zip(TNB101_ORDER, ops))
    d = [str(int(c)) for c in code]
    name = f"64-41414-{d[0]}_{d[1]}{d[2]}_{d[3]}{d[4]}{d[5]}"
    return _edge_cell([table[edge] for edge in EDGES], name)


def nb101_cell(matrix: np.ndarray | Sequence[Sequence[int]], code: Sequence[int]) -> ArchGraph:
    """Make a cell of NAS-Bench-101 as stored: nodes off every path are kept (see `canonical`).

    Args:
        matrix: Adjacency, row = source, strictly upper triangular.
        code: Operation of each node; first the input, last the output.

    Shapes:
        matrix (n, n), code (n,).

    Raises:
        ValueError: Not upper triangular, or unknown codes.
    """
    table = np.asarray(matrix)
    n = len(code)
    if table.shape != (n, n) or np.tril(table).any():
        raise ValueError(
            f"NAS-Bench-101: expected a strictly upper triangular {n} x {n} matrix for {n} codes, "
            f"got shape {table.shape}" + (", entries below" if table.shape == (n, n) else "")
        )
    ops = _decoded(code, NB101_OPS, n, "NAS-Bench-101")
    return cell_graph(ops, zip(*np.nonzero(table)), name="nb101")


def macro_network(digits: str | Sequence[int]) -> ArchGraph:
    """Make a network of NAS-Bench-Macro (arXiv:2103.11922): eight layers in three stages.

    The layers are a chain. The input is stage 0. A layer that enters a stage halves the map, so
    even an identity there is a convolution.

    Raises:
        ValueError: Not eight digits from 0 to 2.
    """
    code = [int(d) for d in digits]
    ops = _decoded(code, MACRO_OPS, 8, "NAS-Bench-Macro")
    stage = [0, *_MACRO_STAGES, _MACRO_STAGES[-1]]
    chain = [(k, k + 1) for k in range(9)]
    name = "".join(map(str, code))
    return cell_graph(["input", *ops, "output"], chain, stage=stage, name=name)


def _decoded(code: Sequence[int], ops: tuple[str, ...], length: int, space: str) -> list[str]:
    if len(code) != length or not all(0 <= int(c) < len(ops) for c in code):
        raise ValueError(
            f"{space}: expected {length} codes from 0 to {len(ops) - 1}, got {tuple(code)}"
        )
    return [ops[int(c)] for c in code]
