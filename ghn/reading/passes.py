"""Which graphs tell all parameters of a network? The published one first, others for the rest."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal, Protocol, TypeAlias

from torch import Tensor, nn

from ghn.checks import check_network, check_shapes
from ghn.config import GHNConfig
from ghn.decoding.parameter_targets import KERNELS, ParameterTarget
from ghn.reading.class_layers import (
    ClassLayers,
    check_class_layers,
    classifier_of,
    targets_in,
    targets_left,
)
from ghn.reading.examples import check_first_layer, example_for
from graph2nn.archgraph import ArchGraph, TraceError, trace
from graph2nn.archgraph.tracer import View
from graph2nn.names import check_choice

__all__ = ["Modes", "Pass", "Reader", "graph_of", "predictable", "read_network"]

Modes: TypeAlias = bool | Literal["both"]
"""Whether a network is traced in train mode; `both`: also in eval mode, for what is left."""

Pass: TypeAlias = tuple[list[ParameterTarget], Tensor]
"""Targets, and the states (N, h) of the nodes that they are decoded from."""


class Reader(Protocol):
    """What reading needs of a hypernetwork: its settings, and states of nodes."""

    config: GHNConfig

    @property
    def view(self) -> Literal["ghn2", "ghn3"]:
        """Which published graph it reads."""
        ...

    def encode(self, graphs: Sequence[ArchGraph]) -> Tensor:
        """Compute the states of all nodes, (N, h)."""
        ...


def predictable(model: nn.Module) -> dict[str, nn.Parameter]:
    """List the parameters that can be predicted, by name: all but those of whole numbers.

    Raises:
        ValueError: It has none, or is no network.
    """
    check_network(model)
    every = dict(model.named_parameters())
    found = {n: p for n, p in every.items() if p.is_floating_point() or p.is_complex()}
    if not found:
        kind = "no parameters but whole numbers" if every else "no parameters"
        raise ValueError(f"{type(model).__name__} has {kind}, so there is nothing to predict")
    return found


def graph_of(ghn: Reader, network: nn.Module | ArchGraph, input: Any) -> ArchGraph:
    """Return the graph that tells most of a network: the published one, unless it lacks layers.

    Where weights of layers have no node in it (3-d convolutions, recurrent layers), networks that
    differ in them would look the same, and the graph with every parameter is taken.

    Raises:
        ValueError: What cannot be read.
    """
    if isinstance(network, ArchGraph):
        return network
    check_network(network)
    input, graph = _input_and_graph(input, None)
    graphs = _Graphs(ghn, network, example_for(network, input, ghn.config, any_channels=False))
    graph = graph or graphs.get(True, ghn.view)
    left = {name for name, _ in network.named_parameters()}.difference(*graph.params)
    if left:
        full = graphs.get(True, "primitives")
        layers = {n for node, n, _ in full.parameters() if full.ops[full.op[node]] in KERNELS}
        graph = full if left & layers else graph
    return graph


def read_network(
    ghn: Reader,
    model: nn.Module,
    input: Any,
    *,
    graph: ArchGraph | None,
    class_layers: ClassLayers,
    training: Modes,
) -> Iterator[Pass]:
    """Read a network: the published graph, then whatever holds the parameters that are left.

    These are, as far as they are needed, the graph with every parameter, then both graphs in the
    other mode. A parameter that the forward pass did not reach because of the values that it saw
    (of an expert without tokens) is decoded from the node of its twin.

    Args:
        ghn: The hypernetwork.
        model: The network.
        input: Example input; a graph here is taken for `graph`.
        graph: The published graph, if at hand.
        class_layers: What becomes of the classification layer.
        training: Mode or modes in which the network is traced.

    Raises:
        ValueError: What cannot be read, is of another size, or has nothing to predict.
    """
    check_choice("training", training, (True, False, "both"))
    check_class_layers(class_layers)
    shapes = {name: tuple(p.shape) for name, p in predictable(model).items()}
    input, graph = _input_and_graph(input, graph)
    example = example_for(model, input, ghn.config, any_channels=class_layers == "auto")
    graphs = _Graphs(ghn, model, example)
    modes = (True, False) if training == "both" else (bool(training),)
    first = graph or graphs.get(modes[0], ghn.view)
    left = set(shapes).difference(*first.params)
    classifier = None
    if not class_layers and left:  # the whole graph knows better which layer is the last one
        classifier = classifier_of(graphs.get(modes[0], "primitives"))
    targets = targets_in(first, ghn.config, class_layers, classifier=classifier)
    check_shapes(first, shapes)
    found = _Found()
    yield found.add([t for t in targets if t.name in shapes], ghn.encode([first]))
    views: tuple[View, ...] = (ghn.view, "primitives")
    for mode, view in product(modes, views):
        if not left or (mode, view) == (modes[0], ghn.view):
            continue
        try:
            more = graphs.get(mode, view)
        except TraceError:
            if mode == modes[0]:
                raise
            continue  # networks that run in train mode only are as good as before
        here = left.intersection(name for names in more.params for name in names)
        targets = targets_left(more, here, ghn.config, class_layers)
        if targets:
            yield found.add(targets, ghn.encode([more]))
        left -= here
    if left and (first.note or graphs.by_values):
        yield from found.twins(left, shapes)
    if left:
        _warn(model, left, graphs.by_values, training)


def _input_and_graph(input: Any, graph: ArchGraph | None) -> tuple[Any, ArchGraph | None]:
    """Example input and graph, where the graph may have been given in the place of the input."""
    if not isinstance(input, ArchGraph):
        return input, graph
    if graph is not None:
        raise ValueError("got two graphs: pass the graph once, as input or as graph=")
    return None, input


class _Graphs:
    """The graphs of a network, each traced when it is first asked for."""

    def __init__(self, ghn: Reader, model: nn.Module, example: Any) -> None:
        self._ghn, self._model, self._example = ghn, model, example
        self._made: dict[tuple[bool, View], ArchGraph] = {}

    def get(self, training: bool, view: View) -> ArchGraph:
        """Return the graph of a view in a mode."""
        if (training, view) not in self._made:
            try:
                graph = trace(self._model, self._example, view=view, training=training)
            except TraceError as error:
                check_first_layer(self._model, error, self._ghn.config)
                raise
            self._made[training, view] = graph
        return self._made[training, view]

    @property
    def by_values(self) -> bool:
        """Whether the network saw values, which may decide what runs."""
        return any(graph.note for graph in self._made.values())


class _Found:
    """What was found so far: targets and states of nodes by name of the parameter."""

    def __init__(self) -> None:
        self._passes: list[Pass] = []

    def add(self, targets: list[ParameterTarget], x: Tensor) -> Pass:
        """Keep a pass and return it. Shapes: x (N, h)."""
        self._passes.append((targets, x))
        return targets, x

    def twins(self, left: set[str], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Pass]:
        """Find for each parameter that is left the one that differs by a number in its name.

        What is found is taken out of `left`.
        """
        nearest: dict[tuple[str, str], list[tuple[int, int, ParameterTarget]]] = defaultdict(list)
        for k, (targets, _) in enumerate(self._passes):
            for target in targets:
                for key, number in _masked(target.name):
                    nearest[key].append((number, k, target))
        passes: dict[int, list[ParameterTarget]] = defaultdict(list)
        for name in sorted(left):
            for key, number in _masked(name):
                twins = [one for one in nearest[key] if one[2].shape == shapes[name]]
                if twins:
                    _, k, target = min(twins, key=lambda one: (abs(one[0] - number), one[0]))
                    passes[k].append(replace(target, name=name))
                    left.discard(name)
                    break
        for k, targets in passes.items():
            yield targets, self._passes[k][1]


def _masked(name: str) -> Iterator[tuple[tuple[str, str], int]]:
    """What stands before and behind each number of a name, the last one first, and the number."""
    for match in reversed(list(re.finditer(r"\d+", name.rpartition(".")[0]))):
        yield (name[: match.start()], name[match.end() :]), int(match[0])


def _warn(model: nn.Module, left: set[str], by_values: bool, training: Modes) -> None:
    mode = "" if training == "both" else f" in {'train' if training else 'eval'} mode"
    where = " on this input" if by_values else ""
    more = "" if training == "both" else '; training="both" reads it in both modes'
    warnings.warn(
        f"{len(left)} parameters of {type(model).__name__} are not used by its forward pass"
        f"{mode}{where} and keep their values: {', '.join(sorted(left)[:5])}{more}",
        stacklevel=5,
    )
