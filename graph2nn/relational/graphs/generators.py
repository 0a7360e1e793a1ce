"""Families of relational graphs: WS-flex, which spans (C, L), and the classic ones."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.graph import (
    GRAPH_FILES,
    RelationalGraph,
    as_graph,
    load_graphs,
)

__all__ = [
    "GENERATORS",
    "barabasi_albert",
    "check_ws_flex",
    "complete",
    "cycle",
    "erdos_renyi",
    "grid",
    "hypercube",
    "make_graph",
    "neighbour_counts",
    "read_graph",
    "regular",
    "star",
    "tree",
    "ws_flex",
    "ws_flex_name",
]

TRIES = 100
"""How often a random generator draws before it calls a connected graph out of reach."""


def ws_flex(n: int, k: float, p: float, seed: int = 1) -> RelationalGraph:
    """Generate the WS-flex graph: a ring of mean degree k, edges rewired with probability p.

    The degree may be any real number; arXiv:2007.06559, section 3.2 and appendix. Bit-equal to the
    published graphs for the same arguments; their trainings used k / n and p rounded to 6 decimals
    (`published_graph`).

    Args:
        n: Number of nodes.
        k: Mean degree, self-edges excluded; may be fractional (the first nodes of the ring get
            one neighbour more).
        p: Probability that an edge is rewired.
        seed: Seed of the `random.Random` that every draw comes from.

    Raises:
        ValueError: k outside [2, n], p outside [0, 1], or no connected graph in 100 tries.

    Examples:
        >>> ws_flex(64, 8.5, 0.1, seed=3).num_edges
        272
    """
    check_ws_flex(n, k, p)
    n, seed = int(n), _check_seed(seed)
    rng, counts = random.Random(seed), neighbour_counts(n, k)
    for _ in range(TRIES):
        table = _ring_rewired(n, counts, p, rng)
        if _connected(table):
            name = ws_flex_name(n, k / n, p, seed)
            regrow = partial(_same_density, ws_flex, k / n, p=p, seed=seed)
            return RelationalGraph(adjacency=table, name=name, regrow=regrow)
    raise ValueError(
        f"ws_flex(n={n}, k={k}, p={p}, seed={seed}): no connected graph in {TRIES} tries; "
        "raise k, lower p, or take another seed"
    )


def ws_flex_name(n: int, sparsity: float, p: float, seed: int) -> str:
    """Return what tables call a WS-flex graph, sparsity being k / n.

    For example `n64_s0.125_p0.008154_g22`.
    """
    return f"n{n}_s{round(float(sparsity), 6)}_p{round(float(p), 6)}_g{seed}"


def check_ws_flex(n: int, k: float, p: float) -> None:
    """Raise ValueError where WS-flex has no graph for these arguments."""
    _check_nodes("ws_flex", n, 2)
    if not 2 <= k <= n:
        raise ValueError(f"ws_flex: expected a degree k from 2 to n = {n}, got {k}")
    _check_probability(p)


def neighbour_counts(n: int, k: float) -> list[int]:
    """Count the clockwise neighbours of each node of the ring before rewiring."""
    base, extra = divmod(round(float(k) * n / 2), n)
    return [base + 1] * extra + [base] * (n - extra)


def _ring_rewired(n: int, counts: list[int], p: float, rng: random.Random) -> np.ndarray:
    near: list[set[int]] = [set() for _ in range(n)]
    for u in range(n):
        for step in range(1, counts[u] + 1):
            near[u].add((u + step) % n)
            near[(u + step) % n].add(u)
    nodes = range(n)
    for u in nodes:
        mine = near[u]
        for step in range(1, counts[u] + 1):
            if rng.random() >= p:
                continue
            w = rng.choice(nodes)
            while w == u or w in mine:
                w = rng.choice(nodes)  # the draw precedes the check: the stream depends on it
                if len(mine) >= n - 1:
                    break
            else:
                v = (u + step) % n
                mine.remove(v)
                near[v].remove(u)
                mine.add(w)
                near[w].add(u)
    table = np.zeros((n, n), dtype=bool)
    for u in nodes:
        table[u, list(near[u])] = True
    return table


def erdos_renyi(n: int, k: float, seed: int = 1) -> RelationalGraph:
    """Generate a connected uniform random graph with floor(n k / 2) edges.

    It is drawn again until connected.

    Raises:
        ValueError: Too few edges to connect n nodes, more than there are pairs, or no connected
            graph in 100 tries.
    """
    n = _check_nodes("erdos_renyi", n, 2)
    least = 2 * (n - 1) / n
    if not least <= k <= n - 1:
        raise ValueError(
            f"erdos_renyi: expected a degree k from 2 (n - 1) / n = {least:.6g} (fewer edges "
            f"cannot connect {n} nodes) to n - 1 = {n - 1}, got {k}"
        )
    edges = min(math.floor(n * k / 2 + 1e-9), n * (n - 1) // 2)
    rng = random.Random(_check_seed(seed))
    for _ in range(TRIES):
        found = nx.gnm_random_graph(n, edges, seed=rng)
        if nx.is_connected(found):
            return _from_networkx(found, f"er_n{n}_k{k:g}_g{seed}", erdos_renyi, k, seed)
    raise ValueError(
        f"erdos_renyi(n={n}, k={k}, seed={seed}): no connected graph in {TRIES} tries; "
        f"raise k (from about ln n = {math.log(n):.3g} on most are connected)"
    )


def barabasi_albert(n: int, k: float, seed: int = 1) -> RelationalGraph:
    """Generate a graph by preferential attachment, k / 2 edges a new node.

    The mean degree is k (1 - k / (2 n)).

    Raises:
        ValueError: k is not an even integer from 2 to 2 (n - 1).
    """
    n = _check_nodes("barabasi_albert", n, 2)
    if k != int(k) or int(k) % 2 or not 2 <= k <= 2 * (n - 1):
        raise ValueError(
            "barabasi_albert: a new node brings k / 2 edges, so expected an even degree k from "
            f"2 to {2 * (n - 1)}, got {k}"
        )
    found = nx.barabasi_albert_graph(n, int(k) // 2, seed=random.Random(_check_seed(seed)))
    return _from_networkx(found, f"ba_n{n}_k{k:g}_g{seed}", barabasi_albert, k, seed)


def regular(n: int, k: float) -> RelationalGraph:
    """Generate the ring in which each node has its k nearest.

    An odd k takes the node opposite as well.

    Raises:
        ValueError: k is no integer from 2 to n - 1, or n and k are both odd.
    """
    n = _check_nodes("regular", n, 3)
    if k != int(k) or not 2 <= k <= n - 1 or (n % 2 and int(k) % 2):
        raise ValueError(
            f"regular: expected an integer degree k from 2 to n - 1 = {n - 1}"
            f"{', even because n is odd' if n % 2 else ''}, got {k}"
        )
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    apart = np.minimum(apart, n - apart)
    table = (apart > 0) & (apart <= int(k) // 2)
    if int(k) % 2:
        table |= apart == n // 2
    regrow = partial(_same_density, regular, k / n)
    return RelationalGraph(adjacency=table, name=f"regular_n{n}_k{k:g}", regrow=regrow)


def hypercube(n: int, k: float | None = None) -> RelationalGraph:
    """Generate the hypercube on n = 2^d nodes, degree d.

    Raises:
        ValueError: n is no power of two, or k is given and not d.
    """
    n = _check_nodes("hypercube", n, 2)
    if n & (n - 1):
        low = 1 << (n.bit_length() - 1)
        raise ValueError(
            f"hypercube: expected a power of two nodes, got {n}; try {low} or {2 * low}"
        )
    apart = np.arange(n)[:, None] ^ np.arange(n)
    return _fixed("hypercube", (apart & (apart - 1) == 0) & (apart > 0), k, hypercube)


def grid(n: int, k: float | None = None) -> RelationalGraph:
    """Generate the rectangular grid on n nodes that is nearest to a square.

    Raises:
        ValueError: n has no factors, or k is given and not the mean degree.
    """
    n = _check_nodes("grid", n, 4)
    rows = next(d for d in range(math.isqrt(n), 0, -1) if n % d == 0)
    if rows == 1:
        raise ValueError(f"grid: {n} is prime, expected rows x columns nodes; try {n - 1}")
    row, column = np.divmod(np.arange(n), n // rows)
    apart = np.abs(row[:, None] - row) + np.abs(column[:, None] - column)
    return _fixed("grid", apart == 1, k, grid)


def cycle(n: int, k: float | None = None) -> RelationalGraph:
    """Generate the cycle, degree 2.

    Raises:
        ValueError: Fewer than 3 nodes, or k is given and not 2.
    """
    n = _check_nodes("cycle", n, 3)
    apart = np.abs(np.arange(n)[:, None] - np.arange(n))
    return _fixed("cycle", (apart == 1) | (apart == n - 1), k, cycle)


def complete(n: int, k: float | None = None) -> RelationalGraph:
    """Generate the complete graph: an ordinary dense layer.

    Raises:
        ValueError: k is given and not n - 1.
    """
    n = _check_nodes("complete", n, 1)
    return _fixed("complete", ~np.eye(n, dtype=bool), k, complete)


def star(n: int, k: float | None = None) -> RelationalGraph:
    """Generate the star: node 0 exchanges messages with all others, which have no other edge.

    The mean degree is 2 (n - 1) / n.

    Raises:
        ValueError: Fewer than 2 nodes, or k is given and not the mean degree.
    """
    n = _check_nodes("star", n, 2)
    table = np.zeros((n, n), dtype=bool)
    table[0, 1:] = table[1:, 0] = True
    return _fixed("star", table, k, star)


def tree(n: int, k: float | None = None, seed: int = 1) -> RelationalGraph:
    """Generate a uniform random labelled tree, by its Pruefer sequence.

    The mean degree is 2 (n - 1) / n.

    Raises:
        ValueError: k is given and not the mean degree.
    """
    n = _check_nodes("tree", n, 2)
    rng = random.Random(_check_seed(seed))
    found = nx.from_prufer_sequence([rng.randrange(n) for _ in range(n - 2)])
    table = nx.to_numpy_array(found, nodelist=range(n)) > 0
    return _fixed("tree", table, k, partial(tree, seed=seed), f"_g{seed}")


GENERATORS: dict[str, Callable[..., RelationalGraph]] = {
    "ws": ws_flex,
    "er": erdos_renyi,
    "ba": barabasi_albert,
    "regular": regular,
    "hypercube": hypercube,
    "grid": grid,
    "cycle": cycle,
    "tree": tree,
    "star": star,
    "complete": complete,
}
"""Every family by the name that the original's configurations use, star and complete graph."""


def make_graph(
    kind: str, n: int, k: float | None = None, p: float = 0.0, seed: int = 1
) -> RelationalGraph:
    """Generate a graph of any family.

    Args:
        kind: Key of `GENERATORS`.
        n: Number of nodes.
        k: Mean degree; may be left out where the family has only one.
        p: Rewiring probability, for `ws`.
        seed: Seed of the random families.

    Raises:
        ValueError: An unknown family, a degree it lacks or cannot meet, or a p that it cannot use.

    Examples:
        >>> make_graph("hypercube", 16).num_edges
        32
    """
    choose("kind of graph", kind, GENERATORS)
    takes = inspect.signature(GENERATORS[kind]).parameters
    if k is None and takes["k"].default is inspect.Parameter.empty:
        raise ValueError(f"{kind} graphs come in many degrees: pass k, their mean degree")
    if "p" not in takes and p:
        raise ValueError(f"{kind} graphs are not rewired: leave p at 0, or use kind 'ws'")
    given = {"k": k, "p": p, "seed": seed}
    return GENERATORS[kind](n, **{key: given[key] for key in takes if key != "n"})


def read_graph(text: str) -> RelationalGraph:
    """Generate the graph that a text such as `ws:n=64,k=8,p=0.1,seed=1` describes, or read it.

    Args:
        text: Family, a colon, and arguments of `make_graph` separated by commas; or path of a file
            with one graph, see `load_graphs`.

    Raises:
        ValueError: The text or file cannot be read, or `make_graph` refuses the arguments.
        FileNotFoundError: There is no such file.

    Examples:
        >>> read_graph("ws:n=64,k=8,p=0.1,seed=1").num_nodes
        64
    """
    if Path(text).suffix in GRAPH_FILES:
        found = load_graphs(text)
        if len(found) != 1:
            raise ValueError(f"graph: {text} holds {len(found)} graphs, expected one")
        return as_graph(found[0], name=Path(text).stem)
    kind, _, settings = text.partition(":")
    given: dict[str, Any] = {}
    for part in settings.split(","):
        name, _, value = part.partition("=")
        try:
            given[name] = _NUMBERS[name](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"graph: cannot read {part!r} in {text!r}; expected numbers for "
                f"{', '.join(_NUMBERS)}"
            ) from None
    if "n" not in given:
        raise ValueError(f"graph: {text!r} does not say how many nodes: n=")
    return make_graph(kind, **given)


def _fixed(
    kind: str,
    table: np.ndarray,
    k: float | None,
    regrow: Callable[[int], RelationalGraph],
    suffix: str = "",
) -> RelationalGraph:
    """A graph whose family has one degree, which a given k must be."""
    n = len(table)
    degree = float(table.sum()) / n
    if k is not None and abs(k - degree) > 1e-6:
        raise ValueError(
            f"{kind}: on {n} nodes the mean degree is always {degree:.6g}, got k = {k}; leave k "
            "out, or use ws_flex, which takes any"
        )
    return RelationalGraph(adjacency=table, name=f"{kind}_n{n}{suffix}", regrow=regrow)


def _from_networkx(
    found: nx.Graph, name: str, family: Callable[..., RelationalGraph], k: float, seed: int
) -> RelationalGraph:
    n = len(found)
    table = nx.to_numpy_array(found, nodelist=range(n)) > 0
    regrow = partial(_same_density, family, k / n, seed=seed)
    return RelationalGraph(adjacency=table, name=name, regrow=regrow)


def _same_density(
    family: Callable[..., RelationalGraph], share: float, n: int, **options: Any
) -> RelationalGraph:
    """The graph of a family with k = share * n. Not a closure: graphs and networks get pickled."""
    return family(n, share * n, **options)


def _connected(table: np.ndarray) -> bool:
    return RelationalGraph(adjacency=table).is_connected()


def _check_nodes(kind: str, n: int, least: int) -> int:
    """A plain int, also of a float out of a table."""
    if isinstance(n, bool) or not np.isfinite(n) or n != int(n) or n < least:
        raise ValueError(f"{kind}: expected a whole number of nodes, at least {least}, got {n}")
    return int(n)


def _check_seed(seed: int) -> int:
    if not np.isfinite(seed) or seed != int(seed):
        raise ValueError(f"expected a whole number as seed, got {seed}")
    return int(seed)


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"ws_flex: expected a rewiring probability p from 0 to 1, got {p}")


_NUMBERS: dict[str, Any] = {"n": int, "k": float, "p": float, "seed": int}
