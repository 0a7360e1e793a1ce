"""A plain twin of `GraphTokenizer`: one token after another, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from archtokens.batch import EDGE, NODE, SPECIAL, SPECIAL_TOKENS, TokenBatch
from archtokens.identifiers import RANDOM_IDENTIFIERS, identify
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.paths import path_lengths_reference
from graph2nn.archgraph.stack import GraphStack

__all__ = ["tokenize_reference"]


def tokenize_reference(
    tokenizer: GraphTokenizer, graphs: Sequence[ArchGraph], *, seed: int = 0
) -> TokenBatch:
    """Tokenise graphs token by token, with the result of `tokenizer(graphs)`.

    Args:
        tokenizer: The tokenizer whose settings and vocabulary count.
        graphs: The graphs.
        seed: Seed of random identifiers; fixed ones have fixed signs.
    """
    settings = tokenizer.settings
    rng = np.random.default_rng(seed) if settings.identifiers in RANDOM_IDENTIFIERS else None
    parts = [
        identify(
            settings.identifiers,
            GraphStack.of([graph]),
            settings.width,
            rng=rng,
            potential=settings.potential,
        )
        for graph in graphs
    ]
    rows = [_sequence(tokenizer, graph, part) for graph, part in zip(graphs, parts)]
    length, n = max(map(len, rows)), max(graph.num_nodes for graph in graphs)
    blank = (0, 0, -1, -1, [0.0] * tokenizer.identifier_width, [0.0] * tokenizer.feature_width)
    columns = list(zip(*(token for row in rows for token in row + [blank] * (length - len(row)))))
    shape = (len(graphs), length)
    token, kind, u, v = (torch.tensor(column).view(shape) for column in columns[:4])
    vectors, features = (
        torch.tensor(column, dtype=torch.float32).view(*shape, -1) for column in columns[4:]
    )
    distance = torch.full((len(graphs), n, n), -1, dtype=torch.int16)
    for k, graph in enumerate(graphs):
        _fill_distances(distance[k], graph, settings.cutoff)
    return TokenBatch(
        token=token,
        kind=kind,
        u=u,
        v=v,
        identifiers=vectors.reshape(*shape, tokenizer.identifier_width),
        features=features.reshape(*shape, tokenizer.feature_width),
        distance=distance if settings.cutoff else None,
        nodes=torch.tensor([graph.num_nodes for graph in graphs]),
        edges=torch.tensor([graph.num_edges * settings.edges for graph in graphs]),
    )


def _sequence(tokenizer: GraphTokenizer, graph: ArchGraph, vectors: np.ndarray) -> list[tuple]:
    settings = tokenizer.settings
    row = {name: k for k, name in enumerate(tokenizer.vocabulary)}
    points = vectors.tolist()
    no_numbers = [0.0] * tokenizer.feature_width
    none = [0.0] * tokenizer.identifier_width
    tokens: list[tuple] = [
        (SPECIAL_TOKENS.index(name), SPECIAL, -1, -1, none, no_numbers) for name in settings.special
    ]
    for k, name in enumerate(graph.op_names()):
        sizes = [np.log2(1 + s) / 8 for s in (*graph.shape[k].tolist(), int(graph.cell[k]))]
        features = sizes if settings.features == "sizes" else no_numbers
        tokens.append((row[name], NODE, k, k, points[k] + points[k], features))
    if settings.edges:
        for u, v in graph.edges.T.tolist():
            pair = points[u] + points[v]
            tokens.append((SPECIAL_TOKENS.index("[edge]"), EDGE, u, v, pair, no_numbers))
    return tokens


def _fill_distances(table: torch.Tensor, graph: ArchGraph, cutoff: int) -> None:
    if cutoff:
        lengths = path_lengths_reference(graph.edges, graph.num_nodes, cutoff).tolist()
        for u in range(graph.num_nodes):
            for v in range(graph.num_nodes):
                if u == v or lengths[u][v]:
                    table[u, v] = lengths[u][v]
