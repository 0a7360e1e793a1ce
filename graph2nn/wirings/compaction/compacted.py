"""The networks that `compact` makes: fixed wirings without dead nodes, for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.wirings.compaction.execution import EdgeProduct
from graph2nn.wirings.networks.counts import PublishedProfile
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.tiny import TinyStem, crop_window, head_window, node_norm

__all__ = [
    "CompactMobileNetV1",
    "CompactNetwork",
    "CompactRounds",
    "CompactStatic",
    "Compaction",
    "Filter",
    "Senders",
    "TinyFilters",
    "WiredLayers",
]


@dataclass(frozen=True, kw_only=True)
class Compaction:
    """What compaction left out; of each pair the first number is before, the second after.

    Args:
        nodes: Numbers of channels that are nodes of the wiring.
        edges: Numbers of edges in slots that the network uses.
        parameters: Counts of numbers that outputs may depend on. Afterwards normalisation is part
            of weights and biases wherever it can be.
        dense_macs: Multiply-adds for one image with dense products, see `WiringCounts`.
        sparse_macs: Multiply-adds with products of the edges alone.
        folded: Number of nodes that went and whose constant lives on in biases.
        published: Parameters and multiply-adds by the rules of the published tables, which do not
            know of other networks than MobileNetV1 (None).
    """

    nodes: tuple[int, int]
    edges: tuple[int, int]
    parameters: tuple[int, int]
    dense_macs: tuple[int, int]
    sparse_macs: tuple[int, int]
    folded: int
    published: tuple[PublishedProfile, PublishedProfile] | None = None

    def __str__(self) -> str:
        rows: list[tuple[str, Any]] = [
            ("nodes", self.nodes),
            ("edges", self.edges),
            ("parameters", self.parameters),
            ("multiply-adds, dense", self.dense_macs),
            ("multiply-adds, edges only", self.sparse_macs),
        ]
        if self.published is not None:
            rows.append(("parameters, as published", [p.params for p in self.published]))
            rows.append(("multiply-adds, as published", [p.macs for p in self.published]))
        lines = [f"{name}: {before:,} -> {after:,}" for name, (before, after) in rows]
        return "\n".join([*lines, f"constants folded: {self.folded}"])


class CompactNetwork(nn.Module):
    """What the networks that `compact` returns share: evaluation only, no gradients.

    Attributes:
        report: Counts of what went.
        expected_input_sz: Shape (C, H, W) of images.
    """

    report: Compaction
    expected_input_sz: tuple[int, int, int]

    def train(self, mode: bool = True) -> CompactNetwork:
        """Stay in evaluation.

        Raises:
            ValueError: Training is asked for.
        """
        if mode:
            raise ValueError("a compacted network is for evaluation; train the one it came from")
        return super().train(False)

    @property
    def products(self) -> list[EdgeProduct]:
        """Products of the network, in order."""
        return [module for module in self.modules() if isinstance(module, EdgeProduct)]


class Filter(nn.Module):
    """A convolution 3x3 or 1x1 that may have no channels left.

    Shapes:
        weight (outputs, inputs / groups, h, w), bias (outputs,) or None;
        (B, inputs, H, W) -> (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.weight = _frozen(weight)
        self.bias = None if bias is None else _frozen(bias)
        self.stride, self.groups, self.padding = stride, groups, weight.shape[-1] // 2

    def forward(self, images: Tensor) -> Tensor:
        count = len(self.weight)
        if count == 0:
            sizes = [-(-size // self.stride) for size in images.shape[-2:]]
            return images.new_empty(len(images), 0, *sizes)
        how = {"stride": self.stride, "padding": self.padding, "groups": self.groups}
        return F.conv2d(images, self.weight, self.bias, **how)


class Senders(nn.Module):
    """What a layer's nodes make of the sums they receive: normalisation, ReLU, 3x3 filters.

    Maps are kept nodes first, (C, B, H, W), as products want them.

    Args:
        filters: Filter of each node.
        stride: Stride of the filters.
        scale, shift: Factor and summand of an instance normalisation, if there is one; a batch
            normalisation is part of the sums by now.

    Shapes:
        filters (C, 3, 3), scale, shift (C,); (C, B, H, W) -> (B, C, H', W').
    """

    def __init__(
        self,
        filters: Tensor,
        *,
        stride: int = 1,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.filters = Filter(filters[:, None], stride=stride, groups=max(1, len(filters)))
        self.scale = None if scale is None else _frozen(scale)
        self.shift = None if shift is None else _frozen(shift)

    def activate(self, sums: Tensor) -> Tensor:
        """Normalise and rectify, before the filters.

        Shapes:
            (C, B, H, W) -> (B, C, H, W).
        """
        maps = sums.transpose(0, 1).contiguous()
        maps = self.normalise(maps)
        return maps.relu() if maps.data_ptr() == sums.data_ptr() else maps.relu_()

    def normalise(self, maps: Tensor) -> Tensor:
        """Apply the instance normalisation, if there is one.

        Shapes:
            (B, C, H, W) -> the same.
        """
        if self.scale is None or self.shift is None or not maps.shape[1]:
            return maps
        return node_norm(maps, self.scale, self.shift)

    def forward(self, sums: Tensor) -> Tensor:
        return self.filters(self.activate(sums))


class WiredLayers(nn.Module):
    """Layers of nodes, each of which receives from all earlier ones at once.

    Args:
        senders: Operations of the layers themselves.
        products: Sums that each following layer receives from all before it; the last is either
            that of the output nodes or of the last layer of `senders`.

    Shapes:
        (C, B, H, W), the sums of the first layer, -> sums of the last product (R, B, H', W').
    """

    def __init__(self, senders: Sequence[Senders], products: Sequence[EdgeProduct]) -> None:
        super().__init__()
        self.senders, self.products = nn.ModuleList(senders), nn.ModuleList(products)

    @property
    def stride(self) -> int:
        """Stride of the first layer's filters."""
        return self._senders[0].filters.stride

    @property
    def nodes(self) -> int:
        """Number of nodes with a filter."""
        return sum(len(sender.filters.weight) for sender in self._senders)

    @property
    def _senders(self) -> list[Senders]:
        return [sender for sender in self.senders if isinstance(sender, Senders)]

    def forward(self, sums: Tensor) -> Tensor:
        end, sent = 0, None
        for sender, product in zip(self.senders, self.products):
            maps = sender(sums).transpose(0, 1)
            if sent is None:
                sent = maps.new_empty(self.nodes, *maps.shape[1:])
            first, end = end, end + len(maps)
            sent[first:end] = maps
            sums = product(sent[:end].flatten(1)).view(-1, *sent.shape[1:])
        return sums


class CompactMobileNetV1(CompactNetwork):
    """A `WiredMobileNetV1` without its dead nodes.

    Batch normalisation is folded into the edges that lead to a node. See `compact`.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).
    """

    def __init__(self, stem: Filter, blocks: Sequence[WiredLayers], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        sums = self.stem(images).transpose(0, 1)
        for block in self.blocks:
            sums = block(sums)
        pooled = sums.relu().flatten(2).mean(2)
        if isinstance(self.head, EdgeProduct):
            return self.head(pooled).t().contiguous()
        return self.head(pooled.t())


class TinyFilters(nn.Module):
    """A `TinyStem` with its normalisation folded and only some of its nodes.

    Shapes:
        (B, C, H, W) -> (B, nodes, h, w).
    """

    def __init__(self, stem: TinyStem, kept: Tensor) -> None:
        super().__init__()
        self.conv = _folded(stem.conv, stem.norm, slice(None))
        middle, bias = stem.depthwise.weight, stem.depthwise.bias
        stride = stem.depthwise.stride[0]
        self.depthwise = Filter(middle, bias, stride=stride, groups=len(middle))
        self.pointwise = _folded(stem.pointwise, stem.pointwise_norm, kept)

    def forward(self, images: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(self.conv(images).relu_()))


class CompactStatic(CompactNetwork):
    """A `StaticWiring` without its dead nodes. See `compact`.

    Args:
        stem, layers: Parts up to the sums of the last block of nodes, and after them those of
            output nodes that have gone from that block, but receive something.
        last: Operation of that block.
        carried: Place in these sums of each output node's own.
        outputs: Sums that the output nodes receive from the last block, as means over the head's
            window.
        head: Classifier.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).
    """

    carried: Tensor

    def __init__(
        self,
        stem: TinyFilters,
        layers: WiredLayers,
        last: Senders,
        carried: Tensor,
        outputs: EdgeProduct,
        head: nn.Linear,
    ) -> None:
        super().__init__()
        self.stem, self.layers, self.last = stem, layers, last
        self.outputs, self.head = outputs, head
        self.register_buffer("carried", carried)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        sums = self.layers(self.stem(images).transpose(0, 1))
        rows, columns = head_window(sums)
        heard = self.outputs(self._finish(sums[: self.outputs.shape[1]], rows, columns))
        heard += sums[:, :, rows, columns].mean((2, 3))[self.carried]
        return self.head(heard.t())

    def _finish(self, sums: Tensor, rows: slice, columns: slice) -> Tensor:
        """The last block at the positions that the head reads. -> (C, B)."""
        if not len(sums):
            return sums.new_empty(0, sums.shape[1])
        read = crop_window(self.last.activate(sums), rows, columns)
        filters = self.last.filters.weight
        return F.conv2d(read, filters, groups=len(filters)).mean((2, 3)).t()


class CompactRounds(CompactNetwork):
    """A `DiscreteTimeWiring`, or a `ContinuousTimeWiring` of fixed steps, without its dead nodes.

    Args:
        stem: Stem of the input nodes that are left, which are the first.
        senders: Operations of all nodes that are left.
        wires: Sums that they receive from each other.
        reads: Numbers of the nodes that the head reads.
        head: Classifier.
        rounds: Number of rounds in discrete time.
        solver: Solver of continuous time.

    Attributes:
        nfe: Number of evaluations; see `ContinuousTimeWiring`.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).
    """

    reads: Tensor

    def __init__(
        self,
        stem: TinyFilters,
        senders: Senders,
        wires: EdgeProduct,
        reads: Tensor,
        head: nn.Linear,
        *,
        rounds: int = 0,
        solver: Solver | None = None,
    ) -> None:
        super().__init__()
        self.stem, self.senders, self.wires, self.head = stem, senders, wires, head
        self.register_buffer("reads", reads)
        self.rounds, self.solver, self.nfe = rounds, solver, 0

    def update(self, state: Tensor) -> Tensor:
        """Compute one round.

        Shapes:
            (B, C, h, w) -> the same.
        """
        if not state.shape[1]:
            return state
        senders = self.senders
        sent = senders.filters(state.relu()).transpose(0, 1)
        heard = self.wires(sent.flatten(1)).view(sent.shape).transpose(0, 1).contiguous()
        return senders.normalise(heard)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        found = self.stem(images)
        state = F.pad(found, (0, 0, 0, 0, 0, self.wires.shape[0] - found.shape[1]))
        self.nfe = 0
        if self.solver is not None:
            state = self.solver(self._flow, state)
        for _ in range(self.rounds):
            state = self.update(state)
        rows, columns = head_window(state)
        return self.head(state[:, self.reads][:, :, rows, columns].mean((2, 3)))

    def _flow(self, state: Tensor) -> Tensor:
        self.nfe += 1
        return self.update(state)


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().float().clone().contiguous(), requires_grad=False)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d, kept: Any) -> Filter:
    """A convolution and the normalisation after it, of some output channels."""
    scale, shift = folded_norm(norm)
    weight, bias = conv.weight.detach().double(), conv.bias
    weight = weight * scale[:, None, None, None]
    if bias is not None:
        shift = shift + scale * bias.detach().double()
    return Filter(weight[kept], shift[kept], stride=conv.stride[0])


def folded_norm(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch normalisation of evaluation as scale and shift. -> (C,), (C,) float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - scale * mean.double()
