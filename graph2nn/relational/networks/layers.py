"""Linear and convolutional layers whose trainable weights follow a relational graph."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.names import choose
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks.blocks import (
    BlockPlan,
    block_linear,
    block_plan,
    scatter_blocks,
)
from graph2nn.relational.networks.partition import relational_mask
from graph2nn.training.masking import mask_gradient

__all__ = [
    "AUTO_DENSITY",
    "AUTO_WEIGHTS",
    "EXECUTIONS",
    "RelationalConv2d",
    "RelationalLayer",
    "RelationalLinear",
    "choose_execution",
    "set_execution",
]

EXECUTIONS = ("masked", "mask-once", "blocks")
"""Ways to compute the same layer; see `RelationalLayer`."""

AUTO_DENSITY = 0.3
"""Below it "auto" means blocks. Measured by `benchmarks/relational_training.py` on a busy machine
(AMD Zen 5, one thread): at a density of 0.14 a step of a linear layer takes 0.35 (float32) to 0.45
(bfloat16) of the time of mask-once; the times cross between 0.33 and 0.42, and between 0.22 and
0.33. Convolutions were not reliably faster either way; what blocks save there is memory of weights,
gradients and momentum. On GPUs nothing was measured, so "auto" stays with dense products there."""

AUTO_WEIGHTS = 160_000
"""Pairs of channels below which "auto" never means blocks: up to 384 x 384 the dense product takes
at most as long (same machine, float32, batch 64)."""

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class RelationalLayer(nn.Module):
    """What relational layers share: graph, mask, and how the masked weight is stored and used.

    One layer is one round of message exchange, "Graph Structure of Neural Networks",
    arXiv:2007.06559, equation 2: the weight from node j to node i is trainable where i receives
    from j or i = j, and zero elsewhere. Three executions give the same outputs and gradients:

    - "masked": weight * mask in every forward pass. The plain twin of the others, and the only one
      that stays right when something overwrites `weight` in place with unmasked values.
    - "mask-once": the weight is zero outside the mask from the start, and so is its gradient, so
      that momentum and weight decay keep it there; nothing is multiplied in the forward pass.
    - "blocks": the only parameter is `blocks`, the trainable weights and nothing else for a
      convolution, which scatters them into a dense kernel; ordered for the products of a linear
      layer (see `block_linear`), with some padding that is zero and whose gradient is zero.

    The state dict is the same in each: the dense weight under `weight`. Convert with
    `set_execution`, before the optimiser is made.

    Attributes:
        graph: The relational graph.
        mask: Buffer, bool, of the shape of `weight` with ones for the axes of the kernel; not in
            the state dict, as graph and widths determine it.
        density: Share of trainable weights.
        execution: One of `EXECUTIONS`.
    """

    graph: RelationalGraph
    mask: Tensor
    density: float
    execution: str

    def _set_up(self, graph: RelationalGraph, execution: str, generator: Any) -> None:
        """To be called at the end of the constructor, when `weight` is there."""
        _check_execution(execution)
        out_channels, in_channels = self.weight.shape[:2]
        mask = torch.from_numpy(relational_mask(graph, in_channels, out_channels))
        self.graph, self.execution = graph, "masked"
        self.density = float(mask.count_nonzero()) / mask.numel()
        mask = mask.view(*mask.shape, *[1] * (self.weight.dim() - 2)).to(self.weight.device)
        self.register_buffer("mask", mask, persistent=False)
        self.reset_parameters(generator)
        self.set_execution(execution)

    def initial_std(self) -> float:
        """Compute the standard deviation of the initial trainable weights."""
        raise NotImplementedError

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew and fill in the mask (after `to_empty`, say); biases become zero.

        The same draws go to the same weights in every execution.
        """
        if "mask" not in self._buffers:
            return  # the constructor of torch's layer, before there is a mask
        execution, table = self.execution, self._table()
        self.mask.copy_(table.view(self.mask.shape))
        if execution == "blocks":
            self._positions.copy_(table.flatten().nonzero().flatten())
        self.set_execution("masked")
        with torch.no_grad():
            self.weight.normal_(0, self.initial_std(), generator=generator).mul_(self.mask)
            if self.bias is not None:
                self.bias.zero_()
        self.set_execution(execution)

    def effective_weight(self) -> Tensor:
        """Return the dense weight that the layer applies, zero outside the mask, differentiable.

        Shapes:
            (out, in, ...), the shape of the dense weight.
        """
        if self.execution == "blocks":
            return scatter_blocks(self._unpacked(self.blocks), self._positions, self._shape)
        if self.execution == "mask-once":
            return mask_gradient(self.weight, self.mask)
        return self.weight * self.mask

    @torch.no_grad()
    def set_execution(self, execution: str) -> None:
        """Change how the layer computes; its function and state dict stay.

        Args:
            execution: One of `EXECUTIONS`, or "auto".

        Raises:
            ValueError: Unknown execution; lists them.
        """
        _check_execution(execution)
        if execution == "auto":
            execution = choose_execution(self)
        if execution == "blocks" and self.execution != "blocks":
            self._pack()
        elif execution != "blocks" and self.execution == "blocks":
            self._unpack()
        if execution == "mask-once":
            self.weight.mul_(self.mask)
        self.execution = execution

    def _table(self) -> Tensor:
        """The mask made anew, (out, in) on the CPU."""
        out_channels, in_channels = self.mask.shape[:2]
        return torch.from_numpy(relational_mask(self.graph, in_channels, out_channels))

    def _pack(self) -> None:
        weight = self._parameters.pop("weight")
        assert weight is not None
        self._shape = tuple(weight.shape)
        positions = self._table().flatten().nonzero().flatten().to(weight.device)
        self.register_buffer("_positions", positions, persistent=False)
        values = self._packed(weight.detach().flatten(0, 1)[positions])
        self._prepend("blocks", nn.Parameter(values, requires_grad=weight.requires_grad))

    def _unpack(self) -> None:
        blocks = self._parameters["blocks"]
        assert blocks is not None
        dense = scatter_blocks(self._unpacked(blocks.detach()), self._positions, self._shape)
        del self._parameters["blocks"], self._buffers["_positions"]
        self._non_persistent_buffers_set.discard("_positions")
        self._prepend("weight", nn.Parameter(dense, requires_grad=blocks.requires_grad))

    def _packed(self, weights: Tensor) -> Tensor:
        """Trainable weights, row by row of the mask, as `blocks` holds them."""
        return weights

    def _unpacked(self, blocks: Tensor) -> Tensor:
        """The reverse of `_packed`."""
        return blocks

    def _prepend(self, name: str, parameter: nn.Parameter) -> None:
        """Register before the bias, so that the order of parameters is that of torch's layers."""
        bias = self._parameters.pop("bias", None)
        self._parameters[name] = parameter
        self._parameters["bias"] = bias

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        if self.execution != "blocks":
            return super()._save_to_state_dict(destination, prefix, keep_vars)
        dense = self.effective_weight()
        destination[prefix + "weight"] = dense if keep_vars else dense.detach()
        if self.bias is not None:
            destination[prefix + "bias"] = self.bias if keep_vars else self.bias.detach()

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        name, missing = prefix + "weight", []
        if self.execution == "blocks":
            state_dict = {k: v for k, v in state_dict.items() if k.startswith(prefix)}
            dense = state_dict.pop(name, None)
            if dense is not None and tuple(dense.shape) != self._shape:
                error_msgs.append(
                    f"size mismatch for {name}: copying a param with shape {tuple(dense.shape)} "
                    f"from checkpoint, the shape in current model is {self._shape}."
                )
                dense = None
            elif dense is None:
                missing.append(name)
            if dense is not None:
                positions = self._positions.to(dense.device)
                state_dict[prefix + "blocks"] = self._packed(dense.flatten(0, 1)[positions])
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing, unexpected_keys, error_msgs
        )
        missing_keys.extend(k for k in missing if k != prefix + "blocks")
        if self.execution == "mask-once":
            with torch.no_grad():
                self.weight.mul_(self.mask)

    def __getattr__(self, name: str) -> Any:
        if name == "weight" and "blocks" in self.__dict__.get("_parameters", ()):
            return self.effective_weight()
        return super().__getattr__(name)

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, nodes={self.graph.num_nodes}, density={self.density:.3f}, "
            f"execution={self.execution!r}"
        )


class RelationalLinear(RelationalLayer, nn.Linear):
    """A linear layer on a relational graph. See `RelationalLayer`.

    Initial weights are N(0, 0.01), whatever the density, as in the original (batch normalisation
    follows); biases are zero.

    Args:
        graph: Relational graph; anything else is to be converted by `as_graph` first.
        in_features, out_features: Channels, at least as many as the graph has nodes.
        bias: Whether there is a bias; batch normalisation makes it pointless.
        execution: One of `EXECUTIONS`, or "auto" (see `choose_execution`).
        generator: Source of the initial weights; None means torch's global one.

    Shapes:
        (*, in_features) -> (*, out_features).

    Raises:
        ValueError: More nodes than channels, or an unknown execution.

    Examples:
        >>> layer = RelationalLinear(as_graph([[0, 1], [1, 0]]), 4, 4, execution="blocks")
        >>> layer(torch.zeros(1, 4)).shape
        torch.Size([1, 4])
    """

    def __init__(
        self,
        graph: RelationalGraph,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        execution: str = "masked",
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Linear.__init__(self, in_features, out_features, bias=bias, device=device, dtype=dtype)
        self._set_up(graph, execution, generator)

    def initial_std(self) -> float:
        return 0.01

    def _set_up(self, graph: RelationalGraph, execution: str, generator: Any) -> None:
        self._plan: BlockPlan | None = None
        super()._set_up(graph, execution, generator)

    def _packed(self, weights: Tensor) -> Tensor:
        self._plan = self._plan or block_plan(self.graph, self.in_features, self.out_features)
        return self._plan.pack(weights)

    def _unpacked(self, blocks: Tensor) -> Tensor:
        assert self._plan is not None  # made when packing
        return self._plan.unpack(blocks)

    def forward(self, input: Tensor) -> Tensor:
        if self.execution == "blocks" and not input.is_meta:
            assert self._plan is not None  # made when packing
            return block_linear(input, self.blocks, self._plan, self.bias)
        return F.linear(input, self.effective_weight(), self.bias)


class RelationalConv2d(RelationalLayer, nn.Conv2d):
    """A convolution on a relational graph: whole kernels are kept or dropped.

    See `RelationalLayer`. Initial weights are N(0, sqrt(2 / (fan_out * density))) with fan_out =
    height * width of the kernel * out_channels.

    Args:
        graph, bias, execution, generator: Arguments of `RelationalLinear`.
        in_channels, out_channels: Channels, at least as many as the graph has nodes.
        kernel_size, stride, padding, dilation, padding_mode: Arguments of `torch.nn.Conv2d`.

    Shapes:
        (N, in_channels, H, W) -> (N, out_channels, H', W').

    Raises:
        ValueError: More nodes than channels, or an unknown execution.
    """

    def __init__(
        self,
        graph: RelationalGraph,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        bias: bool = False,
        execution: str = "masked",
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        nn.Conv2d.__init__(
            self,
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            padding_mode=padding_mode,
            bias=bias,
            device=device,
            dtype=dtype,
        )
        self._set_up(graph, execution, generator)

    def initial_std(self) -> float:
        return math.sqrt(2 / (math.prod(self.kernel_size) * self.out_channels * self.density))

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.effective_weight(), self.bias)


def choose_execution(layer: RelationalLayer) -> str:
    """Find what "auto" means for a layer, as it is now.

    It is "blocks" on a CPU below `AUTO_DENSITY` and from `AUTO_WEIGHTS` on, "mask-once" otherwise.
    Choose after moving the model to its device.
    """
    cpu, large = layer.mask.device.type in ("cpu", "meta"), layer.mask.numel() >= AUTO_WEIGHTS
    return "blocks" if cpu and large and layer.density < AUTO_DENSITY else "mask-once"


def set_execution(model: ModuleT, execution: str) -> ModuleT:
    """Change how all relational layers of a model compute, in place; values are kept.

    Parameters are replaced where "blocks" comes or goes, so make the optimiser afterwards.

    Args:
        model: Any module.
        execution: One of `EXECUTIONS`, or "auto": the fastest for each layer, see
            `choose_execution`.

    Returns:
        The model.

    Raises:
        ValueError: Unknown execution; lists them.
    """
    _check_execution(execution)
    for module in model.modules():
        if isinstance(module, RelationalLayer):
            module.set_execution(execution)
    return model


def _check_execution(execution: str) -> None:
    choose("execution", execution, (*EXECUTIONS, "auto"))
