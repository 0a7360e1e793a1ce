"""The backward graph that torch records for a DeepNets-1M network, without running it.

The published graphs come from walking this graph, and two of their rules look at positions in the
walk's node list (see `published_graph`). So the sequence of autograd functions matters here, as
torch 2 records it for one image.
"""

from __future__ import annotations

from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.layout import CellSpec, layout

__all__ = ["Tape", "record"]


class Tape:
    """Autograd functions: a name each, and its inputs in order (functions or parameter names).

    Args:
        names: Name of each function, e.g. "Convolution".
        inputs: Inputs of each function, numbers of functions and names of parameters; biases of
            norms are left out.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.inputs: list[tuple[int | str, ...]] = []
        self.sliced: set[int] = set()  # not contiguous: flattening them copies

    def __call__(self, name: str, *inputs: int | str) -> int:
        self.names.append(name)
        self.inputs.append(inputs)
        return len(self.names) - 1

    def chain(self, x: int, *names: str) -> int:
        """Record unary functions one after the other and return the number of the last."""
        for name in names:
            x = self(name, x)
        return x

    def conv(self, x: int, name: str) -> int:
        """Record a convolution."""
        return self("Convolution", x, name + ".weight")

    def norm(self, x: int, name: str, on: bool = True) -> int:
        """Record a batch normalisation, unless it is off."""
        return self("NativeBatchNorm", x, name + ".weight") if on else x

    def linear(self, x: int, name: str) -> int:
        """Record a linear layer on a matrix."""
        return self("Addmm", name + ".bias", x, self("T", name + ".weight"))

    def token_linear(self, x: int, name: str) -> int:
        """Record a linear layer on a batch of token matrices."""
        return self("UnsafeView", self.linear(self("View", x), name))

    def slice(self, x: int) -> int:
        """Record the slices that shift a map by a pixel."""
        x = self.chain(x, "Slice", "Slice")
        self.sliced.add(x)
        return x

    def flatten(self, x: int) -> int:
        """Record the flattening of a map."""
        return self.chain(x, "Clone", "UnsafeView") if x in self.sliced else self("View", x)


def _reduce(tape: Tape, x: int, prefix: str, norm: bool) -> int:
    x = tape("Relu", x)
    first = tape.conv(x, prefix + "conv_1")
    second = tape.conv(tape.chain(x, "Slice", "Slice"), prefix + "conv_2")
    return tape.norm(tape("Cat", first, second), prefix + "bn", norm)


def _squeeze_excite(tape: Tape, x: int, prefix: str) -> int:
    gate = tape.linear(tape("Mean", tape.flatten(x)), prefix + "fc1")
    gate = tape.linear(tape("Relu", gate), prefix + "fc2")
    return tape("Mul", x, tape.chain(gate, "Hardswish", "View"))


def _attention(tape: Tape, x: int, prefix: str) -> int:
    x = tape("NativeLayerNorm", x, prefix + "ln1.weight")
    x = tape("Mm", tape("View", x), tape("T", prefix + "to_qkv.weight"))
    qkv = tape.chain(x, "UnsafeView", "Split")
    steps = ("ReshapeAlias", "Permute", "Unsqueeze", "Permute", "Permute", "ReshapeAlias")
    query, key, value = (tape.chain(qkv, *steps) for _ in range(3))
    x = tape.chain(tape("Bmm", query, key), "View", "Permute", "View", "Mul", "Softmax")
    x = tape.chain(x, "Unsqueeze", "Permute", "Permute", "View")
    x = tape.chain(tape("Bmm", x, value), "View", "Permute", "View", "Permute", "Clone")
    return tape.token_linear(tape("UnsafeView", x), prefix + "to_out.0")


def _transformer(tape: Tape, x: int, prefix: str) -> int:
    x = tape("Permute", tape.flatten(x))
    x = tape("Add", _attention(tape, x, prefix), x)
    y = tape("NativeLayerNorm", x, prefix + "ln2.weight")
    y = tape("Gelu", tape.token_linear(y, prefix + "ff.net.0"))
    x = tape("Add", tape.token_linear(y, prefix + "ff.net.3"), x)
    return tape.chain(x, "Permute", "View")


def _convolutions(tape: Tape, x: int, name: str, prefix: str, norm: bool) -> int:
    single = name.startswith("conv") and name != "conv_7x1_1x7"
    index = 0
    for _ in range(2 if name.startswith("sep") else 1):
        x = tape("Relu", x)
        for _ in range(1 if single else 2):
            index += 1
            x = tape.conv(x, f"{prefix}op.{index}")
        index += 1
        x = tape.norm(x, f"{prefix}op.{index}", norm)
        index += 1
    return x


def _op(tape: Tape, name: str, x: int, prefix: str, strided: bool, norm: bool) -> int:
    if name == "skip_connect":
        return _reduce(tape, x, prefix, norm) if strided else x
    if name == "max_pool_3x3":
        return tape("MaxPool2DWithIndices", x)
    if name == "avg_pool_3x3":
        return tape("AvgPool2D", x)
    if name in ("cse", "msa"):
        x = (_squeeze_excite if name == "cse" else _transformer)(tape, x, prefix)
        return tape.slice(x) if strided else x
    return _convolutions(tape, x, name, prefix, norm)


def _cell(
    tape: Tape, spec: CellSpec, s0: int | None, s1: int | None, config: NetConfig, prefix: str
) -> int:
    assert spec.plan is not None
    norm = config.has_norm
    states: list[int | None] = [s0 if spec.plan.uses[0] else None, s1]
    if not spec.plan.uses[1]:
        states[1] = None
    for i, x in enumerate(states):
        if x is None:
            continue
        if i == 0 and spec.shrink0 and config.preproc:
            states[i] = _reduce(tape, x, prefix + "preprocess0.", norm)
        elif config.preproc:
            x = tape.conv(tape("Relu", x), f"{prefix}preprocess{i}.op.1")
            states[i] = tape.norm(x, f"{prefix}preprocess{i}.op.2", norm)
        elif i == 0 and spec.shrink0:
            states[i] = tape.slice(x)
    for step in range(0, len(spec.edges), 2):
        ends = []
        for j in (step, step + 1):
            name, state = spec.edges[j]
            x = states[state]
            if spec.plan.live[j] and x is not None:
                strided = spec.stride == 2 and state < 2
                ends.append(_op(tape, name, x, f"{prefix}_ops.{j}.", strided, norm))
        states.append(tape("Add", *ends) if len(ends) == 2 else ends[0] if ends else None)
    parts = [states[i] for i in spec.concat]
    first = next(x for x in parts if x is not None)
    zeros = tape("Mul", first) if None in parts else first
    return tape("Cat", *[zeros if x is None else x for x in parts])


def _stem(tape: Tape, config: NetConfig) -> tuple[int, int]:
    norm = config.has_norm
    if config.vit:
        x = tape("Add", tape("Convolution", "stem0.weight"), "pos_enc.weight")
        return x, x
    if config.stem_type == 0:
        x = tape.norm(tape("Convolution", "stem.0.weight"), "stem.1", norm)
        x = tape("MaxPool2DWithIndices", x) if config.stem_pool else x
        return x, x
    x = tape.norm(tape("Convolution", "stem0.0.weight"), "stem0.1", norm)
    x = tape.norm(tape.conv(tape("Relu", x), "stem0.3"), "stem0.4", norm)
    x = tape("Relu", x)  # in place, at the head of the second half
    return x, tape.norm(tape.conv(x, "stem1.1"), "stem1.2", norm)


def record(config: NetConfig) -> tuple[Tape, int]:
    """Record the functions of `Network(config)` in training, and the number of the last one."""
    tape = Tape()
    states: list[int | None] = list(_stem(tape, config))
    for k, spec in enumerate(layout(config).cells):
        s0, s1 = states[k], states[k + 1]
        empty = spec.plan is None
        states.append(None if empty else _cell(tape, spec, s0, s1, config, f"cells.{k}."))
    x = states[-1]
    assert x is not None
    x = tape("View", tape("MeanKeepdim", x) if config.glob_avg else x)
    x = tape.linear(x, "classifier.0")
    for i in range(1, max(config.fc_layers, 1)):
        x = tape.linear(tape.chain(x, "Relu", "Mul"), f"classifier.{3 * i}")
    return tape, x
