"""`GraphTokenizer`: graphs as sequences of node and edge tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from archtokens.batch import EDGE, NODE, SPECIAL, SPECIAL_TOKENS, TokenBatch
from archtokens.identifiers import RANDOM_IDENTIFIERS, identifier_width, identify
from archtokens.settings import PRESETS, TokenSettings
from graph2nn.archgraph import PRIMITIVES, ArchGraph
from graph2nn.archgraph.stack import GraphStack
from graph2nn.cells import CELL_OPS
from graph2nn.names import check_choice

__all__ = ["KNOWN_OPS", "GraphTokenizer"]

KNOWN_OPS: tuple[str, ...] = tuple(dict.fromkeys((*CELL_OPS, *PRIMITIVES, "node")))
"""Operations known without `fit`: cells of the benchmarks, DeepNets primitives, relational."""

_FEATURES = 5


class GraphTokenizer:
    """Tokenizer of graphs: one token a node, one an edge, padded at the end.

    "Pure Transformers are Powerful Graph Learners" (TokenGT, arXiv:2207.02505, section 2), as TART
    (arXiv:2501.02007) uses it on architectures. A token has an operation (or says that it is an
    edge), a type identifier, and the identifiers of the nodes it touches: [P_u ; P_u] for node u,
    [P_u ; P_v] for the edge u → v, whose order is its direction. All graphs are treated at once.

    Args:
        settings: What tokens are; None for the preset `dag`.
        ops: Operations of the vocabulary; `fit` adds those of its graphs.
        changes: Settings that differ, such as `identifiers="magnetic"`.

    Raises:
        ValueError: A setting out of range, or a repeated operation.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> tokens = GraphTokenizer.preset("dag")([nb201_cell([2, 1, 0, 2, 4, 3])])
        >>> tokens.length, tokens.mask.all().item()
        (19, True)
    """

    def __init__(
        self,
        settings: TokenSettings | None = None,
        *,
        ops: Iterable[str] = KNOWN_OPS,
        **changes: Any,
    ) -> None:
        self.settings = replace(settings or PRESETS["dag"], **changes)
        self.ops = tuple(ops)
        if len(set(self.ops)) < len(self.ops):
            raise ValueError(f"ops: expected different operations, got {self.ops}")

    @classmethod
    def preset(cls, name: str, *, ops: Iterable[str] = KNOWN_OPS, **changes: Any) -> GraphTokenizer:
        """Make a tokenizer with the settings of `PRESETS[name]`.

        Raises:
            ValueError: No such preset.
        """
        check_choice("preset", name, PRESETS)
        return cls(PRESETS[name], ops=ops, **changes)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Special tokens, then operations: `TokenBatch.token` counts in it."""
        return SPECIAL_TOKENS + self.ops

    @property
    def identifier_width(self) -> int:
        """Columns of `TokenBatch.identifiers` (two node identifiers)."""
        return 2 * identifier_width(self.settings.identifiers, self.settings.width)

    @property
    def feature_width(self) -> int:
        """Columns of `TokenBatch.features`."""
        return _FEATURES if self.settings.features == "sizes" else 0

    def fit(self, graphs: Sequence[ArchGraph]) -> GraphTokenizer:
        """Add the operations of the graphs to the vocabulary, behind those it has."""
        found = {name for graph in graphs for name in set(graph.op_names())}
        self.ops += tuple(sorted(found - set(self.ops)))
        return self

    def __call__(
        self,
        graphs: Sequence[ArchGraph],
        *,
        seed: int | None = None,
        generator: np.random.Generator | None = None,
    ) -> TokenBatch:
        """The tokens of some graphs.

        Args:
            graphs: at least one.
            seed, generator: either draws random identifiers, and signs of Laplacian eigenvectors
                (training); without them signs are fixed, and random identifiers use seed 0.

        Raises:
            ValueError: No graphs, one without nodes, too large a one, or an unknown operation.
        """
        if isinstance(graphs, ArchGraph) or not len(graphs):
            raise ValueError("expected a list of at least one ArchGraph to tokenise")
        stack = GraphStack.of(graphs)
        self._check_sizes(stack)
        rng = generator if generator is not None or seed is None else np.random.default_rng(seed)
        if rng is None and self.settings.identifiers in RANDOM_IDENTIFIERS:
            rng = np.random.default_rng(0)
        s = self.settings
        vectors = identify(s.identifiers, stack, s.width, rng=rng, potential=s.potential)
        return self._assemble(stack, vectors)

    def refresh(self, tokens: TokenBatch, generator: np.random.Generator) -> TokenBatch:
        """Draw random identifiers anew, or flip the signs of eigenvectors, in the same tokens.

        For training on tokens that were made once; other identifiers stay as they are.
        """
        kind, half = self.settings.identifiers, self.identifier_width // 2
        if kind == "laplacian":
            signs = generator.choice([-1.0, 1.0], size=(len(tokens), 1, half)).astype(np.float32)
            both = torch.from_numpy(np.concatenate([signs, signs], axis=2))
            flipped = tokens.identifiers * both.to(tokens.identifiers.device)
            return replace(tokens, identifiers=flipped)
        if kind not in RANDOM_IDENTIFIERS:
            return tokens
        table = np.zeros((len(tokens), int(tokens.nodes.max()) + 1, half), dtype=np.float32)
        for k, n in enumerate(tokens.nodes.tolist()):
            stack = _only_sizes(n)
            table[k, :n] = identify(kind, stack, self.settings.width, rng=generator)
        rows = np.arange(len(tokens))[:, None]  # -1, no node, reads the last row: zeros
        pair = [table[rows, end.cpu().numpy()] for end in (tokens.u, tokens.v)]
        drawn = torch.from_numpy(np.concatenate(pair, axis=2))
        return replace(tokens, identifiers=drawn.to(tokens.identifiers.device))

    def state(self) -> dict[str, Any]:
        """Return plain values from which `from_state` makes an equal tokenizer."""
        return {"settings": asdict(self.settings), "ops": list(self.ops)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> GraphTokenizer:
        """Make the tokenizer whose `state` these values are."""
        settings = dict(state["settings"], special=tuple(state["settings"]["special"]))
        return cls(TokenSettings(**settings), ops=state["ops"])

    def _check_sizes(self, stack: GraphStack) -> None:
        limits = ((stack.nodes, "node"), (stack.edges, "edge"))
        for counts, what in limits:
            limit = getattr(self.settings, f"max_{what}s")
            if limit is not None and counts.max() > limit:
                k = int(counts.argmax())
                raise ValueError(
                    f"graph {k} ({stack.graphs[k].name or 'unnamed'}) has {counts[k]} {what}s, "
                    f"more than the limit of {limit}; set max_{what}s=None to tokenise it"
                )
        if stack.nodes.min() == 0:
            raise ValueError(f"graph {int(stack.nodes.argmin())} has no nodes")

    def _node_tokens(self, stack: GraphStack) -> np.ndarray:
        """Row of the vocabulary of every node, through one table a set of operation names."""
        row = {name: k for k, name in enumerate(self.vocabulary)}
        tables: dict[tuple[str, ...], np.ndarray] = {}
        out = np.empty(stack.total, dtype=np.int64)
        for k, graph in enumerate(stack.graphs):
            if graph.ops not in tables:
                tables[graph.ops] = np.array([row.get(name, -1) for name in graph.ops])
            rows = tables[graph.ops][graph.op]
            if rows.min() < 0:
                name = graph.ops[graph.op[rows.argmin()]]
                raise ValueError(
                    f"graph {k} ({graph.name or 'unnamed'}) has the operation {name!r}, which "
                    f"this tokenizer does not know; known are {', '.join(self.ops)}. Call "
                    "fit(graphs) or pass ops="
                )
            out[stack.offsets[k] : stack.offsets[k + 1]] = rows
        return out

    def _assemble(self, stack: GraphStack, vectors: np.ndarray) -> TokenBatch:
        special, with_edges = self.settings.special, self.settings.edges
        edges = stack.edges if with_edges else np.zeros_like(stack.edges)
        shape = (len(stack.graphs), len(special) + int((stack.nodes + edges).max()))
        graph = stack.node_graph()
        local = np.arange(stack.total) - stack.offsets[graph]
        at = (graph, len(special) + local)
        token, kind = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        u, v = np.full(shape, -1), np.full(shape, -1)
        pair = np.zeros((*shape, self.identifier_width), dtype=np.float32)
        features = np.zeros((*shape, self.feature_width), dtype=np.float32)
        for k, name in enumerate(special):
            token[:, k], kind[:, k] = SPECIAL_TOKENS.index(name), SPECIAL
        token[at], kind[at], u[at], v[at] = self._node_tokens(stack), NODE, local, local
        pair[at] = np.concatenate([vectors, vectors], axis=1)
        if self.feature_width:
            features[at] = _sizes(stack)
        if with_edges:
            g, source, target = stack.edge_graph, stack.source, stack.target
            first = np.cumsum(stack.edges) - stack.edges
            here = (g, len(special) + stack.nodes[g] + np.arange(len(g)) - first[g])
            token[here], kind[here] = SPECIAL_TOKENS.index("[edge]"), EDGE
            u[here], v[here] = source - stack.offsets[g], target - stack.offsets[g]
            pair[here] = np.concatenate([vectors[source], vectors[target]], axis=1)
        arrays = {"token": token, "kind": kind, "u": u, "v": v, "nodes": stack.nodes}
        arrays |= {"identifiers": pair, "features": features, "edges": edges}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
        return TokenBatch(**tensors, distance=_distances(stack, self.settings.cutoff))


def _sizes(stack: GraphStack) -> np.ndarray:
    """log2(1 + size) / 8 of the four axes of a node's parameter, and of its cell's number."""
    shape = np.concatenate([graph.shape for graph in stack.graphs])
    cell = np.concatenate([graph.cell for graph in stack.graphs])
    return np.log2(1.0 + np.concatenate([shape, cell[:, None]], axis=1)) / 8


def _distances(stack: GraphStack, cutoff: int) -> torch.Tensor | None:
    if cutoff == 0:
        return None
    n = int(stack.nodes.max())
    out = np.full((len(stack.graphs), n, n), -1, dtype=np.int16)
    for k, graph in enumerate(stack.graphs):
        length, size = graph.distances(cutoff), graph.num_nodes
        np.copyto(out[k, :size, :size], length, where=length > 0)
    rows = np.arange(stack.total) - stack.offsets[stack.node_graph()]
    out[stack.node_graph(), rows, rows] = 0
    return torch.from_numpy(out)


def _only_sizes(nodes: int) -> GraphStack:
    """A stack of one graph of which only the number of nodes matters."""
    none = np.zeros(0, dtype=np.int64)
    return GraphStack((), np.array([nodes]), none, np.array([0, nodes]), none, none, none)
