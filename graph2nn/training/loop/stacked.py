"""Many networks of one structure as one: padded to a common shape, stacked, and vmapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _BatchNorm

from graph2nn.runs.processes import Workers
from graph2nn.training.costs import count_parameters
from graph2nn.training.loop.learner import HALVES, Learner, Single
from graph2nn.training.precise_bn import PreciseStatistics
from graph2nn.training.recipe import Recipe

__all__ = ["Stacked", "Template", "group_by_width", "make_learners"]

Template = Callable[[Sequence[nn.Module]], nn.Module]
"""Makes a module that every given network fits into, once padded with zeros."""


class Stacked(Learner):
    """K networks of one structure, trained together: K batched operations instead of K times one.

    Parameters and buffers are padded with zeros to the shapes of `template` and stacked along a new
    first axis; one optimiser updates the stacks. Padding stays out of the results where a channel
    whose weights, gains and shifts are all zero is silent, as with linear, convolutional and batch
    normalisation layers and any activation that maps 0 to 0: such a channel gets no gradient, so
    that it stays zero. The networks come out as if trained alone, within rounding.

    Args:
        networks: Networks by name; equal structure, widths at most those of `template`.
        template: Network that gives the forward pass; its own values are not used.
        recipe, device: Arguments of `Learner`.

    Raises:
        ValueError: A network that does not fit, or half precision with loss scaling, where one
            network's overflow would hold up the others.
    """

    axes = 1

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        template: nn.Module,
        recipe: Recipe,
        device: torch.device,
    ) -> None:
        if recipe.amp == "fp16":
            raise ValueError("stacked networks share one loss scale: use amp bf16 or none")
        if recipe.optimizer == "soap":
            raise ValueError("soap takes stacked networks for one: train them one by one")
        self.networks, self.template = dict(networks), template.to(device)
        shapes = _tensors(template)
        for name, network in networks.items():
            _check_fit(name, network, shapes)
        members = list(self.networks.values())
        stack = {key: _stack(members, key, like).to(device) for key, like in shapes.items()}
        trained = dict(template.named_parameters())
        self.parameters = {
            key: nn.Parameter(stack[key], requires_grad=trained[key].requires_grad)
            for key in trained
        }
        self.buffers = {key: value for key, value in stack.items() if key not in trained}
        self._half = HALVES[recipe.amp]
        self._full = _keep_full(template, self._half) if recipe.amp != "none" else set(trained)
        self._vmapped = vmap(self._one, in_dims=(0, 0, None), randomness="error")
        super().__init__(networks, list(self.parameters.values()), recipe, device)

    def outputs(self, images: Tensor) -> Sequence[Tensor]:
        # Autocast does not reach every operation under vmap, so weights are converted here.
        weights = {
            key: value if key in self._full else value.to(self._half)
            for key, value in self.parameters.items()
        }
        with torch.autocast(self.device.type, enabled=False):
            return [self._vmapped(weights, self.buffers, images)]

    @torch.no_grad()
    def clip(self, max_norm: float) -> None:
        found = [p.grad for p in self.parameters.values() if p.grad is not None]
        squares = sum(grad.flatten(1).square().sum(1) for grad in found)
        assert isinstance(squares, Tensor)
        factors = (max_norm / (squares.sqrt() + 1e-6)).clamp(max=1)  # as torch's own
        for grad in found:
            grad.mul_(factors.view(-1, *[1] * (grad.dim() - 1)))

    def train(self, mode: bool = True) -> None:
        self.template.train(mode)

    def weights(self) -> dict[str, Any]:
        return {"parameters": dict(self.parameters), "buffers": dict(self.buffers)}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Any]) -> None:
        for kind, mine in (("parameters", self.parameters), ("buffers", self.buffers)):
            for key, value in mine.items():
                value.copy_(weights[kind][key])

    def precise_statistics(self) -> PreciseStatistics:
        return PreciseStatistics(self.template, self.buffers)

    @torch.no_grad()
    def write_back(self) -> None:
        stack = {**self.parameters, **self.buffers}
        for k, network in enumerate(self.networks.values()):
            for key, value in _tensors(network).items():
                value.copy_(stack[key][k][tuple(slice(size) for size in value.shape)])
            network.train(self.template.training)

    def _one(self, parameters: Mapping, buffers: Mapping, images: Tensor) -> Tensor:
        return functional_call(self.template, (dict(parameters), dict(buffers)), (images,))


def make_learners(
    networks: Mapping[str, nn.Module],
    recipe: Recipe,
    workers: Workers,
    template: Template | None = None,
    *,
    waste: float = 0.25,
) -> list[Learner]:
    """Make a learner of each network, or of several stacked ones where `template` is given.

    Args:
        networks: Networks by name.
        recipe: Recipe of training.
        workers: Processes that share every batch, with the device; several do not stack.
        template: Template, see `Template`; networks of equal structure are stacked.
        waste: Largest share of a stack that may be padding; wider differences make several stacks.
    """
    device = workers.device
    if template is None:
        return [Single(*item, recipe, device, workers) for item in networks.items()]
    alike: dict[tuple, list[str]] = {}
    for name, network in networks.items():
        alike.setdefault(_structure(network), []).append(name)
    learners: list[Learner] = []
    for names in alike.values():
        sizes = [count_parameters(networks[name]) for name in names]
        for group in group_by_width(sizes, waste=waste, power=1):
            members = {names[k]: networks[names[k]] for k in group}
            if len(members) == 1:
                learners += [Single(*item, recipe, device) for item in members.items()]
            else:
                made = template(list(members.values()))
                learners.append(Stacked(members, made, recipe, device))
    return learners


def group_by_width(
    widths: Sequence[float], *, waste: float = 0.25, power: float = 2.0, limit: int | None = None
) -> list[list[int]]:
    """Group networks that can be padded to the widest of each group without much waste.

    The cost of a network of width w is taken as w^power. Going down from the widest, a group takes
    the next network as long as at most `waste` of the padded cost is padding.

    Args:
        widths: Width of each network, positive.
        waste: Share in [0, 1); 0 groups equal widths only.
        power: Exponent of the cost: 2 for layers that map a width to itself; 1 where `widths` are
            costs already.
        limit: Largest number of networks a group.

    Returns:
        Positions in `widths`, the widest group first; every position once.

    Raises:
        ValueError: A width that is not positive, a share or limit out of range.

    Examples:
        >>> group_by_width([512, 1500, 520, 1400])
        [[1, 3], [2, 0]]
    """
    if not 0 <= waste < 1:
        raise ValueError(f"waste must be a share from 0 to below 1, got {waste}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1 network a group, got {limit}")
    if any(width <= 0 for width in widths):
        raise ValueError(f"widths must be positive, got {min(widths)}")
    groups: list[list[int]] = []
    total = 0.0
    for k in sorted(range(len(widths)), key=lambda i: (-widths[i], i)):
        cost = widths[k] ** power
        if groups and (limit is None or len(groups[-1]) < limit):
            padded = (len(groups[-1]) + 1) * widths[groups[-1][0]] ** power
            if total + cost >= (1 - waste) * padded * (1 - 1e-12):
                groups[-1].append(k)
                total += cost
                continue
        groups.append([k])
        total = cost
    return groups


def _keep_full(network: nn.Module, half: torch.dtype) -> set[str]:
    """Lets normalisation compute in full precision between halves; names its parameters."""
    names = set()
    for owner, layer in network.named_modules():
        if isinstance(layer, (_BatchNorm, nn.LayerNorm, nn.GroupNorm)):
            layer.register_forward_pre_hook(lambda _, inputs: tuple(x.float() for x in inputs))
            layer.register_forward_hook(lambda _, inputs, output: output.to(half))
            names |= {f"{owner}.{key}" for key, _ in layer.named_parameters()}
    return names


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _structure(network: nn.Module) -> tuple:
    """Equal for networks that differ in widths only."""
    modules = tuple((name, type(module)) for name, module in network.named_modules())
    return modules, tuple((key, value.dim()) for key, value in _tensors(network).items())


def _check_fit(name: str, network: nn.Module, shapes: Mapping[str, Tensor]) -> None:
    mine = _tensors(network)
    if set(mine) != set(shapes):
        other = ", ".join(sorted(set(mine) ^ set(shapes))[:4])
        raise ValueError(f"network {name} cannot be stacked: it and the template differ in {other}")
    for key, value in mine.items():
        like = shapes[key]
        if value.dim() != like.dim() or any(a > b for a, b in zip(value.shape, like.shape)):
            raise ValueError(
                f"network {name} cannot be stacked: {key} of shape {tuple(value.shape)} does not "
                f"fit into {tuple(like.shape)}"
            )
    for key, module in network.named_modules():
        if (
            isinstance(module, _BatchNorm)
            and module.track_running_stats
            and module.momentum is None
        ):
            raise ValueError(
                f"network {name} cannot be stacked: {key} averages over all batches; "
                "give it a momentum"
            )


def _stack(networks: Sequence[nn.Module], key: str, like: Tensor) -> Tensor:
    """Shapes: K tensors of at most (*shape,) → (K, *shape)."""
    padded = []
    for network in networks:
        value = _tensors(network)[key].detach()
        margins = [(0, b - a) for a, b in zip(value.shape, like.shape)]
        padded.append(F.pad(value, [m for pair in reversed(margins) for m in pair]))
    return torch.stack(padded)
