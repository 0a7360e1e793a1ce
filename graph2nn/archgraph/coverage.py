"""Which parameters of a model its graph holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Parameters of a model, against the nodes of its graph.

    Args:
        total: Number of parameter tensors of the model (tied ones once).
        with_node: Number of them that a node of the graph carries.
        reaching_output: Number of them that have a node from which an output of the network is
            reached.
        missing: Names of the parameters without a node.
        cut_off: Names of the parameters with a node from which no output is reached.
        misshapen: Names of those whose shape in the graph is not the model's.
    """

    total: int
    with_node: int
    reaching_output: int
    missing: tuple[str, ...]
    cut_off: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every parameter has a node, of the right shape."""
        return not self.missing and not self.misshapen

    def __str__(self) -> str:
        lines = [
            f"{self.with_node} of {self.total} parameters have a node, "
            f"{self.reaching_output} reach an output"
        ]
        for label in ("missing", "cut_off", "misshapen"):
            names = getattr(self, label)
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                lines.append(f"{label}: {', '.join(names[:5])}{more}")
        return "\n".join(lines)


def coverage(graph: ArchGraph, model: nn.Module) -> Coverage:
    """Compare a graph with the model it was made from."""
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    node_of = {name: node for node, name, _ in graph.parameters()}
    reached = _reaches_output(graph)
    held = [n for n in shapes if n in node_of]
    wrong = tuple(n for n in held if tuple(graph.param_shapes[n]) != shapes[n])
    return Coverage(
        total=len(shapes),
        with_node=len(held),
        reaching_output=sum(bool(reached[node_of[n]]) for n in held),
        missing=tuple(n for n in shapes if n not in node_of),
        cut_off=tuple(n for n in held if not reached[node_of[n]]),
        misshapen=wrong,
    )


def _reaches_output(graph: ArchGraph) -> np.ndarray:
    reached = np.zeros(graph.num_nodes, dtype=bool)
    reached[list(graph.outputs) or slice(-1, None)] = True
    for source, target in reversed(graph.edges.T.tolist()):
        reached[source] |= reached[target]
    return reached
