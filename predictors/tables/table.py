"""`Table`: networks with labels, what is known of the labels, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graph2nn.archgraph import ArchGraph

__all__ = ["NoiseReference", "Table"]


@dataclass(frozen=True, kw_only=True)
class NoiseReference:
    """How well one noisy label orders networks by another: a reference, not a hard ceiling.

    A predictor that comes close to the mean over many runs can be better than a single run is.

    Args:
        tau: Kendall tau-b between the two.
        meaning: What the two labels are.
    """

    tau: float
    meaning: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A benchmark table.

    Args:
        name: Name of the table.
        graphs: Graphs, one a row; numbers known without training are in their `attributes`.
        targets: Label of every row for each target, NaN where there is none.
        default: The target meant when none is named.
        minimise: Targets of which less is better (errors, latencies, losses).
        subsets: Rows that a published protocol restricts itself to, as masks.
        group: Numbers of groups: rows with equal numbers must not be divided between training and
            test.
        split: The table's own training rows, as a mask, where it has such.
        test_size: Number of networks that the published protocol tests on.
        noise: References for the noise of targets.
        source: Publication to cite.

    Shapes:
        targets, subsets, group, split (N,) each.
    """

    name: str
    graphs: Sequence[ArchGraph]
    targets: Mapping[str, np.ndarray]
    default: str
    minimise: frozenset[str] = frozenset()
    subsets: Mapping[str, np.ndarray] = field(default_factory=dict)
    group: np.ndarray | None = None
    split: np.ndarray | None = None
    test_size: int = 2000
    noise: Mapping[str, NoiseReference] = field(default_factory=dict)
    source: str = ""

    def __len__(self) -> int:
        return len(self.graphs)

    def label(self, target: str | None = None) -> np.ndarray:
        """Return the labels of a target, (N,), NaN where there is none.

        Raises:
            ValueError: Unknown target (the message lists the known ones).
        """
        name = target or self.default
        if name not in self.targets:
            raise ValueError(
                f"table {self.name} has no target {name!r}; it has {', '.join(self.targets)}"
            )
        return self.targets[name]

    def rows(self, target: str | None = None, subset: str | None = None) -> np.ndarray:
        """Number the labelled rows, in the order of the table, (M,).



        Raises:
            ValueError: Unknown target or subset.
        """
        keep = np.isfinite(self.label(target))
        if subset is not None:
            if subset not in self.subsets:
                known = ", ".join(self.subsets) or "none"
                raise ValueError(f"table {self.name} has no subset {subset!r}; it has {known}")
            keep &= self.subsets[subset]
        return np.flatnonzero(keep)

    def higher_is_better(self, target: str | None = None) -> bool:
        """Tell whether larger values of the target are better."""
        return (target or self.default) not in self.minimise

    def __repr__(self) -> str:
        return f"Table({self.name!r}, rows={len(self)}, targets={len(self.targets)})"
