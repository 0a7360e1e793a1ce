"""Layered layout of a graph in columns (Sugiyama, Tagawa, Toda 1981), for drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graph2nn.archgraph.paths import topological_levels

__all__ = ["Layout", "layered_layout"]

_THIN = 0.45  # width of a passing edge, in widths of the smallest node
_ASPECT = 1.4  # wanted width / height


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Where nodes and edges are drawn; lengths in the unit of the node size, y upwards.

    Args:
        position: Centres of the nodes.
        level: Length of the longest path to the node: successors have larger levels.
        column: Column that the node is in; the flow is down each column, then to the next.
        curves: Pieces of edges as cubic Bézier curves.
        lanes: Pieces of edges from the foot of one column to the head of the next, polylines.
        heads: Points in which edges enter their targets from above.
        size: Width and height of everything.

    Shapes:
        position (N, 2), level (N,), column (N,), curves (S, 4, 2), heads (H, 2).
    """

    position: np.ndarray
    level: np.ndarray
    column: np.ndarray
    curves: np.ndarray
    lanes: tuple[np.ndarray, ...]
    heads: np.ndarray
    size: tuple[float, float]


def layered_layout(
    edges: np.ndarray,
    num_nodes: int,
    *,
    node: tuple[float, float] = (1.0, 1.0),
    gap: tuple[float, float] = (0.5, 0.6),
    passes: int = 8,
) -> Layout:
    """Place nodes on levels by longest path: few crossings, straight chains, columns.

    Long graphs go into several columns. The edges that leave a node share one line to the last of
    their targets, so that densely connected networks stay readable.

    Args:
        edges: Edges (2, E), from smaller to larger nodes.
        num_nodes: Number N of nodes.
        node: Width and height of a node.
        gap: Smallest distance between nodes side by side, and between levels.
        passes: Number of passes of the crossing reduction.
    """
    points = _Points.of(edges, num_nodes)
    layers = _order(points, passes)
    widths = np.where(points.real, node[0] + gap[0], _THIN * (min(node) + gap[0]))
    x = _coordinates(points, layers, widths)
    pitch = node[1] + gap[1]
    return _fold(points, x, node, pitch, gap[0])


@dataclass(eq=False)
class _Points:
    """Nodes, followed by the places where long edges pass a level; links join adjacent levels."""

    num_nodes: int
    level: np.ndarray
    links: np.ndarray  # (2, S)
    up: list[list[int]]
    down: list[list[int]]

    @property
    def real(self) -> np.ndarray:
        return np.arange(len(self.level)) < self.num_nodes

    @classmethod
    def of(cls, edges: np.ndarray, n: int) -> _Points:
        levels = _levels(edges, n)
        targets: list[list[int]] = [[] for _ in range(n)]
        for u, v in edges.T.tolist():
            targets[u].append(v)
        level, links = levels[:], []
        for u, found in enumerate(targets):
            chain = [u]
            last = max((levels[v] for v in found), default=levels[u])
            for place in range(levels[u] + 1, last):
                links.append((chain[-1], len(level)))
                chain.append(len(level))
                level.append(place)
            links += [(chain[levels[v] - 1 - levels[u]], v) for v in found]
        up: list[list[int]] = [[] for _ in level]
        down: list[list[int]] = [[] for _ in level]
        for a, b in links:
            up[b].append(a)
            down[a].append(b)
        pairs = np.array(links, dtype=np.int64).reshape(-1, 2).T
        return cls(n, np.array(level, dtype=np.int64), pairs, up, down)


def _levels(edges: np.ndarray, n: int) -> list[int]:
    """Longest path to each node; nodes that nothing leads to stand just above their targets."""
    level = topological_levels(edges, n).tolist()
    by_target = edges[:, np.lexsort((edges[0], edges[1]))].T.tolist()
    fed = {v for _, v in by_target}
    first: dict[int, int] = {}
    for u, v in by_target:
        if u not in fed and u != 0:
            first[u] = min(first.get(u, level[v]), level[v])
    for u, below in first.items():
        level[u] = below - 1
    return level


def _order(points: _Points, passes: int) -> list[list[int]]:
    """Points of each level from left to right, by the barycentre heuristic; the best pass wins."""
    layers: list[list[int]] = [[] for _ in range(int(points.level.max(initial=0)) + 1)]
    for point, level in enumerate(points.level.tolist()):
        layers[level].append(point)
    place = np.zeros(len(points.level))
    for layer in layers:
        place[layer] = np.arange(len(layer))
    best, fewest = [layer[:] for layer in layers], _crossings(points, place)
    for turn in range(passes):
        near = points.up if turn % 2 == 0 else points.down
        for layer in layers if turn % 2 == 0 else reversed(layers):
            key = {p: place[near[p]].mean() if near[p] else place[p] for p in layer}
            layer.sort(key=key.__getitem__)
            place[layer] = np.arange(len(layer))
        crossings = _crossings(points, place)
        if crossings < fewest:
            best, fewest = [layer[:] for layer in layers], crossings
        if not fewest:
            break
    return best


def _crossings(points: _Points, place: np.ndarray) -> int:
    """Pairs of links between the same levels that cross."""
    a, b = points.links
    total = 0
    order = np.argsort(points.level[a], kind="stable")
    cuts = np.flatnonzero(np.diff(points.level[a][order])) + 1
    for part in np.split(order, cuts):
        if 1 < len(part):
            left = np.sign(place[a[part]][:, None] - place[a[part]])
            right = np.sign(place[b[part]][:, None] - place[b[part]])
            total += int((left * right < 0).sum()) // 2
    return total


def _coordinates(points: _Points, layers: list[list[int]], widths: np.ndarray) -> np.ndarray:
    """Places near those of the neighbours, in the given order and at the given distances."""
    x = np.zeros(len(points.level))
    offsets = []
    for layer in layers:
        w = widths[layer]
        offset = np.cumsum(w) - w / 2
        offsets.append(offset)
        x[layer] = offset - offset.mean()
    thin = ~points.real
    for turn in range(12):
        both = turn >= 6
        forward = turn % 2 == 0
        for k in range(len(layers)) if forward else reversed(range(len(layers))):
            wanted, weight = [], []
            for p in layers[k]:
                near = points.up[p] if forward else points.down[p]
                near = points.up[p] + points.down[p] if both or not near else near
                wanted.append(x[near].mean() if near else x[p])
                weight.append(4.0 if thin[p] and any(thin[q] for q in near) else 1.0)
            x[layers[k]] = _spread(np.array(wanted) - offsets[k], weight) + offsets[k]
    return _straighten(points, layers, widths, x)


def _straighten(
    points: _Points, layers: list[list[int]], widths: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Put every chain, of nodes or of an edge, on one vertical where there is room."""
    chains = _chains(points)
    left, right = np.full(len(x), -1), np.full(len(x), -1)
    for layer in layers:
        left[layer[1:]], right[layer[:-1]] = layer[:-1], layer[1:]
    for _ in range(4):
        for chain in chains:
            low = max(
                (x[left[p]] + (widths[p] + widths[left[p]]) / 2 for p in chain if left[p] >= 0),
                default=-np.inf,
            )
            high = min(
                (x[right[p]] - (widths[p] + widths[right[p]]) / 2 for p in chain if right[p] >= 0),
                default=np.inf,
            )
            ends = points.up[chain[0]] + points.down[chain[-1]]
            wanted = x[ends].mean() if ends and not points.real[chain[0]] else x[chain].mean()
            place = min(max(wanted, low), high)
            # pulling a long slope upright would leave holes beside it
            if low <= high and np.abs(x[chain] - place).max() < 1.2 * widths.max():
                x[chain] = place
    return x


def _chains(points: _Points) -> list[list[int]]:
    """Maximal runs of links that should be straight, longest first."""
    following: dict[int, int] = {}
    for a, b in points.links.T.tolist():
        passes = a >= points.num_nodes and b >= points.num_nodes
        if passes or (len(points.down[a]) == 1 and len(points.up[b]) == 1):
            following[a] = b
    later = set(following.values())
    chains = []
    for start in following.keys() - later:
        chain = [start]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains.append(chain)
    return sorted(chains, key=lambda chain: (-len(chain), chain))


def _spread(values: np.ndarray, weights: list[float]) -> np.ndarray:
    """The closest non-decreasing sequence (weighted least squares; pool adjacent violators)."""
    blocks: list[list[float]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            m, w, n = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + m * w) / (last[1] + w)
            last[1] += w
            last[2] += n
    return np.repeat([b[0] for b in blocks], [int(b[2]) for b in blocks])


def _fold(
    points: _Points, x: np.ndarray, node: tuple[float, float], pitch: float, gap: float
) -> Layout:
    """Cuts the levels into columns side by side and draws the links."""
    half = np.where(points.real, node[0] / 2, 0.0)
    passing = np.bincount(points.level[points.links[0]], minlength=int(points.level.max()) + 2)
    lane = 0.3 * min(node)
    options: list[tuple[float, int, Any]] = []
    for columns in range(1, 17):
        starts = _cuts(passing, int(points.level.max()) + 1, columns)
        folded = _place(points, x, half, starts, passing, pitch, lane, gap)
        width, height = folded[0][:, 0].max() + node[0], np.ptp(folded[0][:, 1]) + node[1]
        options.append((float(abs(np.log(width / height / _ASPECT))), len(options), folded))
    position, column, gutters = min(options, key=lambda option: option[:2])[2]
    curves, lanes = _route(points, position, column, gutters, node, pitch, lane)
    n = points.num_nodes
    entered = np.array([v for v in range(n) if points.up[v]], dtype=np.int64)
    heads = position[entered] + [0, node[1] / 2]
    everything = [
        position + [node[0] / 2, node[1] / 2],
        position - [node[0] / 2, node[1]],
        heads,
        *lanes,
    ]
    low = np.concatenate(everything).min(0) - 0.3 * gap
    size = np.concatenate(everything).max(0) + 0.3 * gap - low
    return Layout(
        position=position[:n] - low,
        level=points.level[:n],
        column=column[:n],
        curves=curves - low,
        lanes=tuple(line - low for line in lanes),
        heads=heads - low,
        size=(float(size[0]), float(size[1])),
    )


def _cuts(passing: np.ndarray, levels: int, columns: int) -> np.ndarray:
    """First level of each column: about equal parts, cut where few links pass."""
    part = levels / columns
    starts = [0]
    for k in range(1, columns):
        middle, reach = round(k * part), max(1, int(part / 8))
        options = [c for c in range(middle - reach, middle + reach + 1) if starts[-1] < c < levels]
        if options:
            starts.append(min(options, key=lambda c: (passing[c - 1], abs(c - middle))))
    return np.array(starts)


def _place(
    points: _Points,
    x: np.ndarray,
    half: np.ndarray,
    starts: np.ndarray,
    passing: np.ndarray,
    pitch: float,
    lane: float,
    gap: float,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Position and column of every point, and the left ends of the gutters between columns."""
    column = np.searchsorted(starts, points.level, side="right") - 1
    position = np.stack([x, -pitch * (points.level - starts[column])], 1).astype(float)
    right, gutters = 0.0, []
    for k in range(len(starts)):
        inside = column == k
        position[inside, 0] += right - (x - half)[inside].min()
        gutters.append(float((position[:, 0] + half)[inside].max()))
        lines = passing[starts[k + 1] - 1] if k + 1 < len(starts) else 0
        right = gutters[-1] + 2 * gap + lane * lines
    return position, column, gutters


def _route(
    points: _Points,
    position: np.ndarray,
    column: np.ndarray,
    gutters: list[float],
    node: tuple[float, float],
    pitch: float,
    lane: float,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Curves of links within a column; nested lanes for those that go on in the next."""
    a, b = points.links
    end = position[b] + np.where(points.real[b], node[1] / 2, 0.0)[:, None] * [0, 1]
    bend = np.array([0, 0.45 * pitch])
    inside = column[a] == column[b]
    curves = np.stack([position[a], position[a] - bend, end + bend * 0.6, end], 1)[inside]
    lanes = []
    for k, gutter in enumerate(gutters[:-1]):
        members = np.flatnonzero(~inside & (column[a] == k))
        members = members[np.lexsort((-position[b[members], 0], -position[a[members], 0]))]
        foot = position[column == k, 1].min() - pitch / 2
        for rank, link in enumerate(members.tolist()):
            low = foot - rank * lane
            high = pitch / 2 + (len(members) - 1 - rank) * lane
            side = gutter + 0.7 * (pitch - node[1]) + rank * lane
            start, stop = position[a[link]], end[link]
            corners = [(start[0], low), (side, low), (side, high), (stop[0], high)]
            lanes.append(np.array([start, *corners, stop]))
    return curves, lanes
