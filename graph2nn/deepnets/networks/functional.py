"""`run_network`: a DeepNets-1M network without modules, from its parameters by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.layout import CellSpec, layout
from graph2nn.deepnets.networks.layers import even_shift
from graph2nn.deepnets.networks.ops import HEADS

__all__ = ["run_network"]


def run_network(config: NetConfig, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Compute the logits of a network in training mode, as `functional_call` on `Network` does.

    Training of hypernetworks draws new networks in every step. Making and calling modules takes a
    quarter of the time on small images, so here the plan of the network is walked instead.
    `Network` is the plain twin; tested to agree in value and gradient. Batch normalisation takes
    the statistics of the batch, dropout torch's global generator.

    Args:
        config: Configuration of the network, without auxiliary head.
        parameters: Its parameters by the names that they have in `Network`.
        images: Images of the size and channels of `config`.

    Raises:
        ValueError: The network has an auxiliary head.
        KeyError: A parameter is missing.

    Shapes: images (B, C, H, W) -> (B, num_classes).

    Examples:
        >>> from graph2nn.deepnets import DARTS, NetConfig, Network, run_network
        >>> config = NetConfig(genotype=DARTS, n_cells=4, C=16)
        >>> net = Network(config)
        >>> run_network(config, dict(net.named_parameters()), torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if config.auxiliary:
        raise ValueError("run_network: networks with an auxiliary head must be run as modules")
    if images.device.type == "cpu":
        images = _channels_last(images)
    plan = layout(config)
    norm = config.norm not in (None, "", "none")
    run = _Run(parameters, norm)
    s0: Tensor | None
    s0, s1 = _stem(run, config, images, plan.uses_stem1)
    for k, spec in enumerate(plan.cells):
        s0, s1 = s1, _cell(run, f"cells.{k}", spec, config.preproc, s0, s1)
    assert s1 is not None
    x = _mean(s1) if config.glob_avg else s1.flatten(1)
    for layer in range(max(config.fc_layers, 1)):
        if layer:
            x = F.dropout(F.relu(x), 0.5)
        x = run.linear(f"classifier.{3 * layer}", x)
    return x


def _channels_last(images: Tensor) -> Tensor:
    """Return a copy with channels last, told by its strides also where there is one channel.

    On CPUs convolutions are about twice as fast so, pooling eight times.
    """
    empty = torch.empty_like(images, memory_format=torch.channels_last)
    return empty.copy_(images)


def _mean(x: Tensor) -> Tensor:
    """Mean over pixels, (B, C, H, W) -> (B, C), with a gradient whose channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)


def _every_other(x: Tensor) -> Tensor:
    """Every other row and column from the first, (B, C, H, W) -> (B, C, (H + 1) / 2, ...)."""
    return _Subsample.apply(x, 0)[0]


def _interleaved(x: Tensor) -> tuple[Tensor, Tensor]:
    """Every other row and column from the first, and from the second (see `even_shift`).

    Shapes: (B, C, H, W) -> two of (B, C, (H + 1) / 2, (W + 1) / 2).
    """
    return _Subsample.apply(x, 0, 1)


class _Subsample(torch.autograd.Function):
    """Every other row and column of a map, from each of the given ones.

    As torch's slices, whose gradients are made one by one, channels first: on CPUs everything
    before them is then slow.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, *firsts: int) -> tuple[Tensor, ...]:
        ctx.shape, ctx.firsts = x.shape, firsts
        return tuple((even_shift(x) if k else x)[:, :, ::2, ::2].clone() for k in firsts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        first = gradients[0]
        b, c, h, w = ctx.shape
        found = first.new_zeros(b, h, w, c).permute(0, 3, 1, 2)
        for k, gradient in zip(ctx.firsts, gradients, strict=True):
            into = found[:, :, k::2, k::2]
            into.copy_(gradient[:, :, : into.shape[2], : into.shape[3]])
        return found, *(None for _ in ctx.firsts)


class _Run(NamedTuple):
    """The layers of a network, by the names of their parameters."""

    parameters: Mapping[str, Tensor]
    norm: bool

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        """A dense convolution that keeps the map's size, or halves it."""
        w = self.parameters[name + ".weight"]
        if stride > 1 and w.shape[2:] == (1, 1):
            # oneDNN's gradient of 1x1 convolutions with stride and channels last writes out of
            # bounds (8 to 4 channels, 56 pixels); they are convolutions of fewer pixels.
            assert stride == 2
            x, stride = _every_other(x), 1
        return F.conv2d(x, w, None, stride, [k // 2 for k in w.shape[2:]])

    def batch_norm(self, name: str, x: Tensor) -> Tensor:
        if not self.norm:
            return x
        p = self.parameters
        return F.batch_norm(x, None, None, p[name + ".weight"], p[name + ".bias"], True)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        p = self.parameters
        return F.layer_norm(x, x.shape[-1:], p[name + ".weight"], p[name + ".bias"])

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.parameters[name + ".weight"], self.parameters.get(name + ".bias"))


def _stem(
    run: _Run, config: NetConfig, x: Tensor, uses_stem1: bool
) -> tuple[Tensor, Tensor | None]:
    large = config.imagenet_input
    w = run.parameters
    if config.vit:
        stride, padding = (16, 0) if large else (3, 1)
        s = F.conv2d(x, w["stem0.weight"], None, stride, padding) + w["pos_enc.weight"]
        return s, s
    if config.stem_type == 0:
        s = run.batch_norm("stem.1", run.conv("stem.0", x, 4 if large else 1))
        s = F.max_pool2d(s, 3, 2, 1) if config.stem_pool else s
        return s, s
    stride = 2 if large else 1
    x = F.relu(run.batch_norm("stem0.1", run.conv("stem0.0", x, stride)))
    s0 = run.batch_norm("stem0.4", run.conv("stem0.3", x, stride))
    if not uses_stem1:
        return s0, None
    s0 = F.relu(s0)
    return s0, run.batch_norm("stem1.2", run.conv("stem1.1", s0, 2))


def _cell(
    run: _Run, name: str, spec: CellSpec, preproc: bool, s0: Tensor | None, s1: Tensor | None
) -> Tensor | None:
    plan = spec.plan
    if plan is None:
        return None
    states: list[Tensor | None] = [None, None]
    if plan.uses[0]:
        assert s0 is not None
        before = f"{name}.preprocess0"
        if spec.shrink0:
            states[0] = _reduce(run, before, s0) if preproc else _every_other(s0)
        else:
            states[0] = _relu_conv(run, before, s0) if preproc else s0
    if plan.uses[1]:
        assert s1 is not None
        states[1] = _relu_conv(run, f"{name}.preprocess1", s1) if preproc else s1
    edges = spec.edges
    for step in range(0, len(edges), 2):
        total = None
        for j in (step, step + 1):
            if plan.live[j]:
                op, state = edges[j]
                h = states[state]
                assert h is not None
                h = _operation(run, f"{name}._ops.{j}", op, spec.stride if state < 2 else 1, h)
                total = h if total is None else total + h
        states.append(total)
    parts = [states[i] for i in spec.concat]
    some = next(part for part in parts if part is not None)
    # zeros that keep an infinite or missing value visible, as in `Cell`
    return torch.cat([some * 0 if part is None else part for part in parts], 1)


def _operation(run: _Run, name: str, op: str, stride: int, x: Tensor) -> Tensor:
    if op == "skip_connect":
        return x if stride == 1 else _reduce(run, name, x)
    if op == "max_pool_3x3":
        return F.max_pool2d(x, 3, stride, 1)
    if op == "avg_pool_3x3":
        return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
    if op == "msa":
        x = _transformer(run, name, x)
        return _every_other(x) if stride > 1 else x
    if op == "cse":
        gate = run.linear(f"{name}.fc2", F.relu(run.linear(f"{name}.fc1", _mean(x))))
        x = x * F.hardswish(gate)[:, :, None, None]
        return _every_other(x) if stride > 1 else x
    if op.startswith("sep_conv"):
        return _separable(run, name, _separable(run, name, x, 1, stride, 1), 5, 1, 1)
    if op.startswith("dil_conv"):
        return _separable(run, name, x, 1, stride, 2)
    if op == "conv_7x1_1x7":
        w = run.parameters
        half = int(op[-1]) // 2
        x = F.conv2d(F.relu(x), w[f"{name}.op.1.weight"], None, (1, stride), (0, half))
        x = F.conv2d(x, w[f"{name}.op.2.weight"], None, (stride, 1), (half, 0))
        return run.batch_norm(f"{name}.op.3", x)
    return _relu_conv(run, name, x, stride)


def _relu_conv(run: _Run, name: str, x: Tensor, stride: int = 1) -> Tensor:
    return run.batch_norm(f"{name}.op.2", run.conv(f"{name}.op.1", F.relu(x), stride))


def _separable(run: _Run, name: str, x: Tensor, first: int, stride: int, dilation: int) -> Tensor:
    """ReLU, depthwise and pointwise convolution, norm; `first` is the depthwise layer's index."""
    w = run.parameters[f"{name}.op.{first}.weight"]
    depthwise = _dilated if dilation > 1 else _depthwise
    x = depthwise(F.relu(x), w, stride)
    return run.batch_norm(f"{name}.op.{first + 2}", run.conv(f"{name}.op.{first + 1}", x))


def _depthwise(x: Tensor, w: Tensor, stride: int) -> Tensor:
    return F.conv2d(x, w, None, stride, w.shape[-1] // 2, 1, len(w))


def _dilated(x: Tensor, w: Tensor, stride: int) -> Tensor:
    """Depthwise convolution of dilation 2, written as one without.

    Even and odd rows and columns do not meet in it, so the four maps that they make are convolved
    by themselves; with stride 2 only the first is needed. On CPUs the gradients of dilated layers
    are slow: this is 1.3 to 10 times faster.

    Shapes: x (B, C, H, W), w (C, 1, k, k) -> (B, C, H, W), or halved maps with stride 2.
    """
    if stride > 1:
        return _depthwise(_every_other(x), w, 1)
    if x.device.type != "cpu":
        return F.conv2d(x, w, None, 1, w.shape[-1] - 1, 2, len(w))
    b, c, h, width = x.shape
    x = F.pad(x, (0, width % 2, 0, h % 2)) if width % 2 or h % 2 else x
    rows, columns = (h + 1) // 2, (width + 1) // 2
    parts = x.permute(0, 2, 3, 1).reshape(b, rows, 2, columns, 2, c).permute(2, 4, 0, 1, 3, 5)
    y = _depthwise(parts.reshape(4 * b, rows, columns, c).permute(0, 3, 1, 2), w, 1)
    y = y.permute(0, 2, 3, 1).reshape(2, 2, b, rows, columns, c).permute(2, 3, 0, 4, 1, 5)
    return y.reshape(b, 2 * rows, 2 * columns, c).permute(0, 3, 1, 2)[:, :, :h, :width]


def _reduce(run: _Run, name: str, x: Tensor) -> Tensor:
    even, odd = _interleaved(F.relu(x))
    halves = [run.conv(f"{name}.conv_1", even), run.conv(f"{name}.conv_2", odd)]
    return run.batch_norm(f"{name}.bn", torch.cat(halves, 1))


def _transformer(run: _Run, name: str, x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    qkv = run.linear(f"{name}.to_qkv", run.layer_norm(f"{name}.ln1", tokens))
    q, k, v = qkv.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    tokens = run.linear(f"{name}.to_out.0", mixed) + tokens
    hidden = run.linear(f"{name}.ff.net.0", run.layer_norm(f"{name}.ln2", tokens))
    tokens = run.linear(f"{name}.ff.net.3", F.gelu(hidden)) + tokens
    return tokens.transpose(1, 2).reshape(x.shape)
