"""The cell of NAS-Bench-101, whose output joins the channels of what it reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.cells.networks.blocks import conv_norm_relu, sources

__all__ = ["ConcatCell", "node_channels"]


class ConcatCell(nn.Module):
    """A cell of NAS-Bench-101 (arXiv:1902.09635, section 2.1 and appendix).

    The inner nodes that the output reads share its channels; every other node is as wide as the
    widest node it feeds. Values that meet at an inner node are added, wider ones cut to the first
    channels. What comes from the input goes through a 1x1 convolution for each node that reads it,
    the output included, to which it is added.

    Args:
        graph: Cell without dead nodes.

    Shapes:
        (B, c_in, H, W) -> (B, c, H, W).

    Raises:
        ValueError: An operation that the benchmark does not have, no path from input to output, or
            more nodes at the output than channels.
    """

    def __init__(self, graph: ArchGraph, c_in: int, c: int) -> None:
        super().__init__()
        names, last = graph.op_names(), graph.num_nodes - 1
        self.sources = sources(graph)
        if not self.sources[last]:
            raise ValueError(f"{graph.name or 'graph'}: no path joins input and output")
        self.channels = node_channels(self.sources, c)
        if min(self.channels[1:]) < 1:
            raise ValueError(f"channels: {c} cannot be shared by {len(self.sources[last])} nodes")
        self.projections = nn.ModuleDict()
        self.ops = nn.ModuleDict()
        for k in range(1, last + 1):
            width = self.channels[k]
            if 0 in self.sources[k]:
                self.projections[str(k)] = conv_norm_relu(c_in, width, 1)
            if k < last:
                self.ops[str(k)] = _op(names[k], width)

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.sources) - 1
        values = [x]
        for k in range(1, last):
            width = self.channels[k]
            total: Tensor | None = None
            for u in self.sources[k]:
                term = self.projections[str(k)](x) if u == 0 else values[u][:, :width]
                total = term if total is None else total + term
            values.append(self.ops[str(k)](total))
        inner = [values[u] for u in self.sources[last] if u]
        if not inner:
            return self.projections[str(last)](x)
        out = torch.cat(inner, dim=1)
        return out + self.projections[str(last)](x) if 0 in self.sources[last] else out


def node_channels(before: list[list[int]], c: int) -> list[int]:
    """Share the channels of a cell of width c among its nodes.

    The input has 0, as it keeps its own. The first nodes at the output get one more where c does
    not divide evenly.
    """
    last = len(before) - 1
    inner = [u for u in before[last] if u]
    channels = [0] * last + [c]
    for place, u in enumerate(inner):
        channels[u] = c // len(inner) + (place < c % len(inner))
    for k in range(last - 1, 0, -1):
        if k not in inner:
            channels[k] = max(channels[v] for v in range(k + 1, last) if k in before[v])
    return channels


def _op(name: str, c: int) -> nn.Module:
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    if name not in ("conv_1x1", "conv_3x3"):
        raise ValueError(f"{name!r} is no operation of NAS-Bench-101")
    return conv_norm_relu(c, c, int(name[-1]))
