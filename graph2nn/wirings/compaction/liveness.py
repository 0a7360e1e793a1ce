"""Which nodes of a wiring can make a difference to the outputs, and what the others add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["NodeLayer", "Sums", "find_live", "find_live_rounds", "keep_all"]


@dataclass(eq=False)
class Sums:
    """What is known of the sums that arrive at the nodes of a layer.

    Attributes:
        constant: Sums that are the same number at every position of every image.
        value: Their number; for other nodes the part of their sum that is such a number.

    Shapes:
        constant (nodes,) bool; value (nodes,) float64.
    """

    constant: Tensor
    value: Tensor


@dataclass(eq=False)
class NodeLayer:
    """Nodes that are computed together, as evaluation computes them.

    A node takes its sum s to the map f * relu(scale · s + shift), f a 3x3 filter padded with zeros;
    with `centred`, the sum is first freed of its mean over positions and divided by its standard
    deviation. Called constant is what is the same number at every position of every image.

    Args:
        scale, shift: Factor and summand of the normalisation.
        filters: Filter of each node; None where the activation itself is what leaves the node.
        centred: Whether sums are normalised over positions, as above.
        linear: Whether nodes do without ReLU.
        sources: Index of each layer that sends to this one, and the weights, 0 where no edge is.
        constant_input: Nodes, of a layer that the images reach, that they do not reach.
        is_read: Whether the network's head reads the node.

    Attributes:
        sums: What is known of the sums that arrive; see `Sums`.
        dead_input: Nodes whose activation is constant, so that nothing they receive matters.
        dead_output: Nodes whose output is constant; they add `sent` to whoever receives it.
        sent: Number that these send, 0 for others.
        live: Nodes that must be computed: their output is not constant, and reaches the head.
        live_input: Nodes that are live, and for which it matters what they receive.

    Shapes:
        scale, shift, and all attributes (nodes,); filters (nodes, 3, 3); weights (nodes, nodes of
        the other layer).
    """

    scale: Tensor
    shift: Tensor
    filters: Tensor | None
    centred: bool = False
    linear: bool = False
    sources: Sequence[tuple[int, Tensor]] = ()
    constant_input: Tensor | None = None
    is_read: Tensor | None = None
    sums: Sums = field(init=False)
    dead_input: Tensor = field(init=False)
    dead_output: Tensor = field(init=False)
    sent: Tensor = field(init=False)
    live: Tensor = field(init=False)
    live_input: Tensor = field(init=False)

    def __len__(self) -> int:
        return len(self.scale)

    def weight_from(self, layer: int) -> Tensor | None:
        """Return the weights of the edges from another layer, or None where there are none.

        Shapes:
            -> (nodes, nodes of the other layer).
        """
        return next((weight for index, weight in self.sources if index == layer), None)


def find_live(layers: Sequence[NodeLayer]) -> None:
    """Fill in the attributes of layers of which each receives from earlier ones only.

    Forward from images and constants: which nodes vary. A node that receives nothing is constant
    before its filter, but not after it unless it is zero, as the zeros around the map change the
    border; such nodes are kept. Backward from the outputs: which nodes are received. As no edge
    runs back, one pass each way is the fixed point.

    Args:
        layers: Layers in order of computation. The head reads those with `is_read`.
    """
    for layer in layers:
        _forward(layers, layer)
    for index in reversed(range(len(layers))):
        _backward(layers, index)


def keep_all(layers: Sequence[NodeLayer]) -> None:
    """Fill in the attributes as if nothing could be left out."""
    for layer in layers:
        no = torch.zeros(len(layer), dtype=torch.bool)
        layer.sums = Sums(no, torch.zeros(len(layer), dtype=torch.float64))
        layer.dead_output, layer.sent, layer.dead_input = no, layer.sums.value, no
        layer.live = layer.live_input = ~no


def _forward(layers: Sequence[NodeLayer], layer: NodeLayer) -> None:
    value = torch.zeros(len(layer), dtype=torch.float64)
    constant = torch.ones(len(layer), dtype=torch.bool)
    if layer.constant_input is not None:
        constant = layer.constant_input.clone()
    for index, weight in layer.sources:
        source = layers[index]
        constant &= ~(weight[:, ~source.dead_output] != 0).any(1)
        value += weight[:, source.dead_output].double() @ source.sent[source.dead_output]
    layer.sums = Sums(constant, value)
    layer.dead_input = constant | (layer.scale == 0)
    started = layer.shift.double()
    if not layer.centred:
        started = started + layer.scale.double() * torch.where(constant, value, 0.0)
    activation = started if layer.linear else started.relu()
    layer.dead_output, layer.sent = _after_filter(layer, layer.dead_input, activation)


def _after_filter(layer: NodeLayer, constant: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Which nodes send the same number everywhere, and that number (0 for others)."""
    if layer.filters is None:
        return constant, torch.where(constant, value, 0.0)
    taps = layer.filters.double().flatten(1)
    centre = taps.shape[1] // 2
    around = taps.clone()
    around[:, centre] = 0
    zero = ~taps.any(1) | (constant & (value == 0))
    dead = zero | (constant & ~around.any(1))
    return dead, torch.where(dead & ~zero, value * taps[:, centre], 0.0)


def _backward(layers: Sequence[NodeLayer], index: int) -> None:
    layer = layers[index]
    received = torch.zeros(len(layer), dtype=torch.bool)
    if layer.is_read is not None:
        received |= layer.is_read
    for later in layers[index + 1 :]:
        weight = later.weight_from(index)
        if weight is not None:
            received |= (weight[later.live_input] != 0).any(0)
    layer.live = received & ~layer.dead_output
    layer.live_input = layer.live & ~layer.dead_input


def find_live_rounds(
    weight: Tensor, filters: Tensor, shift: Tensor, inputs: int, is_read: Tensor
) -> tuple[Tensor, Tensor]:
    """Find live nodes where all send to all, again and again, from zero states but the inputs.

    A node sends something from some round on if it is an input, if it would do so without receiving
    anything (shift above 0), or if it receives from a node that sends. Iterated until nothing
    changes.

    Args:
        weight: Weights of the edges, 0 where there is none.
        filters: Filter of each node.
        shift: State of a node that receives nothing.
        inputs: Number of input nodes, the first.
        is_read: Nodes that the head reads.

    Returns:
        Nodes that receive something, varying or not; and nodes that must be computed, where what
        they send is needed, too.

    Shapes:
        weight (nodes, nodes); filters (nodes, 3, 3); shift, is_read (nodes,) -> (nodes,) and
        (nodes,) bool.
    """
    edges = weight != 0
    able = filters.flatten(1).any(1)
    sends = shift > 0
    sends[:inputs] = True
    sends &= able
    receives = (edges & sends).any(1)
    while True:
        more = sends | (receives & able)
        if torch.equal(more, sends):
            break
        sends = more
        receives = (edges & sends).any(1)
    live = is_read & receives
    while True:
        more = live | (sends & edges[live].any(0))
        if torch.equal(more, live):
            return receives, live
        live = more
