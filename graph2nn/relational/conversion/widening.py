"""What is the same network with every width scaled by a factor?"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graph2nn.relational.conversion.forward import called_layers, meta_copy, run_once

__all__ = ["widen", "widened_skeleton"]

ModuleT = TypeVar("ModuleT", bound=nn.Module)
Scale = Callable[[int], int]


def widen(
    model: ModuleT, factor: float, input: Tensor | tuple | None = None, *, seed: int = 0
) -> ModuleT:
    """Copy a network with every width but those of its inputs and outputs scaled by a factor.

    Each layer returns `factor` times the channels and takes in what comes: the copy is run once on
    meta tensors and every linear layer, convolution and normalisation is fitted to its input, so
    concatenations and flattened images need no rules. Equal widths stay equal, those of grouped
    layers divisible. Layers that return what the network returns keep their outputs (if there is
    none, the one called last).

    New weights are drawn from N(0, s) with the standard deviation of the old ones, times
    sqrt(old / new fan-in); what was constant, such as gains and biases, is so again.

    Args:
        model: A network of layers of `torch.nn` (or classes derived from them). It is not changed.
        factor: Factor of the widths, which are rounded.
        input: Example batch, as in `make_relational`.
        seed: Seed of the new weights.

    Raises:
        ValueError: A factor that is not positive, or a network whose widths are fixed elsewhere:
            in its code, or in parameters that belong to no such layer (class tokens, say).

    Examples:
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 10))
        >>> widen(net, 1.5, torch.zeros(1, 8))[2]
        Linear(in_features=24, out_features=10, bias=True)
    """
    skeleton = meta_copy(model)
    heads = called_layers(skeleton, input).heads
    copy = widened_skeleton(skeleton, factor, heads, input)
    _fill(copy, model, torch.Generator().manual_seed(seed))
    return copy


def widened_skeleton(
    skeleton: ModuleT, factor: float, heads: Collection[str], input: Any = None
) -> ModuleT:
    """Copy a network of the meta device with scaled widths; it has shapes and no values.

    Args:
        skeleton: A network on the meta device.
        factor, input: Arguments of `widen`, which raises the same.
        heads: Names of the layers that keep their outputs.
    """
    if not factor > 0:
        raise ValueError(f"expected a positive factor of widths, got {factor}")
    copy = meta_copy(skeleton)
    if factor == 1:
        return copy
    scale = _scale(skeleton, factor)
    handles = []
    for name, module in copy.named_modules():
        fit = _fitter(module)
        if fit is not None:
            own: Scale = (lambda width: width) if name in heads else scale
            handles.append(module.register_forward_pre_hook(_once(fit, own)))
    try:
        run_once(copy, input)
    except ValueError as error:
        raise ValueError(
            f"{type(skeleton).__name__} cannot be widened by {factor:.3g} layer by layer: some of "
            "its widths are fixed in its code or in parameters outside its layers; pass a function "
            f"that builds it from a factor of widths instead of the network ({error})"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return copy


def _scale(model: nn.Module, factor: float) -> Scale:
    """Round scaled widths, to multiples where layers divide them into groups."""
    units: dict[int, int] = defaultdict(lambda: 1)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups < module.in_channels:
            for width in (module.in_channels, module.out_channels):
                units[width] = math.lcm(units[width], module.groups)
        elif isinstance(module, nn.GroupNorm):
            units[module.num_channels] = math.lcm(units[module.num_channels], module.num_groups)

    def scale(width: int) -> int:
        unit = units[width]
        return unit * max(1, math.floor(width * factor / unit + 0.5))

    return scale


Fit = Callable[[nn.Module, Tensor, Scale], None]


def _once(fit: Fit, scale: Scale) -> Callable[[nn.Module, tuple], None]:
    """Fit a module to its first input; a second one of other channels is an error of its own."""
    done: list[bool] = []

    def hook(module: nn.Module, inputs: tuple) -> None:
        if not done and inputs:
            done.append(True)
            fit(module, inputs[0], scale)

    return hook


def _fitter(module: nn.Module) -> Fit | None:
    for kind, fit in _FITTERS.items():
        if isinstance(module, kind):
            return fit
    return None


def _resize(module: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    value = getattr(module, name, None)
    if isinstance(value, nn.Parameter):
        new = nn.Parameter(value.new_empty(shape), requires_grad=value.requires_grad)
        setattr(module, name, new)
    elif isinstance(value, Tensor):
        setattr(module, name, value.new_empty(shape))


def _fit_linear(module: Any, input: Tensor, scale: Scale) -> None:
    module.in_features, module.out_features = input.shape[-1], scale(module.out_features)
    _resize(module, "weight", (module.out_features, module.in_features))
    _resize(module, "bias", (module.out_features,))


def _fit_conv(module: Any, input: Tensor, scale: Scale) -> None:
    width = input.shape[1]
    if module.groups == module.in_channels > 1:  # depthwise
        module.out_channels = width * (module.out_channels // module.in_channels)
        module.groups = width
    else:
        module.out_channels = scale(module.out_channels)
    module.in_channels = width
    _resize(module, "weight", (module.out_channels, width // module.groups, *module.kernel_size))
    _resize(module, "bias", (module.out_channels,))


def _fit_batch_norm(module: Any, input: Tensor, scale: Scale) -> None:
    module.num_features = input.shape[1]
    for name in ("weight", "bias", "running_mean", "running_var"):
        _resize(module, name, (module.num_features,))


def _fit_group_norm(module: Any, input: Tensor, scale: Scale) -> None:
    module.num_channels = input.shape[1]
    for name in ("weight", "bias"):
        _resize(module, name, (module.num_channels,))


def _fit_layer_norm(module: Any, input: Tensor, scale: Scale) -> None:
    if len(module.normalized_shape) == 1:
        module.normalized_shape = (input.shape[-1],)
        for name in ("weight", "bias"):
            _resize(module, name, module.normalized_shape)


_FITTERS: dict[type[nn.Module], Fit] = {
    nn.Linear: _fit_linear,
    nn.Conv2d: _fit_conv,
    _BatchNorm: _fit_batch_norm,
    nn.GroupNorm: _fit_group_norm,
    nn.LayerNorm: _fit_layer_norm,
}


@torch.no_grad()
def _fill(copy: nn.Module, model: nn.Module, generator: torch.Generator) -> None:
    """Give the copy the values of the network where shapes are equal, and new ones elsewhere."""
    olds: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    olds |= dict(model.named_buffers(remove_duplicate=False))
    made: dict[int, Tensor] = {}
    for prefix, module in copy.named_modules():
        own = (module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        for name, value in list(chain.from_iterable(own)):
            old = olds[f"{prefix}.{name}" if prefix else name]
            if id(value) not in made:
                new = _value(old, value.shape, generator)
                if isinstance(value, nn.Parameter):
                    new = nn.Parameter(new, requires_grad=value.requires_grad)
                made[id(value)] = new
            setattr(module, name, made[id(value)])


def _value(old: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if old.shape == shape:
        return old.detach().clone()
    new = old.new_empty(shape)
    if (old == old.flatten()[0]).all():
        return new.fill_(old.flatten()[0])
    if old.dim() == 1:  # gains, shifts and running statistics of a trained network
        return new.fill_(old.mean())
    shrink = math.sqrt(old[0].numel() / new[0].numel())
    drawn = torch.empty(shape).normal_(0, float(old.std()) * shrink, generator=generator)
    return new.copy_(drawn)
