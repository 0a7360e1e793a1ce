"""Which boxes does a folded drawing show? Modules to a depth, or as many as are readable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from graph2nn.archgraph.pictures.hierarchy import Group, Hierarchy
from graph2nn.archgraph.pictures.picture import Picture

__all__ = ["Box", "Fold", "Folded", "folded"]

Fold = int | Literal["auto"]

_MOST = 60  # boxes of an automatic fold


@dataclass(frozen=True)
class Box:
    """A node, or a group that is folded.

    Args:
        start, stop: Stretch of the hierarchy's order that it stands for.
        group: The group; None of a node.
        name: What to write into it.
        count: Number of equal blocks that it stands for.
    """

    start: int
    stop: int
    group: Group | None
    name: str
    count: int = 1


@dataclass(frozen=True, eq=False)
class Folded:
    """Boxes in a topological order, and the edges between them.

    Shapes:
        edges (2, E).
    """

    boxes: list[Box]
    edges: np.ndarray


def folded(picture: Picture, fold: Fold) -> Folded:
    """Fold a picture's modules; of equal blocks one behind the other the first is shown.

    Args:
        picture: The picture, which has modules.
        fold: Number of levels of modules that are unfolded; 0 is one box. "auto" unfolds level by
            level as long as there are 60 boxes at most, but at least one level.
    """
    tree = picture.hierarchy
    assert tree is not None
    if fold != "auto":
        return _view(picture, tree, _opened(tree, fold))
    deepest = max((tree.depth(g) for g in range(len(tree.groups))), default=0)
    best = _view(picture, tree, _opened(tree, 1))
    for depth in range(2, deepest + 2):
        found = _view(picture, tree, _opened(tree, depth))
        if len(found.boxes) > _MOST:
            break
        best = found
    return best


def _opened(tree: Hierarchy, depth: int) -> set[int]:
    """Groups above a depth, and blocks that stand for repeats; no modules of one operation."""
    opened: set[int] = set()
    level: list[int] = []
    for number, group in enumerate(tree.groups):  # parents first
        above = group.parent
        inside = above < 0 or above in opened
        block = above >= 0 and tree.groups[above].role == "repeat"
        level.append(0 if above < 0 else level[above] + (not block and group.role != "part"))
        if inside and (level[number] < depth or block) and not group.plain:
            opened.add(number)
    return opened


def _view(picture: Picture, tree: Hierarchy, opened: set[int]) -> Folded:
    shown = np.zeros(len(tree.order), dtype=np.int64)
    boxes: list[Box] = []
    single: list[Group] = []

    def visit(number: int, label: str, count: int) -> None:
        group = tree.groups[number]
        if number not in opened:
            shown[group.start : group.stop] = len(boxes)
            boxes.append(Box(group.start, group.stop, group, label or group.label, count))
            return
        if group.role == "repeat":
            visit(~group.items[0], label, count * group.count)
            length = (group.stop - group.start) // group.count
            first = shown[group.start : group.start + length]
            shown[group.start : group.stop] = np.tile(first, group.count)
            single.append(group)
            return
        for item in group.items:
            if item < 0:
                inner = tree.groups[~item]
                visit(~item, _joined(label, inner), count)
            else:
                shown[item] = len(boxes)
                own = tree.names[item] or picture.names[tree.order[item]]
                boxes.append(Box(item, item + 1, None, own, count))

    visit(0, "", 1)
    return Folded(boxes, _edges(picture, tree, shown, single))


def _joined(label: str, inner: Group) -> str:
    name = inner.label if inner.role in ("module", "repeat", "stretch") else ""
    return f"{label}.{name}" if label and name else label or name


def _edges(picture: Picture, tree: Hierarchy, shown: np.ndarray, single: list[Group]) -> np.ndarray:
    place = np.empty(len(tree.order), dtype=np.int64)
    place[tree.order] = np.arange(len(tree.order))
    moved = place[picture.edges]
    kept = np.ones(moved.shape[1], dtype=bool)
    for group in single:  # edges between blocks of which one is shown
        inside = ((moved >= group.start) & (moved < group.stop)).all(0)
        block = (moved - group.start) // ((group.stop - group.start) // group.count)
        kept &= ~(inside & (block[0] != block[1]))
    pairs = shown[moved[:, kept]]
    return np.unique(pairs[:, pairs[0] < pairs[1]], axis=1)
