"""`build_graph`: the graph of a DeepNets-1M network by arithmetic, without module or tracing."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.deepnets.graphs.config import Edges, NetConfig
from graph2nn.deepnets.graphs.layout import CellSpec, Layout, is_connected, layout
from graph2nn.deepnets.graphs.templates import (
    Template,
    cell_template,
    head_template,
    op_template,
    stem_template,
)

__all__ = ["build_graph", "count_params", "is_connected", "num_nodes"]

Values = tuple[int, ...]


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
    states = list(stamp.add(_stem(config, plan), _stem_values(config, plan), (), "", 0))
    for k, spec in enumerate(plan.cells):
        if spec.plan is None:
            states.append(-1)  # nothing reads it
            continue
        template = _cell(config, spec, k)
        prefix = f"cells.{k}."
        states += stamp.add(template, _cell_values(spec), (states[k], states[k + 1]), prefix, k)
    head = head_template(config.glob_avg, max(config.fc_layers, 1) - 1)
    stamp.add(head, _head_values(config, plan), (states[-1],), "", config.n_cells - 1)
    return stamp.graph(name, config.num_classes)


def num_nodes(config: NetConfig) -> int:
    """Count the nodes of `build_graph(config)`, at a fraction of its time."""
    plan = layout(config)
    total = len(_stem(config, plan).op)
    for k, spec in enumerate(plan.cells):
        if spec.plan is not None:
            total += len(_cell(config, spec, k).op)
    return total + len(head_template(config.glob_avg, max(config.fc_layers, 1) - 1).op)


def count_params(config: NetConfig) -> int:
    """Count the parameters as published: with operations that cannot reach the output.

    The auxiliary head is not counted. `build_graph(config).num_params()` counts only what
    contributes.

    Raises:
        ValueError: The output does not depend on the input.
    """
    plan, norm = layout(config), config.has_norm
    stem = stem_template(_stem_kind(config), config.stem_pool, norm, True)
    total = stem.count(_stem_values(config, plan))
    for spec in plan.cells:
        strided = spec.stride == 2
        total += _ops_params(spec.edges, spec.c, strided, norm)
        if config.preproc:
            total += (spec.c_prev_prev + spec.c_prev + (4 if norm else 0)) * spec.c
    head = head_template(config.glob_avg, max(config.fc_layers, 1) - 1)
    return total + head.count(_head_values(config, plan))


@lru_cache(maxsize=4096)
def _ops_params(edges: Edges, c: int, strided: bool, norm: bool) -> int:
    return sum(_op_params(op, c, strided and state < 2, norm) for op, state in edges)


@lru_cache(maxsize=4096)
def _op_params(op: str, c: int, strided: bool, norm: bool) -> int:
    return op_template(op, strided, norm).count(_width_values(c, 0, 0))


def _width_values(c: int, c_prev_prev: int, c_prev: int) -> Values:
    inner = 8 * (c // 8)
    return (0, 1, 3, 5, 7, c, c // 2, c_prev_prev, c_prev, 3 * inner, inner)


def _cell_values(spec: CellSpec) -> Values:
    return _width_values(spec.c, spec.c_prev_prev, spec.c_prev)


def _stem_values(config: NetConfig, plan: Layout) -> Values:
    patch = 16 if config.imagenet_input else 3
    c, side = config.C, plan.pos_side
    return (0, 1, 3, 5, 7, c, c // 2, plan.c_stem, config.in_channels, config.ks, patch, side)


def _head_values(config: NetConfig, plan: Layout) -> Values:
    width = plan.c_out if config.glob_avg else plan.c_out * plan.side**2
    return (0, 1, 3, 5, 7, width, config.fc_dim, config.num_classes)


def _stem_kind(config: NetConfig) -> str:
    return "patch" if config.vit else ("simple", "imagenet")[config.stem_type]


def _stem(config: NetConfig, plan: Layout) -> Template:
    return stem_template(_stem_kind(config), config.stem_pool, config.has_norm, plan.uses_stem1)


def _cell(config: NetConfig, spec: CellSpec, k: int) -> Template:
    assert spec.plan is not None
    same = k == 0 and (config.vit or config.stem_type == 0)
    shape = spec.stride == 2, spec.shrink0, config.has_norm, config.preproc
    return cell_template(spec.edges, spec.concat, spec.plan, *shape, same)


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
