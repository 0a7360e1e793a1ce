"""Identifiers of nodes against what defines them."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from archtokens.identifiers import (
    depth_identifiers,
    identify,
    laplacian_identifiers,
    magnetic_identifiers,
    orthogonal_identifiers,
    random_identifiers,
    shortest_path_identifiers,
)
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.stack import GraphStack
from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph

CELL = nb201_cell([2, 1, 0, 2, 4, 3])
NET = build_graph(EndlessNets("train", seed=5)[2])
BOTH = pytest.mark.parametrize("graph", [CELL, NET], ids=["cell", "network"])


def digraph(graph: ArchGraph) -> nx.DiGraph:
    found = nx.DiGraph()
    found.add_nodes_from(range(graph.num_nodes))
    found.add_edges_from(graph.edges.T.tolist())
    return found


def test_orthogonal_rows_are_orthonormal() -> None:
    rows = orthogonal_identifiers(8, 64, np.random.default_rng(0))
    np.testing.assert_allclose(rows @ rows.T, np.eye(8), atol=1e-6)
    many = orthogonal_identifiers(100, 16, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-6)
    off = many @ many.T - np.eye(100)
    assert many.shape == (100, 16) and abs(off.mean()) < 0.02


def test_random_rows_have_length_one() -> None:
    rows = random_identifiers(5, 7, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@BOTH
def test_laplacian_eigenvectors(graph: ArchGraph) -> None:
    width = 6
    vectors = laplacian_identifiers([graph], width)[0].astype(float)
    matrix = nx.normalized_laplacian_matrix(digraph(graph).to_undirected()).toarray()
    values = np.linalg.eigvalsh(matrix)[:width]
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-5)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(width), atol=1e-5)
    assert (vectors[np.round(np.abs(vectors), 5).argmax(0), range(width)] > 0).all()


@BOTH
def test_magnetic_laplacian_eigenvectors(graph: ArchGraph) -> None:
    width, q = 4, 0.1
    found = magnetic_identifiers([graph], width, potential=q)[0].astype(float)
    vectors = found[:, :width] + 1j * found[:, width:]
    a = nx.to_numpy_array(digraph(graph))
    scale = np.diag(np.maximum((a + a.T).sum(1), 1) ** -0.5)
    hermitian = np.eye(len(a)) - scale @ ((a + a.T) * np.exp(2j * np.pi * q * (a - a.T))) @ scale
    values = np.linalg.eigvalsh(hermitian)[:width]
    np.testing.assert_allclose(hermitian @ vectors, vectors * values, atol=1e-5)


def turned(graph: ArchGraph) -> ArchGraph:
    """The graph with every edge turned round."""
    last = graph.num_nodes - 1
    ops = graph.op_names()[::-1]
    return cell_graph(ops, [(last - v, last - u) for u, v in graph.edges.T.tolist()])


def test_direction() -> None:
    # A tree towards its leaf differs from one away from it only by direction.
    tree = cell_graph(["conv_1x1"] * 4, [(0, 1), (1, 2), (1, 3)])
    back = turned(tree)
    order = [3, 2, 1, 0]  # node k of `tree` is node order[k] of `back`
    pick = [laplacian_identifiers([g], 1)[0] for g in (tree, back)]
    np.testing.assert_allclose(np.abs(pick[0]), np.abs(pick[1][order]), atol=1e-6)
    magnetic = [magnetic_identifiers([g], 1)[0] for g in (tree, back)]
    assert np.abs(magnetic[0] - magnetic[1][order]).max() > 0.05
    same = [magnetic_identifiers([g], 1, potential=0.0)[0] for g in (tree, back)]
    np.testing.assert_allclose(np.abs(same[0]), np.abs(same[1][order]), atol=1e-6)
    depth = [depth_identifiers([g]) for g in (tree, back)]
    assert np.abs(depth[0] - depth[1][order]).max() > 0.3


@BOTH
def test_depths_and_shortest_paths(graph: ArchGraph) -> None:
    found = digraph(graph)
    count = graph.num_nodes
    longest, shortest = np.zeros((count, 2), dtype=int), np.zeros((count, 2), dtype=int)
    for side, view in enumerate((found, found.reverse())):
        ends = [v for v in view if view.in_degree(v) == 0]
        for v in nx.topological_sort(view):
            longest[v, side] = max((longest[u, side] + 1 for u in view.predecessors(v)), default=0)
        for v, d in nx.multi_source_dijkstra_path_length(view, set(ends)).items():
            shortest[v, side] = d
    for table, columns in ((longest, depth_identifiers), (shortest, shortest_path_identifiers)):
        expected = np.concatenate([table / table.max(0), np.log2(1 + table) / 8], axis=1)
        np.testing.assert_allclose(columns([graph]), expected, rtol=1e-6)


def test_order_of_nodes_only_permutes_identifiers() -> None:
    graph = cell_graph(
        ["input", "conv_3x3", "conv_1x1", "output"], [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]
    )
    other = cell_graph(
        ["input", "conv_1x1", "conv_3x3", "output"], [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]
    )
    for kind in ("depth", "shortest", "dag"):
        a, b = (identify(kind, GraphStack.of([g]), 4) for g in (graph, other))
        np.testing.assert_array_equal(a[[0, 2, 1, 3]], b)


def test_random_kinds_need_a_generator() -> None:
    with pytest.raises(ValueError, match="identifiers='orf' are drawn at random"):
        identify("orf", GraphStack.of([CELL]), 4)
    with pytest.raises(ValueError, match="identifiers: expected one of"):
        identify("fourier", GraphStack.of([CELL]), 4)


def test_laplacian_signs_are_drawn_in_training() -> None:
    fixed = laplacian_identifiers([CELL, CELL], 4)
    drawn = laplacian_identifiers([CELL, CELL], 4, rng=np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(fixed), np.abs(drawn), atol=1e-6)
    assert (fixed != drawn).any() and not np.array_equal(drawn[0], drawn[1])
