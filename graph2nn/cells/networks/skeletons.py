"""The networks that the benchmarks trained: a cell, repeated in the skeleton of its space."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import pruned
from graph2nn.cells.networks.blocks import (
    BATCH_NORM,
    GlobalPool,
    SumCell,
    Zero,
    cell_op,
    conv_norm,
    conv_norm_relu,
    sources,
)
from graph2nn.cells.networks.concat_cell import ConcatCell
from graph2nn.cells.networks.network import DagNetwork
from graph2nn.cells.sampling import cell_code
from graph2nn.deepnets.networks.layers import norm_layer
from graph2nn.names import check_choice
from graph2nn.runs import seeded

__all__ = ["SKELETONS", "CellNetwork", "Skeleton", "build_cell_network", "space_of"]

Layers = list[nn.Module]


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Sizes of a benchmark's networks.

    Args:
        channels: Channels after the stem.
        num_cells: Cells of a stage; 0 where the graph lists all layers.
        build: Function that makes stem and body from graph, images' channels, `channels` and
            `num_cells`, and says how many channels the body ends with.
    """

    channels: int
    num_cells: int
    build: Callable[[ArchGraph, int, int, int], tuple[Layers, int]]


class _Residual(nn.Module):
    """NAS-Bench-201's reduction: two ReLU-conv-norm beside an average pool and 1x1 convolution.

    Shapes: (B, c_in, H, W) -> (B, c, ceil(H/2), ceil(W/2)).
    """

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.body = nn.Sequential(cell_op("conv_3x3", c_in, c, 2), cell_op("conv_3x3", c, c))
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(c_in, c, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


def _nb201(cell: ArchGraph, in_channels: int, channels: int, count: int) -> tuple[Layers, int]:
    """Stem, three stages of cells with residual reductions between (arXiv:2001.00326, figure 1)."""
    layers: Layers = [conv_norm(in_channels, channels, 3)]
    c = channels
    for stage in range(3):
        if stage:
            layers.append(_Residual(c, 2 * c))
            c *= 2
        for _ in range(count):
            layers.append(SumCell(cell, partial(_kept, c), Zero(c)))
    return [*layers, norm_layer(BATCH_NORM, c), nn.ReLU()], c


def _kept(c: int, node: int, op: str) -> nn.Module:
    return cell_op(op, c, c)


def _tnb101(cell: ArchGraph, in_channels: int, channels: int, count: int) -> tuple[Layers, int]:
    """Modules 4-1-4-1-4: the first cell of a module 4 doubles the channels and halves the map
    (arXiv:2105.11871, section 3.2), in its operations that read the input."""
    layers: Layers = [conv_norm(in_channels, channels, 3)]
    reads = sources(cell)
    c = channels
    for module in "41414":
        for k in range(count):
            reduces = module == "4" and k == 0
            c_in, c = c, 2 * c if reduces else c

            def make(node: int, op: str, c_in: int = c_in, c: int = c) -> nn.Module:
                first = reads[node] == [0]
                return cell_op(op, c_in if first else c, c, 2 if first and c_in != c else 1)

            layers.append(SumCell(cell, make, Zero(c, 2 if reduces else 1)))
    return [*layers, norm_layer(BATCH_NORM, c), nn.ReLU()], c


def _nb101(cell: ArchGraph, in_channels: int, channels: int, count: int) -> tuple[Layers, int]:
    """Stem, three stacks of cells, a max pool and twice the channels from stack to stack
    (arXiv:1902.09635, figure 1)."""
    layers: Layers = [conv_norm_relu(in_channels, channels, 3)]
    c_in = c = channels
    for stack in range(3):
        if stack:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            c *= 2
        for _ in range(count):
            layers.append(ConcatCell(cell, c_in, c))
            c_in = c
    return layers, c


def _macro(chain: ArchGraph, in_channels: int, channels: int, _: int) -> tuple[Layers, int]:
    """A chain of MobileNetV2 blocks; a layer that enters a stage doubles the channels and halves
    the map (arXiv:2103.11922; these sizes give all published parameters and FLOPs)."""
    stem = nn.Sequential(*conv_norm(in_channels, channels, 3), nn.ReLU6())
    layers: Layers = [stem]
    c, at = channels, 0
    for op, stage in list(zip(chain.op_names(), chain.cell.tolist()))[1:-1]:
        wide = channels * 2**stage
        stride = 2 ** (stage - at)
        # An identity that changes shapes is a single 1x1 convolution here.
        plain = op == "skip" and stride > 1
        layers.append(conv_norm(c, wide, 1, stride) if plain else cell_op(op, c, wide, stride))
        c, at = wide, stage
    head = 40 * channels
    return [*layers, *conv_norm(c, head, 1), nn.ReLU6()], head


SKELETONS: dict[str, Skeleton] = {
    "nb201": Skeleton(channels=16, num_cells=5, build=_nb201),
    "tnb101_micro": Skeleton(channels=64, num_cells=2, build=_tnb101),
    "nas_bench_macro": Skeleton(channels=32, num_cells=0, build=_macro),
    "nb101": Skeleton(channels=128, num_cells=3, build=_nb101),
}
"""Skeletons by name of the space, with the benchmarks' own sizes."""


class CellNetwork(nn.Module):
    """The network that a benchmark trained for a cell, of any size.

    With the sizes of `SKELETONS` it has the parameters of the original: exactly those published for
    NAS-Bench-201 (`zc_params`), NAS-Bench-101 and NAS-Bench-Macro. Operations that no path uses are
    left out. TransNAS-Bench-101 begins with a stem for images of 256 pixels, which is a single 3x3
    convolution here, as in the other spaces.

    Args:
        cell: Cell as stored; canonical forms too, except for TransNAS-Bench-101, whose reduction
            cells depend on which edges begin at the input.
        skeleton: One of `SKELETONS`.
        channels: Channels after the stem; None for the benchmark's.
        num_cells: Cells of each stage; None for the benchmark's.
        num_classes: Outputs of the last layer.
        in_channels: Channels of the images.
        seed: Seed of the initial weights; torch's global generator is left alone.

    Shapes:
        (N, in_channels, H, W) -> (N, num_classes).

    Raises:
        ValueError: An unknown skeleton, a graph that is no cell of it, or sizes below 1.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> net = CellNetwork(nb201_cell([2] * 6))
        >>> sum(p.numel() for p in net.parameters())
        1531546
    """

    def __init__(
        self,
        cell: ArchGraph,
        *,
        skeleton: str = "nb201",
        channels: int | None = None,
        num_cells: int | None = None,
        num_classes: int = 10,
        in_channels: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("skeleton", skeleton, SKELETONS)
        base = SKELETONS[skeleton]
        if num_cells is not None and not base.num_cells:
            raise ValueError(f"num_cells: the graph of {skeleton} lists all its layers")
        width = base.channels if channels is None else channels
        count = base.num_cells if num_cells is None else num_cells
        if width < 1 or count < (base.num_cells > 0):
            raise ValueError(
                f"channels, num_cells: expected at least 1, got {channels} and {num_cells}"
            )
        live = _checked(cell, skeleton)
        with seeded(seed):
            layers, c = base.build(live, in_channels, width, count)
            self.stem = layers[0]
            self.body = nn.Sequential(*layers[1:])
            self.head = nn.Sequential(GlobalPool(), nn.Linear(c, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)))


def build_cell_network(
    graph: ArchGraph, *, space: str | None = None, **sizes: int | None
) -> nn.Module:
    """Build the network of a benchmark's graph, or a `DagNetwork` of any other labelled DAG.

    Args:
        graph: The graph.
        space: One of `SKELETONS`, or `dag`; None reads it from the graph's name (`space_of`).
        sizes: Settings of `CellNetwork` or `DagNetwork`.

    Raises:
        ValueError: Where `CellNetwork` or `DagNetwork` raises one.
    """
    space = space or space_of(graph) or "dag"
    if space == "dag":
        return DagNetwork(graph, **sizes)  # type: ignore[arg-type]
    return CellNetwork(graph, skeleton=space, **sizes)  # type: ignore[arg-type]


def space_of(graph: ArchGraph) -> str | None:
    """Find the benchmark a graph belongs to, by the name that its encoding gave it.

    None for other graphs.
    """
    patterns = {
        "nb201": r"\|\w+~0\|\+.*",
        "tnb101_micro": r"64-41414-\d_\d\d_\d\d\d",
        "nas_bench_macro": r"[012]{8}",
        "nb101": r"nb101.*",
    }
    return next((s for s, pattern in patterns.items() if re.fullmatch(pattern, graph.name)), None)


def _checked(cell: ArchGraph, skeleton: str) -> ArchGraph:
    """The live part of a cell of the skeleton's space."""
    names, where = cell.op_names(), cell.name or "graph"
    if names.count("input") != 1 or names.count("output") != 1 or names[-1] != "output":
        raise ValueError(f"{where}: expected one input and, last, one output; got {names}")
    if skeleton == "tnb101_micro":
        cell_code(skeleton, cell)
    live = pruned(cell)
    if skeleton == "nas_bench_macro" and live.edges.T.tolist() != [
        [k, k + 1] for k in range(live.num_nodes - 1)
    ]:
        raise ValueError(f"{where}: expected a chain of layers, as NAS-Bench-Macro has")
    return live
