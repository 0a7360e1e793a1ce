"""Counts in listed graphs against networkx, igraph and enumeration; numba against plain Python."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import networkx as nx
import numpy as np
import pytest

from graph2nn.runs import engines
from graph2nn.runs.engines import has_numba
from graph2nn.sparsity.graphs.edges import EdgeList, edge_list
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.adjacency import directed_rows, undirected_rows
from graph2nn.sparsity.graphs.metrics.explicit import (
    EXPLICIT_METRICS,
    ExplicitGraph,
    degrees,
    explicit_metrics,
    predicted_bytes,
)
from graph2nn.sparsity.graphs.metrics.motifs import (
    motifs_by_degrees,
    motifs_exact,
    motifs_sampled,
)
from graph2nn.sparsity.networks.models import build
from graph2nn.sparsity.networks.pruning.prune import prune

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed")
ENGINES = [pytest.param("numba", marks=needs_numba), "plain"]


def listed(pairs: list[tuple[int, int]]) -> EdgeList:
    ends = np.array(pairs, np.int32).reshape(-1, 2)
    return EdgeList(ends[:, 0].copy(), ends[:, 1].copy(), np.ones(len(ends), np.float32))


def random_pairs(n: int, density: float, seed: int, *, layers: int = 0) -> list[tuple[int, int]]:
    """Edges between random nodes, whichever way; between layers that follow, if there are any."""
    rng = np.random.default_rng(seed)
    pairs = [
        (u, v) if layers or rng.random() < 0.5 else (v, u)
        for u, v in combinations(range(n), 2)
        if rng.random() < density and (not layers or v * layers // n - u * layers // n in (1, 2))
    ]
    rng.shuffle(pairs)
    return [(int(u), int(v)) for u, v in pairs]


CASES = {
    "none": (5, []),
    "one node": (1, []),
    "one edge": (2, [(1, 0)]),
    "path": (6, [(0, 1), (1, 2), (3, 2), (3, 4)]),
    "cycle and tail": (7, [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (5, 6)]),
    "clique": (6, list(combinations(range(6), 2))),
    "two cliques at a node": (7, [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4), (5, 6)]),
    "star": (8, [(k, 7) for k in range(7)]),
    "complete bipartite": (9, [(u, v) for u in range(4) for v in range(4, 9)]),
    "thin": (60, random_pairs(60, 0.03, 0)),
    "thick": (30, random_pairs(30, 0.3, 1)),
    "layered": (80, random_pairs(80, 0.1, 2, layers=5)),  # with triangles, over two layers
    "thin layers": (300, random_pairs(300, 0.01, 3, layers=4)),
}
cases = pytest.mark.parametrize(("n", "pairs"), CASES.values(), ids=CASES)


def undirected(n: int, pairs: list[tuple[int, int]]) -> nx.Graph:
    graph = nx.Graph(pairs)
    graph.add_nodes_from(range(n))
    return graph


def enumerated(n: int, pairs: list[tuple[int, int]]) -> int:
    """Connected sets of four nodes, one by one: those that a connected one of three grows to."""
    near = undirected(n, pairs).adj
    found = {frozenset(pair) for pair in pairs}
    for _ in range(2):
        found = {nodes | {v} for nodes in found for u in nodes for v in near[u] if v not in nodes}
    return len(found)


@cases
@pytest.mark.parametrize("engine", ENGINES)
def test_equals_networkx(n: int, pairs: list[tuple[int, int]], engine: str) -> None:
    graph, found = undirected(n, pairs), ExplicitGraph(listed(pairs), n, engine=engine)
    directed = nx.DiGraph(pairs)
    directed.add_nodes_from(range(n))
    within = [len(nx.single_source_shortest_path_length(directed, v, cutoff=2)) for v in range(n)]
    assert found.bridges == len(list(nx.bridges(graph)))
    assert found.cut_nodes == len(set(nx.articulation_points(graph)))
    assert found.components == nx.number_connected_components(graph)
    assert found.coreness == pytest.approx(sum(nx.core_number(graph).values()) / n, rel=1e-14)
    assert found.two_hop == pytest.approx(sum(within) / n, rel=1e-14)


@cases
@pytest.mark.parametrize("engine", ENGINES)
def test_motifs_equal_enumeration(n: int, pairs: list[tuple[int, int]], engine: str) -> None:
    rows = ExplicitGraph(listed(pairs), n, engine=engine).rows
    expected = enumerated(n, pairs)
    assert motifs_exact(rows, engine=engine) == expected
    # from all nodes the sample is no sample: both ways of counting meet
    assert motifs_sampled(rows, share=1.0, engine=engine) == expected
    assert motifs_by_degrees(rows, engine=engine) >= expected


@cases
def test_equals_igraph(n: int, pairs: list[tuple[int, int]]) -> None:
    igraph = pytest.importorskip("igraph")
    edges = listed(pairs)
    ours = explicit_metrics(edges, n, engine="plain")
    theirs = explicit_metrics(edges, n, engine="igraph")
    assert list(ours) == list(EXPLICIT_METRICS)
    assert ours == pytest.approx(theirs, rel=1e-14)
    graph = igraph.Graph(n, pairs)
    assert ours["motif"] == graph.motifs_randesu_no(size=4)


@needs_numba
def test_an_unrolled_network_equals_igraph() -> None:
    igraph = pytest.importorskip("igraph")
    model = build("Resnet-20", seed=3)  # its shortcuts and skips close triangles
    masks = prune(model, "uniform", sparsity=0.95, seed=3)
    encoded = encode(model, masks, "unrolled", (3, 8, 8))
    edges, n = edge_list(encoded), encoded.num_nodes
    names = [name for name in EXPLICIT_METRICS if name != "motif"]
    ours = explicit_metrics(edges, n, engine="numba")
    theirs = explicit_metrics(edges, n, names, engine="igraph")
    assert {name: ours[name] for name in names} == pytest.approx(theirs, rel=1e-14)
    graph = igraph.Graph(n, np.stack([edges.source, edges.target], axis=1))
    assert not graph.is_bipartite()
    assert ours["motif"] == graph.motifs_randesu_no(size=4)


@needs_numba
def test_numba_equals_plain_on_many_graphs() -> None:
    for seed in range(20):
        pairs = random_pairs(40, 0.02 * (seed + 1), seed)
        numba, plain = (explicit_metrics(listed(pairs), 40, engine=e) for e in ("numba", "plain"))
        assert numba == plain, seed


def test_rows_are_sorted_by_degree() -> None:
    graph = ExplicitGraph(listed(CASES["thick"][1]), 30)
    rows, expected = graph.rows, undirected(*CASES["thick"])
    rank = np.argsort(rows.order)
    assert rows.degree[rows.order].tolist() == sorted(rows.degree.tolist())
    for v in range(30):
        row = rows.neighbours[rows.offsets[v] : rows.offsets[v + 1]]
        assert sorted(row.tolist()) == sorted(expected[v])
        assert (np.diff(rank[row]) > 0).all()
        assert rows.lower[v] == (rank[row] < rank[v]).sum()


@needs_numba
def test_rows_of_both_engines_are_the_same() -> None:
    edges = listed(CASES["layered"][1])
    numba, plain = (
        [
            directed_rows(edges, 80, engine=engine),
            directed_rows(edges, 80, reverse=True, engine=engine),
            undirected_rows(edges, 80, engine=engine),
        ]
        for engine in ("numba", "plain")
    )
    for one, other in zip(numba, plain):
        for key, column in vars(one).items():
            assert np.array_equal(column, vars(other)[key]), key


def test_large_sums_do_not_wrap() -> None:
    n = 5000  # a star has C(4999, 3) motifs, ten times what 32 bits hold
    graph = ExplicitGraph(listed([(0, k) for k in range(1, n)]), n)
    assert graph.motifs() == 4999 * 4998 * 4997 // 6
    assert graph.motifs("degrees") == graph.motifs()
    assert graph.two_hop == (n + n - 1) / n


def test_sample() -> None:
    pairs = random_pairs(300, 0.02, 5)
    rows = ExplicitGraph(listed(pairs), 300).rows
    exact = motifs_exact(rows)
    draws = [motifs_sampled(rows, seed=seed, share=0.1) for seed in range(300)]
    assert draws[0] == motifs_sampled(rows, seed=0, share=0.1)
    assert len(set(draws)) > 250
    error = np.std(draws) / len(draws) ** 0.5
    assert abs(np.mean(draws) - exact) < 4 * error < 0.2 * exact
    assert (motifs_sampled(rows) / 300).is_integer()  # the one node that is drawn at least


def test_sampled_is_of_the_published_size() -> None:
    igraph = pytest.importorskip("igraph")
    pairs = random_pairs(60, 0.08, 6)
    rows = ExplicitGraph(listed(pairs), 60).rows
    graph = igraph.Graph(60, pairs)
    of_root = [graph.motifs_randesu_estimate(size=4, sample=[v]) / 60 for v in range(60)]
    assert sum(of_root) == pytest.approx(motifs_exact(rows))
    roots = np.random.default_rng(9).choice(60, 6, replace=False)
    expected = sum(of_root[v] for v in roots) * 10
    assert motifs_sampled(rows, seed=9, share=0.1) == pytest.approx(expected)


def test_degrees() -> None:
    into, out = degrees(listed([(0, 1), (0, 2), (1, 2)]), 4)
    assert into.tolist() == [0, 1, 2, 0]
    assert out.tolist() == [2, 1, 0, 0]


def test_only_what_is_asked_for(capsys: pytest.CaptureFixture) -> None:
    pairs = CASES["layered"][1]
    found = explicit_metrics(listed(pairs), 80, ["cut-nodes", "2-hop_nei"], progress=True)
    assert list(found) == ["2-hop_nei", "cut-nodes"]
    assert "2/2" in capsys.readouterr().err
    sampled = explicit_metrics(listed(pairs), 80, ["motif"], motif="sampled", seed=4)
    assert sampled["motif"] == ExplicitGraph(listed(pairs), 80).motifs("sampled", seed=4)


@needs_numba
@pytest.mark.parametrize("names", [EXPLICIT_METRICS, ["2-hop_nei"], ["motif"]])
def test_predicted_bytes(names: list[str]) -> None:
    n, rng = 3000, np.random.default_rng(7)
    ends = np.sort(np.unique(rng.integers(n, size=(200_000, 2)), axis=0), axis=1)
    ends = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0).astype(np.int32)
    explicit_metrics(listed(CASES["clique"][1]), 6)  # compiles
    tracemalloc.start()
    edges = EdgeList(ends[:, 0].copy(), ends[:, 1].copy(), np.ones(len(ends), np.float32))
    explicit_metrics(edges, n, names)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < predicted_bytes(n, len(ends), names) < 1.5 * peak
    assert predicted_bytes(2**31 + 1, 10**6, names) > 2**37


@pytest.mark.parametrize(
    ("pairs", "n", "options", "message"),
    [
        ([(0, 3)], 3, {}, r"edges.target: expected nodes 0 to 2, got 3 to 3"),
        ([(-1, 1)], 3, {}, r"edges.source: expected nodes 0 to 2, got -1 to -1"),
        ([(0, 1), (0, 1)], 3, {}, "at most one edge between two nodes"),
        ([(0, 1), (1, 0)], 3, {"engine": "plain"}, "at most one edge between two nodes"),
        ([(1, 1)], 3, {}, "none from a node to itself, got another at node 1"),
        ([(1, 1)], 3, {"engine": "plain"}, "none from a node to itself, got another at node 1"),
        ([], 0, {}, "at least one node, got 0"),
        ([], 3, {"engine": "c"}, "unknown engine 'c'; choose one of auto, numba, igraph, plain"),
        ([], 3, {"motif": "some"}, "unknown motif count 'some'; choose one of exact, sampled"),
        ([], 3, {"names": ["motif", "nodes"]}, "unknown metric 'nodes'; choose one of 2-hop_nei"),
    ],
)
def test_bad_input(pairs: list, n: int, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explicit_metrics(listed(pairs), n, **options)


def test_bad_share() -> None:
    rows = ExplicitGraph(listed([(0, 1)]), 2).rows
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 0"):
        motifs_sampled(rows, share=0)


def test_what_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"numba": True, "igraph": True}
    monkeypatch.setattr(engines, "has_numba", lambda: installed["numba"])
    monkeypatch.setattr(engines, "has_igraph", lambda: installed["igraph"])
    assert engines.chosen_engine() == "numba"
    installed["numba"] = False
    assert engines.chosen_engine() == "igraph"
    with pytest.raises(ValueError, match=r"engine 'numba' is not installed: pip install"):
        engines.chosen_engine("numba")
    installed["igraph"] = False
    assert engines.chosen_engine() == "plain"
    with pytest.raises(ValueError, match="engine 'igraph' is not installed"):
        engines.chosen_engine("igraph")
    pairs = CASES["layered"][1]
    assert ExplicitGraph(listed(pairs), 80).engine == "plain"
