"""Which layers does one forward pass of a network call, and what do they cost?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.inputs import call_arguments, default_input_size, to_meta
from graph2nn.relational.networks.counting import Counts
from graph2nn.relational.networks.layers import RelationalLayer
from graph2nn.training.costs import count_parameters

__all__ = ["CalledLayers", "called_layers", "count_forward", "count_with", "meta_copy", "run_once"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)
Density = Callable[[str, nn.Module], float]


def count_forward(model: nn.Module, input: Tensor | tuple | None = None) -> Counts:
    """Count the multiply-adds of one input and the trainable parameters of any network.

    Weights outside the mask of a relational layer count nothing. Nothing is computed.

    Args:
        model: Any module; `count_module` counts those of `build_model` by the published rules.
        input: Example input, as in `make_relational`; its first axis is the batch.

    Raises:
        ValueError: The model cannot run on the input.

    Examples:
        >>> layer = RelationalLinear(as_graph([[0, 1], [1, 0]]), 4, 4)
        >>> count_forward(layer, torch.zeros(1, 4)).flops
        16
    """

    def density(_: str, module: nn.Module) -> float:
        return module.density if isinstance(module, RelationalLayer) else 1.0

    return count_with(meta_copy(model), input, density)


def count_with(model: nn.Module, input: Any, density: Density) -> Counts:
    """Count what a network costs if some of its layers had only a share of their weights.

    Args:
        model: A network on the meta device.
        input: Example input, see `run_once`.
        density: Function from a layer's name and the layer to its share of weights.

    Raises:
        ValueError: The model cannot run on the input.
    """
    saved = 0
    weights: dict[str, Any] = {
        name: m for name, m in model.named_modules() if isinstance(m, _WEIGHTED)
    }

    def spare(name: str, module: Any, output: Tensor) -> None:
        nonlocal saved
        axis = output.shape[-1] if isinstance(module, nn.Linear) else output.shape[1]
        # at every position of the output each weight is used once
        used = module.weight.numel() * (output.numel() // (axis * len(output)))
        saved += used - round(used * density(name, module))

    handles = [
        module.register_forward_hook(lambda m, _, out, name=name: spare(name, m, out))
        for name, module in weights.items()
    ]
    batch = 1

    def run() -> None:
        nonlocal batch
        batch, _ = run_once(model, input)

    try:
        executed = multiply_adds(run) // batch
    finally:
        for handle in handles:
            handle.remove()
    unused = 0.0
    for name, module in weights.items():
        stored = count_parameters(module) - (0 if module.bias is None else module.bias.numel())
        unused += stored - module.weight.numel() * density(name, module)
    return Counts(flops=executed - saved, params=count_parameters(model) - round(unused))


_WEIGHTED = (nn.Linear, nn.Conv2d)


def meta_copy(model: ModuleT) -> ModuleT:
    """Copy a network to the meta device; its values are copied nowhere on the way."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        twin = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(twin, requires_grad=parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo)


def run_once(model: nn.Module, input: Any) -> tuple[int, Any]:
    """Run a network of the meta device once in its own mode.

    Args:
        model: A network on the meta device.
        input: Example input as `graph2nn.archgraph.trace` takes it, of any device; None means two
            images of `model.expected_input_sz`, else 224 pixels a side.

    Returns:
        the size of the batch, and what the network returns.

    Raises:
        ValueError: The model cannot run on the input.
    """
    if input is None:
        input = torch.empty((2, *default_input_size(model)), device="meta")
    args, kwargs = call_arguments(to_meta(input), model.forward)
    tensors = list(tensors_in((args, kwargs)))
    try:
        with torch.no_grad():
            return len(tensors[0]), model(*args, **kwargs)
    except Exception as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{type(model).__name__} cannot run on an input of shape {shapes}: "
            f"{reason[0] if reason else type(error).__name__}; "
            "pass `input=` with tensors that the model accepts"
        ) from error


@dataclass(frozen=True)
class CalledLayers:
    """Linear layers and convolutions that a forward pass calls.

    Attributes:
        layers: Layers by name, in the order of their first calls.
        heads: Names of the layers that return what the network returns; without such a layer,
            that of the one that is called last.
    """

    layers: dict[str, nn.Module]
    heads: frozenset[str]


def called_layers(model: nn.Module, input: Any = None) -> CalledLayers:
    """Find the linear layers and convolutions that a forward pass calls.

    Layers whose weights are read without calling them (inside `nn.MultiheadAttention`, say) are
    not among them.

    Args:
        model: A network on the meta device.
        input: Example input, see `run_once`.
    """
    found: dict[str, nn.Module] = {}
    returned: list[tuple[Tensor, str]] = []

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        found.setdefault(name, module)
        returned.append((output, name))

    handles = [
        module.register_forward_hook(lambda m, _, out, name=name: note(name, m, out))
        for name, module in model.named_modules()
        if isinstance(module, _WEIGHTED)
    ]
    try:
        _, outputs = run_once(model, input)
    finally:
        for handle in handles:
            handle.remove()
    ends = {id(tensor) for tensor in tensors_in(outputs)}
    heads = [name for tensor, name in returned if id(tensor) in ends] or list(found)[-1:]
    return CalledLayers(found, frozenset(heads))
