"""Numbers known without training (zero-cost proxies, parameters, FLOPs) as features."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice

__all__ = ["SCALES", "AttributeScaler", "attribute_names"]

SCALES = ("rank", "log", "none")
"""Spread evenly by rank among the training networks; sign(x) log(1 + |x|); or as they are."""


def attribute_names(graphs: Sequence[ArchGraph], patterns: Sequence[str]) -> list[str]:
    """List the attributes of any of the graphs that match a pattern, sorted.

    Patterns are those of file names.

    Raises:
        ValueError: A pattern that matches nothing; the message lists what there is.
    """
    known = sorted({name for graph in graphs for name in graph.attributes})
    chosen = []
    for pattern in patterns:
        hits = [name for name in known if fnmatchcase(name, pattern)]
        if not hits:
            have = ", ".join(known) or "none"
            raise ValueError(
                f"no graph has an attribute like {pattern!r}; theirs are: {have}. Compute some "
                "with predictors.proxies, or pass attributes=()"
            )
        chosen += [name for name in hits if name not in chosen]
    return sorted(chosen)


class AttributeScaler:
    """Attributes of graphs as columns of comparable scale.

    Proxies run over many orders of magnitude. Missing and non-finite values become 0, the middle of
    the scale `rank`, and a second column says which they were, where any were in training.

    Args:
        patterns: Patterns of the names wanted.
        scale: One of `SCALES`.

    Raises:
        ValueError: An unknown scale.
    """

    def __init__(self, patterns: Sequence[str], scale: str = "rank") -> None:
        check_choice("scale", scale, SCALES)
        self.patterns, self.scale = tuple(patterns), scale

    def fit(self, graphs: Sequence[ArchGraph]) -> AttributeScaler:
        """Learn names and ranks from the training networks."""
        self.names_ = attribute_names(graphs, self.patterns)
        raw = self._raw(graphs)
        self.gaps_ = ~np.isfinite(raw).all(0)
        self.knots_ = [_knots(column[np.isfinite(column)]) for column in raw.T]
        return self

    def columns(self) -> list[str]:
        """List the names of the columns of `transform`."""
        return [*self.names_, *(f"no {n}" for n, gap in zip(self.names_, self.gaps_) if gap)]

    def transform(self, graphs: Sequence[ArchGraph]) -> np.ndarray:
        """Tabulate the attributes: N graphs -> (N, F)."""
        raw = self._raw(graphs)
        known = np.isfinite(raw)
        values = np.zeros_like(raw)
        for k, (labels, ranks) in enumerate(self.knots_):
            here = raw[known[:, k], k]
            if self.scale == "rank" and len(labels):
                here = np.interp(here, labels, ranks)
            elif self.scale == "log":
                here = np.sign(here) * np.log1p(np.abs(here))
            values[known[:, k], k] = here
        return np.concatenate([values, (~known[:, self.gaps_]).astype(float)], axis=1)

    def _raw(self, graphs: Sequence[ArchGraph]) -> np.ndarray:
        rows = [[graph.attributes.get(n, np.nan) for n in self.names_] for graph in graphs]
        return np.array(rows, dtype=np.float64).reshape(len(graphs), len(self.names_))


def _knots(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values and their places in [-1, 1]."""
    labels, counts = np.unique(values, return_counts=True)
    if not len(labels):
        return labels, labels
    middle = np.cumsum(counts) - (counts + 1) / 2
    return labels, 2 * middle / max(len(values) - 1, 1) - 1
