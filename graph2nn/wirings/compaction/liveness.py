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
        even: those that are the same number at every position of every image.
        value: that number; for other nodes the part of their sum that is such a number.

    Shapes: (nodes,) bool; (nodes,) float64.
    """

    even: Tensor
    value: Tensor


@dataclass(eq=False)
class NodeLayer:
    """Nodes that are computed together, as evaluation computes them.

    A node takes its sum s to the map f * relu(scale · s + shift), f a 3x3 filter padded with zeros;
    with `centred`, the sum is first freed of its mean over positions and divided by its standard
    deviation. A node whose map after that is the same number everywhere is called even.

    Args:
        scale, shift: of the normalisation.
        filters: None where the activation itself is what leaves the node.
        centred: see above.
        linear: without ReLU.
        hears: for each layer that is heard its index and the weights, 0 where there is no edge.
        even_input: of a layer that hears the images, the nodes that do not.
        reads: whether the network's head reads the node.

    Attributes:
        sums: see `Sums`.
        quiet: even nodes; they add `sent` to whoever hears them.
        deaf: nodes whose activation is even, so that nothing they hear matters.
        useful: nodes that must be computed: they are not even, and reach an output.
        listens: of these the ones for which it matters what they hear.

    Shapes:
        scale, shift, and all attributes (nodes,); filters (nodes, 3, 3); weights (nodes, nodes of
        the other layer).
    """

    scale: Tensor
    shift: Tensor
    filters: Tensor | None
    centred: bool = False
    linear: bool = False
    hears: Sequence[tuple[int, Tensor]] = ()
    even_input: Tensor | None = None
    reads: Tensor | None = None
    sums: Sums = field(init=False)
    quiet: Tensor = field(init=False)
    sent: Tensor = field(init=False)
    deaf: Tensor = field(init=False)
    useful: Tensor = field(init=False)
    listens: Tensor = field(init=False)

    def __len__(self) -> int:
        return len(self.scale)

    def weight_from(self, layer: int) -> Tensor | None:
        """The weights of the edges from another layer, if it is heard."""
        return next((weight for index, weight in self.hears if index == layer), None)


def find_live(layers: Sequence[NodeLayer]) -> None:
    """Fill in the attributes of layers of which each hears only earlier ones.

    Forward from images and constants: which nodes vary. A node that hears nothing is even before
    its filter, but not after it unless it is zero, as the zeros around the map change the border;
    such nodes are kept. Backward from the outputs: which nodes are heard. As no edge runs back, one
    pass each way is the fixed point.

    Args:
        layers: in order of computation. The head reads those with `reads`.
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
        layer.quiet, layer.sent, layer.deaf = no, layer.sums.value, no
        layer.useful = layer.listens = ~no


def _forward(layers: Sequence[NodeLayer], layer: NodeLayer) -> None:
    value = torch.zeros(len(layer), dtype=torch.float64)
    even = torch.ones(len(layer), dtype=torch.bool)
    if layer.even_input is not None:
        even = layer.even_input.clone()
    for index, weight in layer.hears:
        source = layers[index]
        even &= ~(weight[:, ~source.quiet] != 0).any(1)
        value += weight[:, source.quiet].double() @ source.sent[source.quiet]
    layer.sums = Sums(even, value)
    layer.deaf = even | (layer.scale == 0)
    started = layer.shift.double()
    if not layer.centred:
        started = started + layer.scale.double() * torch.where(even, value, 0.0)
    activation = started if layer.linear else started.relu()
    layer.quiet, layer.sent = _after_filter(layer, layer.deaf, activation)


def _after_filter(layer: NodeLayer, even: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Which nodes send the same number everywhere, and that number (0 for others)."""
    if layer.filters is None:
        return even, torch.where(even, value, 0.0)
    taps = layer.filters.double().flatten(1)
    centre = taps.shape[1] // 2
    around = taps.clone()
    around[:, centre] = 0
    zero = ~taps.any(1) | (even & (value == 0))
    quiet = zero | (even & ~around.any(1))
    return quiet, torch.where(quiet & ~zero, value * taps[:, centre], 0.0)


def _backward(layers: Sequence[NodeLayer], index: int) -> None:
    layer = layers[index]
    heard = torch.zeros(len(layer), dtype=torch.bool)
    if layer.reads is not None:
        heard |= layer.reads
    for later in layers[index + 1 :]:
        weight = later.weight_from(index)
        if weight is not None:
            heard |= (weight[later.listens] != 0).any(0)
    layer.useful = heard & ~layer.quiet
    layer.listens = layer.useful & ~layer.deaf


def find_live_rounds(
    weight: Tensor, filters: Tensor, shift: Tensor, inputs: int, reads: Tensor
) -> tuple[Tensor, Tensor]:
    """The same where all nodes hear each other again and again, from zero states but the inputs.

    A node sends something from some round on if it is an input, if it would do so without hearing
    anything (shift above 0), or if it hears a node that sends. Iterated until nothing changes.

    Args:
        weight: of the edges, 0 where there is none.
        filters: of the nodes.
        shift: that a node has which hears nothing.
        inputs: number of input nodes, the first.
        reads: nodes that the head reads.

    Shapes:
        weight (nodes, nodes); filters (nodes, 3, 3); shift, reads (nodes,) ->
        (nodes,) bool: hears something that varies or not; (nodes,) bool: must be computed, where
        it is also needed in what it sends.
    """
    edges = weight != 0
    able = filters.flatten(1).any(1)
    sends = shift > 0
    sends[:inputs] = True
    sends &= able
    hears = (edges & sends).any(1)
    while True:
        more = sends | (hears & able)
        if torch.equal(more, sends):
            break
        sends = more
        hears = (edges & sends).any(1)
    needed = reads & hears
    while True:
        more = needed | (sends & edges[needed].any(0))
        if torch.equal(more, needed):
            return hears, needed
        needed = more
