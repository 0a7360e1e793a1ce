"""Modules as a tree: recorded and guessed, blocks that repeat, long lists in stretches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.pictures.folding import folded
from graph2nn.archgraph.pictures.hierarchy import Group, Hierarchy
from graph2nn.archgraph.pictures.modules import grouped_order, module_chains
from graph2nn.archgraph.pictures.picture import Picture, picture_of
from graph2nn.archgraph.pictures.repetition import repetitions
from graph2nn.deepnets import build_graph, eval_nets


class Block(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, width), nn.Linear(width, 8)

    def forward(self, x):
        return x + self.second(torch.relu(self.first(x)))


class Tower(nn.Module):
    """Blocks in a list, which nobody calls; an operation of the tower's own behind each."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for width in widths)

    def forward(self, x):
        for block in self.blocks:
            x = torch.tanh(block(x))
        return x


def bare(n: int, edges: list[tuple[int, int]], op: list[int] | None = None) -> ArchGraph:
    return ArchGraph(
        op=np.array(op or [0] * n),
        shape=np.zeros((n, 4), dtype=np.int64),
        edges=np.array(sorted(edges), dtype=np.int64).reshape(-1, 2).T,
        params=((),) * n,
        param_shapes={},
        cell=np.zeros(n, dtype=np.int64),
        ops=tuple(f"op{k}" for k in range(40)),
    )


def tree_of(graph: ArchGraph) -> Hierarchy:
    tree = picture_of(graph).hierarchy
    assert tree is not None
    return tree


def check(tree: Hierarchy, graph: ArchGraph) -> None:
    """Every node once, in a topological order; items fill their group; equal blocks are equal."""
    assert sorted(tree.order) == list(range(graph.num_nodes))
    place = np.argsort(tree.order)
    assert (place[graph.edges[0]] < place[graph.edges[1]]).all()
    for number, group in enumerate(tree.groups):
        at = group.start
        for item in group.items:
            inner = None if item >= 0 else tree.groups[~item]
            assert inner is None or inner.parent == number
            assert (item if inner is None else inner.start) == at
            at = at + 1 if inner is None else inner.stop
        assert at == group.stop
        if group.role == "repeat":
            blocks = [tree.groups[~item] for item in group.items]
            assert len(blocks) == group.count > 1
            ops = [[graph.op[v] for v in tree.order[b.start : b.stop]] for b in blocks]
            assert all(found == ops[0] for found in ops)


def named(tree: Hierarchy, label: str) -> Group:
    return next(group for group in tree.groups if group.label == label)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("", []),
        ("abc", []),
        ("aa", [(0, 2, 1)]),
        ("xababab", [(1, 7, 2)]),
        ("abababx", [(0, 6, 2)]),
        ("aabaabaab", [(0, 9, 3)]),
        ("aaaabcbc", [(0, 4, 1), (4, 8, 2)]),
        ("abcabcabcab", [(0, 9, 3)]),
    ],
)
def test_repetitions(keys, found):
    assert [tuple(r) for r in repetitions([ord(c) for c in keys])] == found


def test_recorded_modules_are_found_by_call():
    shared = nn.Linear(8, 8)
    model = nn.Sequential(nn.Sequential(shared, nn.ReLU(), shared), Tower([8] * 5))
    graph = trace(model, torch.zeros(2, 8))
    tree = tree_of(graph)
    check(tree, graph)
    assert [g.label for g in tree.groups if g.kind == "Linear" and g.start < 6] == ["0", "0"]
    tower = next(group for group in tree.groups if group.kind == "Tower")
    (item,) = tower.items  # all of it repeats: a block and the tower's own tanh
    repeat = tree.groups[~item]
    assert (repeat.role, repeat.count) == ("repeat", 5)
    part = tree.groups[~repeat.items[0]]
    assert part.role == "part" and tree.groups[~part.items[0]].kind == "Block"


def test_only_equal_blocks_are_put_together():
    graph = trace(Tower([8, 8, 16, 16, 16, 4]), torch.zeros(2, 8))
    tree = tree_of(graph)
    check(tree, graph)
    assert [g.count for g in tree.groups if g.role == "repeat"] == [2, 3]


@pytest.mark.parametrize("view", ["full", "primitives", "ghn2", "ghn3"])
def test_modules_are_guessed_from_names_where_calls_are_unknown(view):
    from torchvision.models import resnet18

    with torch.device("meta"):
        model = resnet18()
    graph = trace(model, view=view)
    graph = graph.replace(scopes=(), scope=np.zeros(0, dtype=np.int64))
    tree = tree_of(graph)
    check(tree, graph)
    assert {"layer1", "layer2", "layer3", "layer4"} <= {group.label for group in tree.groups}


def test_cells_stand_in_for_modules():
    graph = build_graph(eval_nets("test", 4)[3])
    graph = graph.replace(params=((),) * graph.num_nodes, param_shapes={})
    tree = tree_of(graph)
    check(tree, graph)
    assert any(group.label.startswith("cell ") for group in tree.groups)


def test_nodes_of_a_module_are_brought_together():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + 1, y * 2

    graph = bare(6, [(0, 2), (1, 3), (2, 4), (3, 5)])
    graph = graph.replace(columns={"module": ("", "", "a.x", "b.x", "a.y", "b.y")})
    chains = module_chains(graph)
    order = grouped_order(graph, chains)
    names = [chains[v][0][1] if chains[v] else "" for v in order]
    assert [n for n in names if n] in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    check(tree_of(graph), graph)


def test_long_lists_are_cut_into_stretches_and_loops_are_found():
    rng = np.random.default_rng(0)
    n = 3000
    graph = bare(n, [(k, k + 1) for k in range(n - 1)], rng.integers(0, 40, n).tolist())
    tree = tree_of(graph)
    check(tree, graph)
    assert all(len(g.items) <= 150 for g in tree.groups)
    loop = bare(601, [(k, k + 1) for k in range(600)], [k % 6 for k in range(600)] + [7])
    tree = tree_of(loop)
    check(tree, loop)
    assert [(g.role, g.count) for g in tree.groups[:2]] == [("root", 1), ("repeat", 100)]


@pytest.mark.parametrize("seed", range(4))
def test_any_graph_with_any_names_becomes_a_tree(seed):
    rng = np.random.default_rng(seed)
    n = 60
    edges = {(int(a), int(b)) for a, b in np.sort(rng.integers(0, n, (90, 2)), axis=1) if a < b}
    modules = tuple(".".join(rng.choice(list("abc"), rng.integers(0, 4))) for _ in range(n))
    graph = bare(n, list(edges), rng.integers(0, 3, n).tolist())
    graph = graph.replace(columns={"module": modules})
    check(tree_of(graph), graph)
    picture = picture_of(graph)
    for fold in (0, 1, 2, 9, "auto"):
        found = folded(picture, fold)
        u, v = found.edges
        assert (u < v).all()


def quotient(picture: Picture, fold: int) -> dict[str, int]:
    found = folded(picture, fold)
    assert found.edges.max(initial=-1) < len(found.boxes)
    return {"boxes": len(found.boxes), "edges": found.edges.shape[1]}


def test_folding_shows_modules_to_a_depth():
    picture = picture_of(trace(Tower([8, 8, 8, 16]), torch.zeros(2, 8)))
    assert quotient(picture, 0) == {"boxes": 1, "edges": 0}
    # input; three times a block and a tanh; the other block; its tanh
    assert quotient(picture, 1) == {"boxes": 4, "edges": 3}
    assert [box.name for box in folded(picture, 1).boxes][2:] == ["blocks.3", "tanh"]
    deep = folded(picture, 2)
    assert [box.name for box in deep.boxes][1:5] == [
        "blocks.0.first", "relu", "blocks.0.second", "add",
    ]  # fmt: skip
    assert [box.count for box in deep.boxes] == [1, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1]
    skip = {(deep.boxes[u].name, deep.boxes[v].name) for u, v in deep.edges.T}
    assert ("input", "add") in skip and ("tanh", "blocks.0.first") not in skip
    assert quotient(picture, 9) == {"boxes": 11, "edges": 12}  # Linear is told by one box
