"""`wiring_graph`: the graph of a network, in its present wiring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.graphs.graph import CARRY, HIDDEN, INPUT, OUTPUT, WiringGraph
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.tiny import StaticWiring, TinyWiring

__all__ = ["wiring_graph"]


def wiring_graph(model: nn.Module, *, split_outputs: bool = True) -> WiringGraph:
    """Build the graph of a network of this package, in its present wiring.

    Only edges in slots that the network uses are in it. In the static tiny network the output nodes
    of the last block are read and written anew; with `split_outputs` the written states are nodes
    of their own behind all others, joined to the read ones by edges of kind `CARRY`, so that the
    graph has no cycle. In the MobileNet the output nodes of a block are the input nodes of the
    next; a wired classifier adds the classes as output nodes. A single wired layer is a bipartite
    graph.

    Args:
        model: Tiny network, wired MobileNetV1, or one `WiredConv`.
        split_outputs: Whether written states are nodes of their own, as above; otherwise node v is
            row and column v of the weight.

    Raises:
        ValueError: The model is another one.

    Examples:
        >>> graph = wiring_graph(StaticWiring("dnw"))
        >>> graph, graph.is_ordered
        (WiringGraph('static, dnw', nodes=900, edges=32000), True)
    """
    for cls, build in _BUILDERS.items():
        if isinstance(model, cls):
            return build(model, split_outputs)
    names = ", ".join(cls.__name__ for cls in _BUILDERS)
    raise ValueError(f"expected one of {names}, got {type(model).__name__}")


def _edges(layer: WiredConv) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column, row and weight of each legal edge; of a larger kernel the sum of magnitudes."""
    mask = layer.edges(legal=True)
    weight = layer.weight.detach() * mask
    joined = mask.flatten(2).any(2).cpu().numpy()
    flat = weight.flatten(2)
    value = (flat[..., 0] if flat.shape[2] == 1 else flat.abs().sum(2)).float().cpu().numpy()
    rows, columns = np.nonzero(joined)
    return columns, rows, value[rows, columns]


def _tiny(model: TinyWiring, split_outputs: bool) -> WiringGraph:
    nodes, outputs = model.nodes, model.outputs
    source, target, weight = _edges(model.wires)
    role = np.full(nodes, HIDDEN)
    role[: model.inputs], role[-outputs:] = INPUT, OUTPUT
    operation: list[tuple[str, int] | None] = [("depthwise.weight", v) for v in range(nodes)]
    static = isinstance(model, StaticWiring)
    sizes = model.blocks if isinstance(model, StaticWiring) else _by_role(model)
    block = np.repeat(np.arange(len(sizes)), sizes)
    kind = np.zeros(len(source), dtype=np.int64)
    if static and split_outputs:
        target = np.where(source >= nodes - sizes[-1], target + outputs, target)
        written = np.arange(nodes, nodes + outputs)
        source = np.concatenate([source, written - outputs])
        target = np.concatenate([target, written])
        weight = np.concatenate([weight, np.ones(outputs, weight.dtype)])
        kind = np.concatenate([kind, np.full(outputs, CARRY)])
        role[-outputs:] = HIDDEN
        role = np.concatenate([role, np.full(outputs, OUTPUT)])
        block = np.concatenate([block, np.full(outputs, len(sizes))])
        operation += [None] * outputs
    rounds = model.layers if model.setting == "discrete_time" else int(static and split_outputs)
    name = f"{model.setting}, {model.wires.kind}"
    return _sorted(source, target, weight, kind, role, block, operation, rounds, name)


def _by_role(model: TinyWiring) -> tuple[int, int, int]:
    return model.inputs, model.nodes - model.inputs - model.outputs, model.outputs


def _mobilenet(model: WiredMobileNetV1, split_outputs: bool) -> WiringGraph:
    blocks = model.wired_blocks
    parts: list[tuple[np.ndarray, ...]] = []
    operation: list[tuple[str, int] | None] = []
    block_of: list[int] = []
    start = 0
    for number, block in enumerate(blocks):
        source, target, weight = _edges(block.wires)
        parts.append((source + start, target + start + block.inputs, weight))
        senders = sum(block.sizes)
        name = f"blocks.{number}.depthwise.weight"
        operation += [(name, index) for index in range(senders)]
        block_of += [number] * senders
        start += senders
    outputs = blocks[-1].outputs
    operation, block_of = operation + [None] * outputs, block_of + [len(blocks)] * outputs
    last = outputs
    if isinstance(model.head, WiredConv):
        source, target, weight = _edges(model.head)
        parts.append((source + start, target + start + outputs, weight))
        last = model.head.out_channels
        operation += [None] * last
        block_of += [len(blocks) + 1] * last
    role = np.full(len(operation), HIDDEN)
    role[: blocks[0].inputs], role[-last:] = INPUT, OUTPUT
    source, target, weight = (np.concatenate(column) for column in zip(*parts))
    kind = np.zeros(len(source), dtype=np.int64)
    name = f"mobilenetv1, {blocks[0].wires.kind}"
    return _sorted(source, target, weight, kind, role, np.array(block_of), operation, 1, name)


def _single(layer: WiredConv, split_outputs: bool) -> WiringGraph:
    source, target, weight = _edges(layer)
    sizes = (layer.in_channels, layer.out_channels)
    return _sorted(
        source,
        target + layer.in_channels,
        weight,
        np.zeros(len(source), dtype=np.int64),
        np.repeat([INPUT, OUTPUT], sizes),
        np.repeat([0, 1], sizes),
        [None] * sum(sizes),
        1,
        layer.kind,
    )


def _sorted(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    kind: np.ndarray,
    role: np.ndarray,
    block: np.ndarray,
    operation: list[tuple[str, int] | None],
    rounds: int,
    name: str,
) -> WiringGraph:
    order = np.lexsort((target, source))
    return WiringGraph(
        source=source[order],
        target=target[order],
        weight=weight[order],
        kind=kind[order],
        role=role,
        block=block,
        operation=tuple(operation),
        rounds=rounds,
        name=name,
    )


_BUILDERS: dict[type, Callable[..., WiringGraph]] = {
    TinyWiring: _tiny,
    WiredMobileNetV1: _mobilenet,
    WiredConv: _single,
}
