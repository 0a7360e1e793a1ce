"""Which part of the input does each value of a network depend on? Receptive fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["ReceptiveField", "receptive_field"]


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """The receptive field of one value of every node's output, an entry an axis of the input.

    Args:
        size: Number of positions of the input that the value depends on; infinite where it
            depends on all of them, NaN where it is not known, or the node does not read the input.
        stride: Positions of the input between the fields of neighbouring values; NaN where the
            size is not finite.
        start: First position of the field of the first value; negative in the padding.

    Shapes:
        size, stride and start (N, A) float64 with A = 2 of images, 1 of sequences, 3 of volumes.
    """

    size: np.ndarray
    stride: np.ndarray
    start: np.ndarray


class _Axis(NamedTuple):
    """An axis of the input, seen from an output: where it is there, and what a position sees."""

    place: int | None
    size: float
    stride: float
    start: float


_WHOLE = _Axis(None, math.inf, math.nan, math.nan)
_State = tuple[_Axis | None, ...]  # None where it is not known

_MIX_ALL = set(
    "lstm gru rnn_tanh rnn_relu sort argsort cumsum cumprod flip roll fft_fft fft_ifft fft_fft2 "
    "fft_ifft2 fft_rfft fft_rfft2 fft_irfft fft_irfft2 group_norm instance_norm".split()
)
_PRODUCTS = {"matmul", "bmm", "mm", "einsum", "baddbmm", "addmm", "rmatmul"}
_RESHAPES = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "view_as"}


def receptive_field(graph: ArchGraph, *, gates: bool = True) -> ReceptiveField:
    """Compute receptive fields, from windows of convolutions and pools and what moves axes.

    A value depends on the whole input behind attention over positions, global pooling, group and
    instance normalisation; batch normalisation is taken to have known statistics. What cuts axes
    into parts (windows of Swin, shuffled pixels) or resizes maps is not followed: the field is not
    known from there on, until everything is seen. Arithmetic as in Araujo et al., "Computing
    Receptive Fields of Convolutional Neural Networks", Distill 2019.

    Args:
        graph: Graph with measures (`trace(..., measures=True)`).
        gates: Whether a product with values that depend on the whole input does so, too (squeeze
            and excitation); else it has the field of its other factor.

    Raises:
        ValueError: A graph without measures.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from graph2nn.archgraph import measured
        >>> layers = nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3))
        >>> field = receptive_field(measured(layers, torch.zeros(1, 1, 16, 16)))
        >>> field.size[-1], field.stride[-1]
        (array([8., 8.]), array([2., 2.]))
    """
    graph.numbers("memory")  # says what is missing
    walk = _Walk(graph, gates)
    states = walk.states()
    axes = max((len(state) for state in states if state), default=0)
    table = np.full((3, graph.num_nodes, axes), np.nan)
    for node, state in enumerate(states):
        for k, axis in enumerate(state or ()):
            if axis is not None:
                table[:, node, k] = axis[1:]
    return ReceptiveField(size=table[0], stride=table[1], start=table[2])


class _Walk:
    def __init__(self, graph: ArchGraph, gates: bool) -> None:
        self.graph, self.gates = graph, gates
        self.names = graph.op_names()
        self.shapes = graph.columns["output_shape"]
        self.before: list[list[int]] = [[] for _ in self.names]
        for source, target in graph.edges.T.tolist():
            self.before[target].append(source)

    def states(self) -> list[_State | None]:
        found: list[_State | None] = []
        for node, name in enumerate(self.names):
            if name == "input":
                found.append(self._entered(node))
                continue
            seen = [(p, found[p]) for p in self.before[node] if found[p] is not None]
            moved = [self._moved(node, p, state) for p, state in seen]  # type: ignore[arg-type]
            found.append(self._together(node, moved) if moved else None)
        return found

    def _entered(self, node: int) -> _State | None:
        """Axes of positions: behind batch and channels, or of tokens behind the batch."""
        rank, first = len(self.shapes[node]), 2
        if rank == 2 and not self.graph.columns["dtype"][node].startswith("float"):
            first = 1
        return tuple(_Axis(k, 1, 1, 0) for k in range(first, rank)) or None

    def _together(self, node: int, states: list[_State]) -> _State:
        axes = max(len(state) for state in states)
        whole = [s for s in states if len(s) == axes]
        return tuple(self._joined(node, [state[k] for state in whole]) for k in range(axes))

    def _joined(self, node: int, found: list[_Axis | None]) -> _Axis | None:
        """The field of a function of several values."""
        local = [axis for axis in found if axis is not None and math.isfinite(axis.size)]
        everything = any(axis is not None and math.isinf(axis.size) for axis in found)
        gate = self.names[node] == "mul" and not self.gates and len(local) == len(found) - 1
        if everything and not (gate and local):
            return _WHOLE
        if len(local) < len(found) - (everything and gate) or len({a.stride for a in local}) > 1:
            return None
        start = min(axis.start for axis in local)
        end = max(axis.start + axis.size for axis in local)
        return _Axis(local[0].place, end - start, local[0].stride, start)

    def _moved(self, node: int, source: int, state: _State) -> _State:
        name, shape, new = self.names[node], self.shapes[source], self.shapes[node]
        if name == "bias" or "." in name:  # a further parameter of the operation before
            return state
        mixed = self._mixed(node, source)
        window = self.graph.columns["kernel"][node]
        order = self.graph.columns["axes"][node]
        return tuple(
            axis
            if axis is None or axis.place is None
            else _WHOLE
            if axis.place in mixed
            else self._windowed(node, axis)
            if window
            else _placed(axis, name, shape, new, order)
            for axis in state
        )

    def _mixed(self, node: int, source: int) -> set[int]:
        """Axes of an argument over all of whose positions one value of the result may run."""
        name, shape = self.names[node], self.shapes[source]
        rank, new = len(shape), self.shapes[node]
        if name in _MIX_ALL:
            return set(range(rank))
        if name == "linear":
            return {rank - 1}
        if name == "layer_norm":
            weights = [len(self.graph.param_shapes[n]) for n in self.graph.params[node][:1]]
            return set(range(rank - (weights[0] if weights else 1), rank))
        if name in _PRODUCTS:
            return {rank - 2, rank - 1}
        if name == "scaled_dot_product_attention":
            return {rank - 2}
        if name == "multi_head_attention_forward":
            return {0}
        if name.startswith("adaptive_"):
            return {k for k in range(1, rank) if new[k] == 1 or shape[k] % new[k]}
        order = self.graph.columns["axes"][node]
        return set(range(rank)) - set(order) if order else set()

    def _windowed(self, node: int, axis: _Axis) -> _Axis | None:
        kernel, stride, dilation, padding = (
            self.graph.columns[name][node] for name in ("kernel", "stride", "dilation", "padding")
        )
        assert axis.place is not None
        k = axis.place - (len(self.shapes[node]) - len(kernel))
        if k < 0:
            return axis if axis.place == 0 else None
        reach, step = (kernel[k] - 1) * dilation[k], stride[k]
        if "transpose" not in self.names[node]:
            size, start = axis.size + reach * axis.stride, axis.start - padding[k] * axis.stride
            return _Axis(axis.place, size, axis.stride * step, start)
        first = math.ceil((padding[k] - reach) / step)  # of what reaches the first value
        size = axis.size + (-(-(reach + 1) // step) - 1) * axis.stride
        return _Axis(axis.place, size, axis.stride / step, axis.start + first * axis.stride)


def _placed(
    axis: _Axis, name: str, shape: tuple[int, ...], new: tuple[int, ...], order: tuple[int, ...]
) -> _Axis | None:
    """An axis behind a function that leaves positions alone; None where it does not."""
    place = axis.place
    assert place is not None
    if order:
        return axis._replace(place=order.index(place))
    if name.startswith("adaptive_"):  # windows of equal size, side by side
        step = shape[place] // new[place]
        return _Axis(place, axis.size + (step - 1) * axis.stride, axis.stride * step, axis.start)
    if name == "cat" and len(new) == len(shape):
        return axis
    if name in _RESHAPES:
        return _reshaped(axis, place, shape, new)
    for behind in (len(new) - len(shape), 0):  # broadcast in front, indexed in front; embedded
        there = place + behind
        if 0 <= there < len(new) and new[there] == shape[place]:
            return axis._replace(place=there)
    return axis._replace(place=None) if shape[place] == 1 else None


def _reshaped(
    axis: _Axis, place: int, shape: tuple[int, ...], new: tuple[int, ...]
) -> _Axis | None:
    """Where an axis is in a reshaped tensor; where several are one, in that one."""
    if shape[place] == 1:
        return axis._replace(place=None)
    before = math.prod(shape[:place])
    behind = before * shape[place]
    front = 1
    for k, size in enumerate(new):
        if size > 1 and front <= before and front * size >= behind:
            inside = before % front == 0 and (front * size) % behind == 0
            return axis._replace(place=k) if inside else None
        front *= size
    return None
