"""Loops that count what four nodes can form: triangles, cycles, cliques. See `compiled`.

All take the rows of an undirected graph, each sorted by rank, and `lower`, how many neighbours of
a node have a lower rank than itself.
"""

from __future__ import annotations

import numpy as np

__all__ = ["cliques", "four_cycles", "rooted_motifs", "triangles"]


def four_cycles(
    order: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray, lower: np.ndarray
) -> int:
    """Count the cycles of four nodes, chords or not.

    Shapes: order, lower (n,), offsets (n + 1,), neighbours (2 · edges,). The node v of the highest
    rank of a cycle sees two others twice removed in it, by two ways. `reach[u]` counts the
    neighbours of u that rank below v: nodes come in the order of their rank, hence it grows by one
    with each v.
    """
    n = len(order)
    reach = lower.copy()
    ways, touched = np.zeros(n, np.int32), np.empty(n, np.int32)
    total = np.int64(0)
    for v in order:
        count = 0
        for j in range(offsets[v], offsets[v] + lower[v]):
            u = neighbours[j]
            for i in range(offsets[u], offsets[u] + reach[u]):
                w = neighbours[i]
                before = ways[w]
                total += np.int64(before)
                ways[w] = before + 1
                touched[count] = w
                count += before == 0
            reach[u] += 1
        for k in range(count):
            ways[touched[k]] = 0
    return total


def triangles(
    starts: np.ndarray,
    offsets: np.ndarray,
    neighbours: np.ndarray,
    lower: np.ndarray,
    of_edge: np.ndarray,
    of_node: np.ndarray,
) -> int:
    """Count the triangles that each edge and each node is in, added to `of_edge` and `of_node`.

    Returns:
        Pairs of triangles with an edge in common.

    Shapes:
        starts (n + 1,), the first edge of each node to those of a higher rank; offsets (n + 1,),
        neighbours (2 · edges,), lower (n,); of_edge (edges,), of_node (n,).
    """
    n = len(lower)
    edge_to = np.full(n, -1, np.int64)  # from v
    pairs = np.int64(0)
    for v in range(n):
        shift = offsets[v] + lower[v] - starts[v]
        for e in range(starts[v], starts[v + 1]):
            edge_to[neighbours[e + shift]] = e
        for e in range(starts[v], starts[v + 1]):
            u = neighbours[e + shift]
            across = offsets[u] + lower[u] - starts[u]
            for f in range(starts[u], starts[u + 1]):
                w = neighbours[f + across]
                if edge_to[w] >= starts[v]:  # else it is left from another node
                    for edge in (e, f, edge_to[w]):
                        pairs += of_edge[edge]
                        of_edge[edge] += 1
                    of_node[v] += 1
                    of_node[u] += 1
                    of_node[w] += 1
    return pairs


def cliques(
    starts: np.ndarray,
    offsets: np.ndarray,
    neighbours: np.ndarray,
    lower: np.ndarray,
    of_edge: np.ndarray,
) -> int:
    """Count the cliques of four nodes, given how many triangles each edge is in.

    Shapes: starts, offsets (n + 1,), neighbours (2 · edges,), lower (n,), of_edge (edges,).
    """
    n = len(lower)
    near = np.full(n, -1, np.int64)  # neighbours of v
    both = np.full(n, -1, np.int64)  # neighbours of both ends of edge e
    common = np.empty(n, np.int64)
    total = np.int64(0)
    for v in range(n):
        shift = offsets[v] + lower[v] - starts[v]
        for e in range(starts[v], starts[v + 1]):
            near[neighbours[e + shift]] = v
        for e in range(starts[v], starts[v + 1]):
            if of_edge[e] < 2:
                continue
            u, count = neighbours[e + shift], 0
            for i in range(offsets[u] + lower[u], offsets[u + 1]):
                w = neighbours[i]
                if near[w] == v:
                    both[w] = e
                    common[count] = w
                    count += 1
            for k in range(count):
                w = common[k]
                for i in range(offsets[w] + lower[w], offsets[w + 1]):
                    total += both[neighbours[i]] == e
    return total


def rooted_motifs(
    roots: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray, in_triangles: bool
) -> int:
    """Count the connected sets of four nodes whose smallest number is one of the roots.

    Shapes: roots (r,), offsets (n + 1,), neighbours (2 · edges,). This is what enumeration from a
    root finds (Wernicke, doi:10.1109/TCBB.2006.51), counted: near are the neighbours w of the root
    v, far those of a near one that are not near. A set goes on from v and the i-th near w to two
    more of the later near ones and the far ones of w, or to one of these and one that it alone
    adds.
    """
    n = len(offsets) - 1
    near, own = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    ways, far = np.zeros(n, np.int64), np.empty(n, np.int64)
    total = np.int64(0)
    for v in roots:
        near[v] = v
        earlier, later, count = np.int64(0), np.int64(0), 0
        for j in range(offsets[v], offsets[v + 1]):
            near[neighbours[j]] = v
            later += neighbours[j] > v
        for j in range(offsets[v], offsets[v + 1]):
            w, alone = neighbours[j], np.int64(0)
            if w < v:
                continue
            for i in range(offsets[w], offsets[w + 1]):
                u = neighbours[i]
                if u > v and near[u] != v:
                    own[u] = w
                    alone += 1
                    far[count] = u
                    count += ways[u] == 0
                    ways[u] += 1
            later -= 1
            total += (later + alone) * (later + alone - 1) // 2 + earlier * alone
            earlier += 1
            for i in range(offsets[w], offsets[w + 1] if in_triangles else offsets[w]):
                u = neighbours[i]
                if u > v and near[u] != v:
                    for k in range(offsets[u], offsets[u + 1]):
                        y = neighbours[k]
                        total -= y > v and near[y] != v and own[y] == w
        for k in range(count):
            y = far[k]
            total -= ways[y] * (ways[y] - 1) // 2
            for i in range(offsets[y], offsets[y + 1]):
                z = neighbours[i]
                total += ways[y] * (z > v and near[z] != v)
            ways[y] = 0
    return total
