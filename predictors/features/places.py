"""Which operation of which width stands at each place from the input, and from the output?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph, canonical
from predictors.features.padded import ENDS
from predictors.features.space import Columns, Space

__all__ = ["places_columns"]

_PLACES = 128  # from either end; what lies further inside has no column


def places_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """Encode the nodes of canonical graphs one-hot by place, with the logarithms of their widths.

    Places are counted from the first node and, once more, from the last one, so that networks of
    different depth share those of their stems and of their heads. Smaller graphs have zeros.

    Args:
        graphs: Graphs of any sizes.
        space: Space with the operations, and with the size of the largest graph to learn from.

    Shapes:
        (B, F).
    """
    count = min(space.largest, _PLACES)
    every = [*space.ops, *ENDS]
    code = {op: k for k, op in enumerate(every)}
    one_hot = np.zeros((2, len(graphs), count, len(every)))
    width = np.zeros((2, len(graphs), count))
    for b, graph in enumerate(graphs):
        graph = canonical(graph)
        codes = np.array([code[op] for op in graph.op_names()])
        widths = np.log2(np.maximum(graph.shape[:, 0], 1))
        for end in range(2):
            for table, values in ((one_hot, np.eye(len(every))[codes]), (width, widths)):
                row = (values if end == 0 else values[::-1])[:count]
                table[end, b, : len(row)] = row
    names = [f"{end} {k} {op}" for end in ("first", "last") for k in range(count) for op in every]
    names += [f"{end} {k} log width" for end in ("first", "last") for k in range(count)]
    halves = [*one_hot.reshape(2, len(graphs), -1), *width]
    return names, np.concatenate(halves, axis=1)
