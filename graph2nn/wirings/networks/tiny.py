"""The tiny classifiers whose 800 channels are the nodes of one graph: static and discrete time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.runs import seeded
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.slots import Rectangle, Slots

__all__ = [
    "DiscreteTimeWiring",
    "StaticWiring",
    "TinyStem",
    "TinyWiring",
    "crop_window",
    "head_window",
    "legacy_random_slots",
    "node_norm",
    "static_blocks",
    "stem_strides",
]

_STEM_WIDTH, _EPS = 16, 1e-5


class TinyStem(nn.Sequential):
    """Images to the input nodes, at a quarter of the height by default.

    Args:
        in_channels, nodes: Numbers of channels that come in and that go out.
        strides: Strides of its two 3x3 convolutions.

    Shapes:
        (B, C, H, W) -> (B, nodes, ⌈H/s⌉, ⌈W/s⌉), s the product of the strides.
    """

    def __init__(self, in_channels: int, nodes: int, strides: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        width, (first, second) = _STEM_WIDTH, strides
        self.conv = nn.Conv2d(in_channels, width, 3, stride=first, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.depthwise = nn.Conv2d(width, width, 3, stride=second, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, nodes, 1)
        self.pointwise_norm = nn.BatchNorm2d(nodes)


class TinyWiring(nn.Module):
    """What the three tiny classifiers share: stem, wiring, a 3x3 filter a node, head.

    arXiv:1906.00586, section 3.1. Each of `nodes` channels is a node whose state is a map, 8x8 for
    CIFAR-10. The first `inputs` of them hold the stem's output, the last `outputs` feed the linear
    classifier, which averages only the 2x2 positions that begin two rows and columns before the
    middle's end (rows and columns 2 and 3 of 8), as published.

    Args:
        kind: Name in `KINDS` of the way to choose edges.
        nodes, inputs, outputs: Numbers of all nodes, of input and of output nodes.
        layers: Number of blocks or of rounds.
        keep: Number of edges, or share of all nodes² slots.
        num_classes, in_channels: Numbers of classes and of channels of the images.
        image_size: Height of the images in pixels. The stem divides it by 4, as published, but that
            of smaller images less, so that maps stay near 8x8 (`stem_strides`).
        legacy_budget: Whether slots that the network cannot use compete, as published.
        mask: Edges of kind "given".
        rho: Probability with which targeted dropout drops a weak slot.
        seed: Seed of initial weights and random edges.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).

    Raises:
        ValueError: Images are too small, numbers of nodes do not fit, or the budget is bad.
    """

    setting = ""
    layers: int

    def __init__(
        self,
        kind: str = "dnw",
        *,
        nodes: int = 800,
        inputs: int = 32,
        outputs: int = 100,
        layers: int = 5,
        keep: int | float = 0.05,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        legacy_budget: bool = False,
        mask: Tensor | None = None,
        rho: float = 0.95,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check_nodes(nodes, inputs, outputs, layers, num_classes, in_channels)
        self.nodes, self.inputs, self.outputs = nodes, inputs, outputs
        self.layers, self.image_size, self.strides = layers, image_size, stem_strides(image_size)
        self.expected_input_sz = (in_channels, image_size, image_size)  # for tracing
        with seeded(seed):
            self.stem = TinyStem(in_channels, inputs, self.strides)
            self.wires = WiredConv(
                nodes,
                nodes,
                keep=keep,
                kind=kind,
                slots=self._slots(),
                legacy_budget=legacy_budget,
                candidates=self._candidates(kind, legacy_budget),
                mask=mask,
                rho=rho,
            )
            self.depthwise = nn.Conv2d(nodes, nodes, 3, padding=1, groups=nodes, bias=False)
            self.norm_weight = nn.Parameter(torch.ones(nodes))
            self.norm_bias = nn.Parameter(torch.zeros(nodes))
            self.fc = nn.Linear(outputs, num_classes)

    def _slots(self) -> Slots:
        """The legal ones: all, where nodes send to each other in any order."""
        return Slots((self.nodes, self.nodes, 1, 1))

    def _candidates(self, kind: str, legacy_budget: bool) -> Slots | None:
        """Slots that compete, where these differ from what the budget says."""
        return None

    def start(self, images: Tensor) -> Tensor:
        """Compute the state of the input nodes.

        Shapes:
            (B, C, H, W) -> (B, inputs, h, w).

        Raises:
            ValueError: Images are no larger than what the stem divides them by.
        """
        divisor = self.strides[0] * self.strides[1]
        if images.dim() != 4 or min(images.shape[-2:]) <= divisor:
            raise ValueError(
                f"images: expected (B, C, H, W) with H and W above {divisor}, by which the stem "
                f"divides them, got {tuple(images.shape)}"
            )
        return self.stem(images)

    def initial_state(self, images: Tensor) -> Tensor:
        """Put the stem's output into the first nodes, zeros into the others.

        Shapes:
            (B, C, H, W) -> (B, nodes, h, w).
        """
        found = self.start(images)
        return F.pad(found, (0, 0, 0, 0, 0, self.nodes - self.inputs))

    def update(self, state: Tensor, weight: Tensor) -> Tensor:
        """Compute one round over all nodes: IN(W · dw(ReLU(x))).

        Shapes:
            state (B, nodes, h, w), weight (nodes, nodes, 1, 1) -> (B, nodes, h, w).
        """
        sent = F.conv2d(F.relu(state), self.depthwise.weight, padding=1, groups=self.nodes)
        return node_norm(F.conv2d(sent, weight), self.norm_weight, self.norm_bias)

    def classify(self, state: Tensor) -> Tensor:
        """Apply the head to the state of all nodes or of the output nodes alone.

        Shapes:
            (B, outputs or more, h, w) -> (B, num_classes).
        """
        rows, columns = head_window(state)
        return self.fc(state[:, -self.outputs :, rows, columns].mean((2, 3)))


class StaticWiring(TinyWiring):
    """The static setting: blocks of nodes that send to all later blocks.

    arXiv:1906.00586, section 2.2, with 32 input nodes and four blocks of 192. The nodes of the last
    block send to the output nodes, which are the last 100 of that same block: an output node is
    read with its old state and written anew.

    Arguments, shapes and errors are those of `TinyWiring`; `layers` is the number of blocks, inputs
    included.

    Examples:
        >>> model = StaticWiring("dnw")
        >>> model.wires.keep, model.wires.slots.count
        (32000, 264960)
    """

    setting = "static"

    @property
    def blocks(self) -> tuple[int, ...]:
        """Number of nodes of each block."""
        return static_blocks(self.nodes, self.inputs, self.outputs, self.layers)

    def _slots(self) -> Slots:
        sizes, found, start = self.blocks, [], 0
        for size in sizes:
            first = min(start + size, self.nodes - self.outputs)
            found.append(Rectangle(first, self.nodes, start, start + size))
            start += size
        return Slots((self.nodes, self.nodes, 1, 1), found)

    def _candidates(self, kind: str, legacy_budget: bool) -> Slots | None:
        if not (legacy_budget and kind == "random"):
            return None
        return legacy_random_slots(self.nodes, self.inputs, self.outputs)

    def forward(self, images: Tensor) -> Tensor:
        sizes, pieces = self.blocks, self.wires.pieces()
        filters = self.depthwise.weight.split(sizes)
        scales, shifts = self.norm_weight.split(sizes), self.norm_bias.split(sizes)
        block, rest = self.start(images), None
        for k in range(self.layers - 1):
            block = F.relu_(node_norm(block, scales[k], shifts[k]))
            sent = F.conv2d(block, filters[k], padding=1, groups=sizes[k])
            heard = F.conv2d(sent, pieces[k])
            rest = heard if rest is None else rest + heard
            # Splitting gathers both gradients in one buffer; slices would fill two with zeros.
            block, rest = rest.split((sizes[k + 1], rest.shape[1] - sizes[k + 1]), dim=1)
        return self._finish(block, filters[-1], scales[-1], shifts[-1], pieces[-1])

    def _finish(
        self, block: Tensor, filters: Tensor, scale: Tensor, shift: Tensor, weight: Tensor
    ) -> Tensor:
        """The last block and the head, only at the positions that the head reads: exact, as
        nothing but the mean of these goes on."""
        rows, columns = head_window(block)
        outputs = block[:, -self.outputs :, rows, columns].mean((2, 3))
        read = F.relu_(crop_window(node_norm(block, scale, shift), rows, columns))
        sent = F.conv2d(read, filters, groups=len(filters)).mean((2, 3))
        return self.fc(outputs + F.linear(sent, weight.flatten(1)))

    def forward_reference(self, images: Tensor) -> Tensor:
        """Compute `forward` by the letter of the specification: slices, whole maps.

        Shapes:
            (B, in_channels, H, W) -> (B, num_classes).
        """
        weight, sizes = self.wires.effective_weight(), self.blocks
        state, start = self.initial_state(images), 0
        for size in sizes:
            part = slice(start, start + size)
            scale, shift = self.norm_weight[part], self.norm_bias[part]
            block = F.relu(F.instance_norm(state[:, :size], weight=scale, bias=shift))
            sent = F.conv2d(block, self.depthwise.weight[part], padding=1, groups=size)
            first = min(start + size, self.nodes - self.outputs)
            state = state[:, first - start :] + F.conv2d(sent, weight[first:, part])
            start = first
        return self.classify(state)


class DiscreteTimeWiring(TinyWiring):
    """The discrete-time setting: every node receives from every node for five rounds.

    arXiv:1906.00586, section 2.2: x <- IN(W · dw(ReLU(x))), the same graph, filters and norm in
    each round. The edges are chosen once a forward pass.

    Arguments, shapes and errors are those of `TinyWiring`; `layers` is the number of rounds.
    """

    setting = "discrete_time"

    def forward(self, images: Tensor) -> Tensor:
        weight, state = self.wires.effective_weight(), self.initial_state(images)
        for _ in range(self.layers):
            state = self.update(state, weight)
        return self.classify(state)

    def forward_reference(self, images: Tensor) -> Tensor:
        """Compute `forward` with a choice of edges each round, and torch's normalisation.

        Shapes:
            (B, in_channels, H, W) -> (B, num_classes).
        """
        state = self.initial_state(images)
        for _ in range(self.layers):
            heard = self.wires(self.depthwise(F.relu(state)))
            state = F.instance_norm(heard, weight=self.norm_weight, bias=self.norm_bias)
        return self.classify(state)


def stem_strides(image_size: int) -> tuple[int, int]:
    """Return strides of the stem: 2 and 2 as published, less where little would be left.

    Args:
        image_size: Height of the images in pixels.

    Raises:
        ValueError: The image is smaller than 2 x 2, which the head reads.

    Examples:
        >>> [stem_strides(size) for size in (32, 28, 16, 8)]
        [(2, 2), (2, 2), (2, 1), (1, 1)]
    """
    if image_size < 2:
        raise ValueError(
            f"image_size: expected at least 2, as the head reads 2 x 2 positions, got {image_size}"
        )
    return (2, 2) if image_size >= 24 else (2, 1) if image_size >= 12 else (1, 1)


def static_blocks(nodes: int, inputs: int, outputs: int, layers: int) -> tuple[int, ...]:
    """Return the number of nodes of each block of the static setting.

    These are the input nodes, then equal shares of the others, the first ones larger where the
    division leaves a rest.

    Raises:
        ValueError: There are fewer than two blocks, or output nodes that the last cannot hold.

    Examples:
        >>> static_blocks(800, 32, 100, 5)
        (32, 192, 192, 192, 192)
    """
    if layers < 2 or nodes - inputs < layers - 1:
        raise ValueError(
            f"layers: expected from 2 up and a node for each, got {layers} for {nodes} nodes of "
            f"which {inputs} are inputs"
        )
    share, more = divmod(nodes - inputs, layers - 1)
    sizes = (inputs, *(share + (k < more) for k in range(layers - 1)))
    if outputs > sizes[-1]:
        raise ValueError(
            f"outputs: the last of {layers} blocks has {sizes[-1]} nodes, which cannot hold "
            f"{outputs} output nodes; use fewer layers or outputs"
        )
    return sizes


def legacy_random_slots(nodes: int, inputs: int, outputs: int) -> Slots:
    """Return the slots where the published random graph of the static setting has its edges.

    It takes blocks to be as wide as there are output nodes, and counts rows from the first node
    that is no input, so that 47 440 of its 305 600 slots are of no use to the network and 6 800
    that would be are left out.
    """
    found = [Rectangle(0, nodes, 0, inputs)]
    for k, start in enumerate(range(inputs, nodes, outputs)):
        first = min(outputs * (k + 1), nodes)
        found.append(Rectangle(first, nodes, start, min(start + outputs, nodes)))
    found = [part for part in found if part.end_row > part.first_row]
    return Slots((nodes, nodes, 1, 1), found)


def node_norm(state: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalise each map (instance normalisation), with scale and shift of each node.

    Computed as groups of one channel, which takes half the time on a CPU.

    Shapes:
        state (B, N, h, w), scale and shift (N,) -> (B, N, h, w).
    """
    return F.group_norm(state, len(scale), scale, shift, _EPS)


def head_window(state: Tensor) -> tuple[slice, slice]:
    """Return the rows and columns of the 2 x 2 positions that the head averages.

    Shapes:
        state (..., h, w).
    """
    first = [max(0, size // 2 - 2) for size in state.shape[-2:]]
    return slice(first[0], first[0] + 2), slice(first[1], first[1] + 2)


def crop_window(state: Tensor, rows: slice, columns: slice) -> Tensor:
    """Cut out the window and a frame of one position, of zeros where that leaves the map.

    Shapes:
        (B, N, h, w) -> (B, N, 4, 4).
    """
    height, width = state.shape[-2:]
    top, bottom = max(rows.start - 1, 0), min(rows.stop + 1, height)
    left, right = max(columns.start - 1, 0), min(columns.stop + 1, width)
    part = state[:, :, top:bottom, left:right]
    frame = (
        left - columns.start + 1,
        columns.stop + 1 - right,
        top - rows.start + 1,
        rows.stop + 1 - bottom,
    )
    return F.pad(part, frame) if any(frame) else part.clone()


def _check_nodes(
    nodes: int, inputs: int, outputs: int, layers: int, num_classes: int, in_channels: int
) -> None:
    sizes = {
        "inputs": inputs,
        "outputs": outputs,
        "layers": layers,
        "num_classes": num_classes,
        "in_channels": in_channels,
    }
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
    if nodes < inputs + outputs:
        raise ValueError(
            f"nodes: expected at least {inputs} inputs and {outputs} outputs, got {nodes}"
        )
