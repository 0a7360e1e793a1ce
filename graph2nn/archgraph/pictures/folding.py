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

    Raises:
        ValueError: `fold` is neither.
    """
    tree = picture.hierarchy
    assert tree is not None
    if fold != "auto" and (not isinstance(fold, int) or fold < 0):
        raise ValueError(f'fold: expected a number of levels from 0 up or "auto", got {fold!r}')
    if fold != "auto":
        return _view(picture, tree, _opened(tree, fold))
    deepest = max(tree.levels(), default=0)
    best = _view(picture, tree, _opened(tree, 1))
    for depth in range(2, deepest + 2):
        found = _view(picture, tree, _opened(tree, depth))
        if len(found.boxes) > _MOST:
            break
        best = found
    return best


def _opened(tree: Hierarchy, depth: int) -> set[int]:
    """Groups above a depth; modules of one operation tell nothing more unfolded."""
    opened: set[int] = set()
    for number, (group, level) in enumerate(zip(tree.groups, tree.levels())):
        inside = group.parent < 0 or group.parent in opened  # parents come first
        if inside and level < depth and not group.plain:
            opened.add(number)
    return opened


def _view(picture: Picture, tree: Hierarchy, opened: set[int]) -> Folded:
    shown = np.zeros(len(tree.order), dtype=np.int64)
    boxes: list[Box] = []
    single: list[Group] = []

    def visit(number: int, outer: str, count: int) -> None:
        group = tree.groups[number]
        named = group.role in ("module", "repeat", "stretch") and bool(group.label)
        label = f"{outer}.{group.label}" if outer and named else group.label if named else outer
        if number not in opened:
            shown[group.start : group.stop] = len(boxes)
            boxes.append(Box(group.start, group.stop, group, label or group.label, count))
            return
        if group.role == "repeat":
            visit(~group.items[0], outer, count * group.count)
            length = (group.stop - group.start) // group.count
            first = shown[group.start : group.start + length]
            shown[group.start : group.stop] = np.tile(first, group.count)
            single.append(group)
            return
        for item in group.items:
            if item < 0:
                visit(~item, label if number else "", count)
                continue
            shown[item] = len(boxes)
            own = tree.names[item] or picture.names[tree.order[item]]
            name = f"{label}.{own}" if number and tree.names[item] and label else own
            boxes.append(Box(item, item + 1, None, name, count))

    visit(0, "", 1)
    return Folded(boxes, _edges(picture, tree, shown, single))


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
