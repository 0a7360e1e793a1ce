"""One module that runs several networks of a family, padded with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from graph2nn.relational.graphs.graph import as_graph
from graph2nn.relational.networks.base import RelationalNetwork
from graph2nn.relational.networks.efficientnet import InvertedBlock
from graph2nn.relational.networks.layers import RelationalLayer
from graph2nn.relational.networks.registry import build_sizes

__all__ = ["padded_template"]


def padded_template(models: Sequence[nn.Module]) -> RelationalNetwork:
    """Make a network as wide as the widest of the given in every stage, to run each of them.

    Call it with `torch.func.functional_call` on a network's parameters and buffers, each padded
    with zeros to the template's shapes; masks are among the buffers. That changes nothing but the
    rounding: a channel whose weights, gains and shifts are all zero is silent in training and
    evaluation and gets no gradient. Its own values mean nothing.

    Args:
        models: Networks of one family, image size and number of classes; with the same blocks,
            skips and projections.

    Returns:
        a network in the training mode of the first; relational layers compute "masked".

    Raises:
        ValueError: Nothing given, networks that differ in more than graph and widths, or that store
            their weights as blocks.

    Examples:
        >>> nets = [build_model("mlp", ws_flex(64, k, 0.1, 1), num_classes=10, image_size=8)
        ...         for k in (8, 9)]
        >>> padded_template(nets).dims == max(net.dims for net in nets)
        True
    """
    networks = _checked(models)
    first = networks[0]
    dims = tuple(max(widths) for widths in zip(*(network.dims for network in networks)))
    # One node makes a full mask of any width; functional_call puts the networks' own in its place.
    graph = as_graph([[0]]) if first.sizes.relational else None
    template = build_sizes(replace(first.sizes, dims=dims), graph, seed=0)
    _copy_skips(first, template)
    return template.to(next(first.parameters()).device).train(first.training)


def _checked(models: Sequence[nn.Module]) -> list[RelationalNetwork]:
    networks = []
    for model in models:
        if not isinstance(model, RelationalNetwork):
            raise ValueError(
                f"only relational networks can be padded, got {type(model).__name__}; "
                "use those of build_model"
            )
        for name, module in model.named_modules():
            if isinstance(module, RelationalLayer) and module.execution == "blocks":
                raise ValueError(
                    f"{name} stores its weights as blocks, which cannot be padded; call "
                    "set_execution(model, 'mask-once') first"
                )
        networks.append(model)
    if not networks:
        raise ValueError("expected at least one network to pad, got none")
    first, *others = networks
    for other in others:
        if _structure(other) != _structure(first):
            raise ValueError(
                "networks to be padded must differ only in graph and widths, got "
                f"{_label(first)} and {_label(other)}"
            )
    return networks


def _structure(model: RelationalNetwork) -> tuple:
    """Everything but widths; skips and projections show as modules."""
    modules = tuple((name, type(module)) for name, module in model.named_modules())
    return replace(model.sizes, dims=(1,) * len(model.dims)), modules


def _label(model: RelationalNetwork) -> str:
    sizes, side = model.sizes, model.sizes.image_size
    kind = "relational" if sizes.relational else "dense"
    return (
        f"a {kind} {sizes.name} of widths {list(sizes.dims)}, stem {sizes.dim_first}, depths "
        f"{list(sizes.depths)}, {sizes.in_channels}x{side}x{side} images and "
        f"{sizes.num_classes} classes"
    )


def _copy_skips(source: nn.Module, template: nn.Module) -> None:
    """Widths that become equal by padding must not make a skip, nor the other way round."""
    blocks = [m for m in template.modules() if isinstance(m, InvertedBlock)]
    originals = (m for m in source.modules() if isinstance(m, InvertedBlock))
    for block, original in zip(blocks, originals):
        block.skip = None if original.skip is None else nn.Identity()
