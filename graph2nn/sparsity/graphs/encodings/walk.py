"""Which nodes does each recorded call read and make? The walk behind the unrolled encoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.calls import Call, Constant, Operand, Weight
from graph2nn.sparsity.graphs.encodings.assembly import Assembly, Value
from graph2nn.sparsity.graphs.encodings.moves import MOVES, REARRANGEMENTS, mover
from graph2nn.sparsity.graphs.encodings.values import replay
from graph2nn.sparsity.graphs.encodings.weights import kept_weights
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

__all__ = ["Rule", "Walk"]

_NESTED = (tuple, list, Mapping)
_SUMS = frozenset(["add", "sub"])
_POINTWISE = frozenset(
    """
    relu relu6 hardtanh leaky_relu elu selu celu gelu silu mish tanh sigmoid hardsigmoid hardswish
    softplus logsigmoid softsign tanhshrink softshrink hardshrink threshold rrelu prelu softmin
    softmax log_softmax dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
    clamp clamp_min clamp_max clip abs neg negative positive exp expm1 log log1p sqrt rsqrt square
    pow reciprocal sin cos erf sign round floor ceil nan_to_num logit batch_norm instance_norm
    layer_norm group_norm rms_norm local_response_norm normalize add sub mul div maximum minimum
    lerp addcmul addcdiv masked_fill contiguous clone detach to float half double bfloat16 type
    type_as cuda cpu data requires_grad
    """.split()
)
_SUPPORTED = (
    "convolutions (1-d, 2-d, transposed), linear layers and products with a parameter, pooling, "
    "means, sums, element-wise functions, normalisation, resizing and whatever only moves "
    "activations (reshape, permute, cat, chunk, pad, slices)"
)


class Walk:
    """One pass over the recorded calls, in which activations are indices of nodes.

    Args:
        model, masks: The network and what is kept of it, as in `unrolled`.
        graph: The network's graph with its recorded calls.
        rules: How calls that make nodes or mix activations are unrolled, by name of the function.
        identity_skips: Whether identity skips are edges.
    """

    def __init__(
        self,
        model: nn.Module,
        masks: Mapping[str, Tensor] | None,
        graph: ArchGraph,
        *,
        rules: Mapping[str, Rule],
        identity_skips: bool,
    ):
        self.assembly = Assembly(identity_skips=identity_skips)
        self._graph = graph
        self._rules = rules
        self._weights = {w.name: (w.value, w.mask) for w in kept_weights(model, masks).values()}
        self._parameters = dict(model.named_parameters())
        self._values: dict[Operand, Value] = {}
        self._made: set[int] = set()

    def run(self, input_shape: tuple[int, ...]) -> MultipartiteGraph:
        """Make the graph for images of shape `input_shape`."""
        ends = self._ends()
        live, self._reads = self._live(ends)
        for node in live:
            call = self._graph.calls[node]
            assert call is not None
            if call.name == "input":
                self._store(node, [self._input(call.shape)])
            elif any(o.node in self._made for o in call.operands()):
                self._store(node, self._outputs(call))
        outputs = [v for o, v in self._values.items() if o.node in ends]
        if self._parameters.keys().isdisjoint(self.assembly.block_names()):
            raise ValueError(
                f"{self._graph.name} has no convolution or linear weights between its input and "
                "its output, so there are no edges to unroll"
            )
        return self.assembly.finish(self._graph.name, outputs)

    def _ends(self) -> set[int]:
        """The nodes whose calls make the network's outputs."""
        ends = set()
        for node in self._graph.outputs:
            while self._graph.calls[node] is None:  # a bias, behind the operation it belongs to
                node -= 1
            ends.add(node)
        return ends

    def _live(self, ends: set[int]) -> tuple[list[int], Counter[Operand]]:
        """The nodes that lead to the output, in order, and how often each value is read there."""
        live = set(ends)
        reads = Counter(Operand(node) for node in ends)
        for node in range(self._graph.num_nodes - 1, -1, -1):
            call = self._graph.calls[node]
            if node in live and call is not None:
                found = call.operands()
                live.update(o.node for o in found)
                reads.update(found)
        return sorted(live), reads

    def _store(self, node: int, values: list[Value]) -> None:
        self._made.add(node)
        for output, value in enumerate(values):
            key = Operand(node, output)
            self._values[key] = value
            if value.nodes is not None:
                value.nodes.pending += self._reads[key]

    def _input(self, shape: tuple[int, ...]) -> Value:
        sizes = (*shape[1:], 1, 1)
        channels, height, width = sizes[:3]
        nodes = self.assembly.layer("input", (channels, height, width))
        nodes.used = True  # the input's nodes are no sum's
        return Value(nodes.numbers().reshape(*shape, 1), nodes)

    def _outputs(self, call: Call) -> list[Value]:
        read = []
        for operand in call.operands():
            if operand.node in self._made:
                value = self._value(call, operand)
                read.append(value)
                if value.nodes is not None:
                    value.nodes.pending -= 1
        if call.name in _POINTWISE or (call.name in ("max", "min") and len(read) > 1):
            return [self._pointwise(call, read)]
        if call.name in REARRANGEMENTS:
            return [Value(self._moved(call)[0].index, read[0].nodes)]
        for value in read:
            if value.nodes is not None:
                value.nodes.used = True
        if call.name in MOVES:
            return self._moved(call)
        rule = self._rules.get(call.name)
        if rule is None:
            raise self.unsupported(call)
        return [rule(self, call)]

    def _pointwise(self, call: Call, values: list[Value]) -> Value:
        try:
            added = call.name in _SUMS
            return self.assembly.combine(self.label(call), values, call.shape, added=added)
        except RuntimeError as error:
            raise self.unsupported(call, str(error)) from error

    def _moved(self, call: Call) -> list[Value]:
        if call.name in ("getitem", "setitem") and _tensors(call.args[1]):
            raise self.unsupported(call, "positions chosen by a tensor")
        indices = [self._index(call, t) for t in _tensors((call.args, dict(call.kwargs)))]
        try:
            moved = [Value(index) for index in replay(mover(call), *indices)]
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise self.unsupported(call, str(error)) from error
        assert moved[0].shape == call.shape, (call, moved[0].shape)
        return moved

    def _index(self, call: Call, tensor: Operand | Weight | Constant) -> Tensor:
        """Nodes of a tensor argument: none in what the input does not reach."""
        if isinstance(tensor, Operand) and tensor.node in self._made:
            return self._value(call, tensor).index
        if isinstance(tensor, Operand):
            shape = self._graph.calls[tensor.node].shape  # type: ignore[union-attr]
        elif isinstance(tensor, Weight):
            shape = tuple(self._parameters[tensor.name].shape)
        else:
            shape = tensor.shape
        return torch.full((*shape, 1), -1)

    def _value(self, call: Call, operand: Operand) -> Value:
        if operand not in self._values:
            what = "the tensor behind a view changed in place" if operand.output < 0 else "indices"
            raise self.unsupported(call, f"it reads {what}")
        return self._values[operand]

    def value(self, call: Call, operand: Any) -> Value:
        """Look up the symbolic value of an argument."""
        if not isinstance(operand, Operand) or operand.node not in self._made:
            raise self.unsupported(call, "its input does not depend on the network's")
        return self._value(call, operand)

    def weight(self, call: Call, argument: Any) -> tuple[str, Tensor, Tensor]:
        """Look up the parameter that a call is given as its weight.

        Returns its name, absolute values and mask, both of the weight's shape.
        """
        if not isinstance(argument, Weight):
            raise self.unsupported(call, "its weight is computed, not a parameter")
        if argument.name not in self._weights:
            value = self._parameters[argument.name].detach().cpu().abs().float()
            self._weights[argument.name] = value, value != 0
        return argument.name, *self._weights[argument.name]

    def label(self, call: Call) -> str:
        """Name the nodes and edges of a call without a weight."""
        return f"{call.module}.{call.name}" if call.module else call.name

    def unsupported(self, call: Call, why: str = "") -> ValueError:
        """Make the error for a call that has no unrolled form."""
        where = f"module {call.module!r}" if call.module else "the top module"
        reason = f" ({why})" if why else ""
        return ValueError(
            f"cannot unroll operation {call.name!r} in {where} of {self._graph.name}{reason}: "
            f"supported between input and output are {_SUPPORTED}; the rolled encodings take "
            "convolutions and linear layers of any network"
        )


def _tensors(value: Any) -> list[Operand | Weight | Constant]:
    if isinstance(value, (Operand, Weight, Constant)):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value
    return [t for v in inner for t in _tensors(v)] if isinstance(value, _NESTED) else []


Rule: TypeAlias = Callable[[Walk, Call], Value]
"""Unrolls one call: the walk and the call -> the call's symbolic output."""
