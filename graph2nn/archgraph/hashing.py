"""A key for caching what was computed from a graph."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["structural_hash"]


def structural_hash(graph: ArchGraph) -> str:
    """Hexadecimal SHA-256 of operation names, shapes, edges and parameter names and shapes.

    Equal for equal graphs in any process; the model's name, the note and the vocabulary's order
    do not count. Isomorphic graphs numbered differently differ.
    """
    digest = hashlib.sha256()
    head = [graph.op_names(), [list(names) for names in graph.params]]
    shapes = [[n, list(graph.param_shapes[n])] for names in graph.params for n in names]
    digest.update(json.dumps([*head, shapes], separators=(",", ":")).encode())
    for array in (graph.shape, graph.edges, graph.cell):
        digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
    return digest.hexdigest()
