"""`build_graph`: the graph of a DeepNets-1M network by arithmetic, without module or tracing."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.layout import is_connected, layout
from graph2nn.deepnets.graphs.parts import (
    Values,
    cell_of,
    cell_values,
    count_params,
    head_of,
    head_values,
    num_nodes,
    stem_of,
    stem_values,
)
from graph2nn.deepnets.graphs.templates import Template

__all__ = ["build_graph", "count_params", "is_connected", "num_nodes"]


def build_graph(config: NetConfig, *, name: str = "") -> ArchGraph:
    """Build the computational graph of `Network(config)` in DeepNets-1M's 15 primitives.

    Equal to the published graph (arXiv:2110.13100, section 3.1) up to the topological order:
    here cell after cell, as the network runs. Squeeze-and-excitation gates are always `cse` nodes;
    the original drops them where its node list interleaves them with other branches. The auxiliary
    head is left out. Operations that cannot reach the output have no nodes.

    Args:
        config: The network.
        name: Name of the graph, for messages.

    Raises:
        ValueError: The output does not depend on the input.
    """
    stamp = _Stamp()
    plan = layout(config)
    states = list(stamp.add(stem_of(config, plan), stem_values(config, plan), (), "", 0))
    for k, spec in enumerate(plan.cells):
        if spec.plan is None:
            states.append(-1)  # nothing reads it
            continue
        template = cell_of(config, spec, k)
        prefix = f"cells.{k}."
        states += stamp.add(template, cell_values(spec), (states[k], states[k + 1]), prefix, k)
    head = head_of(config)
    stamp.add(head, head_values(config, plan), (states[-1],), "", config.n_cells - 1)
    return stamp.graph(name, config.num_classes)


class _Stamp:
    """Collects stamped templates into the arrays of one graph."""

    def __init__(self) -> None:
        self.n = 0
        self.op: list[np.ndarray] = []
        self.shape: list[np.ndarray] = []
        self.edges: list[np.ndarray] = []
        self.outer: list[tuple[int, int]] = []
        self.cell: list[tuple[int, int]] = []
        self.params: list[tuple[str, ...]] = []
        self.param_shapes: dict[str, tuple[int, ...]] = {}
        self.known: dict[tuple[int, Values], tuple[np.ndarray, list[tuple[int, ...]]]] = {}

    def add(
        self, template: Template, values: Values, inputs: tuple[int, ...], prefix: str, cell: int
    ) -> list[int]:
        """Stamps a template behind the nodes `inputs`; returns the nodes of its outputs."""
        base = self.n
        key = (id(template), values)
        if key not in self.known:
            shapes = [tuple([values[c] for c in axes]) for axes in template.param_axes]
            self.known[key] = (np.array(values)[template.axes], shapes)
        shape, param_shapes = self.known[key]
        self.op.append(template.op)
        self.shape.append(shape)
        self.edges.append(template.edges + base)
        for source, targets in zip(inputs, template.from_in):
            self.outer += [(source, base + node) for node in targets]
        names = [prefix + name for name in template.names] if prefix else template.names
        self.params += [tuple(names[a:b]) for a, b in template.spans]
        self.param_shapes.update(zip(names, param_shapes))
        self.cell.append((cell, len(template.op)))
        self.n += len(template.op)
        return [base + out if out >= 0 else inputs[-1 - out] for out in template.outs]

    def graph(self, name: str, num_classes: int) -> ArchGraph:
        n = self.n
        pairs = np.concatenate([*self.edges, np.array(self.outer, dtype=np.int64).reshape(-1, 2)])
        # Inputs of a cell can be one node: the same edge may have been stamped twice.
        code = np.unique(pairs[:, 0] * n + pairs[:, 1])
        cells, counts = zip(*self.cell)
        return ArchGraph(
            op=np.concatenate(self.op),
            shape=np.concatenate(self.shape),
            edges=np.stack([code // n, code % n]),
            params=tuple(self.params),
            param_shapes=self.param_shapes,
            cell=np.repeat(cells, counts),
            name=name,
            num_classes=num_classes,
        )
