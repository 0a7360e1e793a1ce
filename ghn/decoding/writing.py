"""How do predicted parameters get into a network? All of them, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ghn.decoding.batching import Decoded
from ghn.decoding.tiling import check_fit, tile_into, tile_to

__all__ = ["check_writable", "replace_parameters", "whole", "write_parameters"]

_MARK = "_netwright_replaced"


def check_writable(parameters: Mapping[str, nn.Parameter]) -> None:
    """Refuse parameters that nothing can be written into.

    Raises:
        ValueError: A parameter without memory of its own, or one that is read-only.
    """
    for name, p in parameters.items():
        if p.is_meta:
            raise ValueError(
                f"{name} is on the meta device and has no values to overwrite: take "
                'ghn.predict(model), or give the network memory with model.to_empty(device="cpu")'
            )
        if p.layout != torch.strided:
            raise ValueError(f"{name} is stored as {p.layout}: expected a dense parameter")
        if any(step == 0 and size > 1 for step, size in zip(p.stride(), p.shape, strict=True)):
            raise ValueError(
                f"{name} is an expanded tensor, whose numbers share memory: give it memory of its "
                "own with nn.Parameter(tensor.clone())"
            )
        if p.is_inference() and not torch.is_inference_mode_enabled():
            raise ValueError(
                f"{name} was made in inference mode and is read-only outside: build the network "
                "outside of torch.inference_mode, or predict inside"
            )


def write_parameters(parameters: Mapping[str, nn.Parameter], blocks: Sequence[Decoded]) -> None:
    """Write decoded blocks into the parameters of their name, all or none.

    Shapes: blocks as in `ghn.decoding.batching.decode`.

    Raises:
        ValueError: A block that does not fit; nothing was written then.
    """
    for target, block in blocks:
        check_fit(block, target)
    for target, block in blocks:
        tile_into(parameters[target.name].data, block, target)


@dataclass
class _Replaced:
    """What a parameter was that a plain tensor has taken the place of."""

    requires_grad: bool
    places: dict[tuple[int, str], int] = field(default_factory=dict)


def replace_parameters(model: nn.Module, blocks: Iterable[Decoded]) -> None:
    """Put tensors with their gradient history where parameters were, wherever these are shared.

    Shapes: blocks as in `ghn.decoding.batching.decode`.
    """
    values = {target.name: tile_to(block, target) for target, block in blocks}
    own = dict(model.named_parameters())
    new: dict[int, Tensor] = {}
    for name, value in values.items():
        p = own[name]
        new[id(p)] = value.to(value.device if p.is_meta else p.device, p.dtype)
        setattr(new[id(p)], _MARK, _Replaced(p.requires_grad))
    for module in model.modules():
        order = list(module._parameters)
        for leaf, old in list(module._parameters.items()):
            if id(old) in new:
                value = new[id(old)]
                getattr(value, _MARK).places[id(module), leaf] = order.index(leaf)
                del module._parameters[leaf]
                module.__dict__[leaf] = value


@contextmanager
def whole(model: nn.Module, *, keep: bool) -> Iterator[None]:
    """Make parameters of the tensors that `replace_parameters` put in their places, for a block.

    Args:
        model: The network.
        keep: Whether they stay parameters behind the block, if nothing fails in it.
    """
    taken: list[tuple[nn.Module, str, Tensor]] = []
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        replaced = [
            (leaf, value)
            for leaf, value in module.__dict__.items()
            if isinstance(value, Tensor) and hasattr(value, _MARK)
        ]
        where = {leaf: getattr(v, _MARK).places.get((id(module), leaf), 99) for leaf, v in replaced}
        for leaf, value in sorted(replaced, key=lambda one: where[one[0]]):
            grad = getattr(value, _MARK).requires_grad
            p = made.setdefault(id(value), nn.Parameter(value.detach(), requires_grad=grad))
            del module.__dict__[leaf]
            items: list[tuple[str, nn.Parameter | None]] = list(module._parameters.items())
            items.insert(where[leaf], (leaf, p))
            module._parameters.clear()
            module._parameters.update(items)
            taken.append((module, leaf, value))
    done = False
    try:
        yield
        done = True
    finally:
        if not (keep and done):
            for module, leaf, value in taken:
                module._parameters.pop(leaf, None)
                module.__dict__[leaf] = value
