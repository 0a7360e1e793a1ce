"""Settings of `GraphTokenizer`, and the published choices under a name."""

from __future__ import annotations

from dataclasses import dataclass

from archtokens.batch import SPECIAL_TOKENS
from archtokens.identifiers import identifier_width

__all__ = ["PRESETS", "TokenSettings"]


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """What the tokens of a graph are.

    Args:
        edges: Whether there is a token for every edge beside those of the nodes.
        identifiers: Kind of node identifiers, one of `archtokens.IDENTIFIERS`.
        width: Columns of identifiers that leave it open (d_p).
        special: Tokens before the nodes, from `[graph]` and `[null]`.
        features: Numbers of a node beside its operation: "sizes" (logarithms of its parameter's
            shape, and its cell) or "none".
        cutoff: Longest directed path that the distances tell from none; 0 for no distances.
        potential: Potential q of the magnetic Laplacian.
        max_nodes, max_edges: Larger graphs are refused; None for no limit.

    Raises:
        ValueError: A setting out of range.
    """

    edges: bool = True
    identifiers: str = "dag"
    width: int = 8
    special: tuple[str, ...] = ("[graph]",)
    features: str = "sizes"
    cutoff: int = 8
    potential: float = 0.1
    max_nodes: int | None = None
    max_edges: int | None = None

    def __post_init__(self) -> None:
        identifier_width(self.identifiers, self.width)
        if self.width < 1 or self.cutoff < 0:
            raise ValueError(
                f"expected width >= 1 and cutoff >= 0, got {self.width} and {self.cutoff}"
            )
        unknown = set(self.special) - set(SPECIAL_TOKENS[2:4])
        if unknown or len(set(self.special)) < len(self.special):
            raise ValueError(
                f"special: expected some of {', '.join(SPECIAL_TOKENS[2:4])}, each once, got "
                f"{self.special}"
            )
        if self.features not in ("sizes", "none"):
            raise ValueError(f"features: expected sizes or none, got {self.features!r}")
        for name in ("max_nodes", "max_edges"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"{name}: expected at least 1 or None, got {limit}")


PRESETS: dict[str, TokenSettings] = {
    "tart": TokenSettings(
        identifiers="laplacian",
        width=3,
        special=(),
        features="none",
        cutoff=0,
        max_nodes=600,
        max_edges=1000,
    ),
    "tokengt": TokenSettings(
        identifiers="orf", width=64, special=("[graph]", "[null]"), features="none", cutoff=0
    ),
    "tokengt-lap": TokenSettings(
        identifiers="laplacian",
        width=16,
        special=("[graph]", "[null]"),
        features="none",
        cutoff=0,
    ),
    "dag": TokenSettings(),
    "dag-nodes": TokenSettings(edges=False),
}
"""Settings by name. `tart` (arXiv:2501.02007): three Laplacian eigenvectors, at most 600 nodes and
1000 edges, pooling over tokens; corrected: the Laplacian is symmetric and of the graph itself,
edges are direct ones, padding is at the end and masked, indices are not inputs. `tokengt`
(arXiv:2207.02505): orthogonal random features of 64, or 16 Laplacian eigenvectors. `dag`: depths
and shortest paths, sizes, and distances for attention; `dag-nodes` without tokens of edges."""
