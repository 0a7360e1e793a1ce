"""Which layer classifies, and what becomes of it? As such, left alone, or as any other layer."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from ghn.config import GHNConfig
from ghn.decoding.parameter_targets import KERNELS, ParameterTarget, targets_of
from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice

__all__ = ["ClassLayers", "check_class_layers", "classifier_of", "targets_in", "targets_left"]

ClassLayers: TypeAlias = bool | Literal["auto"]
"""Whether the classification layer is predicted; `auto`: as an ordinary one, where it has another
number of classes than the hypernetwork's."""

_POOLS = {"glob_avg", "avg_pool", "max_pool"}


def check_class_layers(how: Any) -> None:
    """Refuse another value than those of `ClassLayers`.

    Raises:
        ValueError: Another value.
    """
    if not isinstance(how, bool):
        check_choice("predict_class_layers", how, (True, False, "auto"))


def targets_in(
    graph: ArchGraph,
    config: GHNConfig,
    how: ClassLayers,
    *,
    row: int = 0,
    index: int = 0,
    classifier: tuple[str, ...] | None = None,
) -> list[ParameterTarget]:
    """List what must be predicted for the published graph of a network.

    Args:
        graph: The graph.
        config: Configuration of the hypernetwork.
        how: What becomes of the classification layer.
        row, index: Number of the graph's first node, and of the graph, in the batch.
        classifier: Names of the parameters that are left alone if `how` is False; None for those of
            the graph's own last layer.

    Raises:
        ValueError: A classification layer of another size than the hypernetwork's.
    """
    check_class_layers(how)
    found = targets_of(graph, row=row, index=index, num_classes=config.num_classes)
    if how == "auto":
        return [_fitting(target, graph, config) for target in found]
    if not how:
        kept = classifier_of(graph) if classifier is None else classifier
        return [_ordinary(target) for target in found if target.name not in kept]
    sizes: dict[int, str] = {}
    for target in found:
        if target.kind.startswith("class"):
            sizes.setdefault(math.prod(target.shape[:1]), target.name)
    if graph.num_classes is not None and not sizes:
        sizes = {graph.num_classes: "the output"}
    for size, where in sizes.items():
        _check_size(size, where, graph, config)
    return found


def targets_left(
    graph: ArchGraph, left: Collection[str], config: GHNConfig, how: ClassLayers
) -> list[ParameterTarget]:
    """List what must be predicted for a graph with every parameter, of those in `left` only.

    Raises:
        ValueError: A classification layer of another size than the hypernetwork's.
    """
    classifier = classifier_of(graph)
    found = [target for target in targets_of(graph) if target.name in left]
    if not how:
        return [_ordinary(target) for target in found if target.name not in classifier]
    wrong = [t for t in found if t.kind == "class_weight" and not _fits(t, graph, config)]
    found = [_fitting(target, graph, config) for target in found]
    if how == "auto" or not wrong:
        return found
    meant = classifier[0] if classifier else wrong[0].name
    _check_size(graph.num_classes or graph.param_shapes[meant][0], meant, graph, config)
    kinds = {"matrix": "class_weight", "bias": "class_bias"}
    return [
        replace(t, kind=kinds.get(t.kind, t.kind)) if t.name in classifier else t for t in found
    ]


def classifier_of(graph: ArchGraph) -> tuple[str, ...]:
    """Name weight and bias of the layer that nothing but pooling follows; none if there is none."""
    node, ops = graph.num_nodes - 1, graph.op_names()
    while node > 0 and not graph.params[node] and ops[node] in _POOLS:
        node -= 1
    bias: tuple[str, ...] = ()
    if node > 0 and ops[node] == "bias":
        bias, node = graph.params[node], node - 1
    if node < 0 or ops[node] not in KERNELS or not graph.params[node]:
        return ()
    shape = graph.param_shapes[graph.params[node][0]]
    sizes = shape if len(shape) == 2 else shape[:1]  # the second axis, where data stand on the left
    return graph.params[node] + bias if graph.num_classes in (None, *sizes) else ()


def _fits(target: ParameterTarget, graph: ArchGraph, config: GHNConfig) -> bool:
    """Whether it has the hypernetwork's number of classes: as rows, or as columns of `x @ w`."""
    k, shape = config.num_classes, target.shape
    return k == math.prod(shape[:1]) or (len(shape) == 2 and k == shape[1] == graph.num_classes)


def _fitting(target: ParameterTarget, graph: ArchGraph, config: GHNConfig) -> ParameterTarget:
    """The target, as an ordinary one where it is of another size."""
    return target if _fits(target, graph, config) else _ordinary(target)


def _ordinary(target: ParameterTarget) -> ParameterTarget:
    """The target, decoded as an ordinary matrix or vector."""
    if not target.kind.startswith("class"):
        return target
    return replace(target, kind="matrix" if target.kind == "class_weight" else "bias")


def _check_size(size: int, where: str, graph: ArchGraph, config: GHNConfig) -> None:
    k = config.num_classes
    if size == k:
        return
    data = f" on {config.dataset!r}" if config.dataset else ""
    raise ValueError(
        f"the hypernetwork was trained{data} for {k} classes, but {where} of the network "
        f"{graph.name or ''} has {size}: build the network with num_classes={k}, choose a "
        "hypernetwork for its data set, or pass predict_class_layers=False to keep its last "
        'layer, predict_class_layers="auto" to predict it as an ordinary one'
    )
