"""Graphs of one layer at a time, whose size does not depend on the input's."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from torch import Tensor, nn

from graph2nn.sparsity.graphs.encodings.weights import KeptWeight, kept_weights
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph

__all__ = ["rolled"]


def rolled(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    *,
    channel: bool = False,
    compat: bool = False,
) -> dict[str, MultipartiteGraph]:
    """Make a bipartite graph for each layer: what its kernels read left, its outputs right.

    As Sparse networks as multipartite graphs, arXiv:2305.16886, section 2, compares with these.
    *Rolled*: a node for each position of the kernel in each channel that is read, an edge for each
    weight (https://openreview.net/forum?id=uVcDssQff_). *Rolled-channel*: a node a channel, an edge
    for each kernel with a weight left, as heavy as its weights' Euclidean norm (Deep Expander
    Networks, arXiv:1711.08757). Of linear layers both have a node a feature. With groups, outputs
    read the channels of their own group.

    Args:
        model: The network.
        masks: Masks by name of the weight, each of its shape; None keeps what is not exactly zero.
        channel: Whether graphs are rolled-channel instead of rolled.
        compat: Whether graphs are as published: weights are rounded to half precision; rolled takes
            all groups to read the same nodes, as many as a group reads; rolled-channel knows
            depthwise layers only, and of those one output a channel.

    Returns:
        Graphs by name of the weight, in the order of the modules.

    Raises:
        ValueError: Masks that do not fit; groups that the published rolled-channel encoding has no
            rule for.

    Examples:
        >>> model = build("CONV-6")
        >>> [next(iter(rolled(model, channel=c).values())).num_nodes for c in (False, True)]
        [91, 67]
    """
    kept = kept_weights(model, masks, compat=compat and not channel)
    return {
        weight.name: _graph(layer, weight, channel=channel, compat=compat)
        for layer, weight in kept.items()
        if not compat or isinstance(weight.module, (nn.Conv2d, nn.Linear))
    }


def _graph(layer: str, kept: KeptWeight, *, channel: bool, compat: bool) -> MultipartiteGraph:
    groups = getattr(kept.module, "groups", 1)
    weight, mask = kept.value, kept.mask
    out, own, *kernel = weight.shape
    if channel:
        weight, mask = _joined(weight, mask, compat=compat)
        if compat and groups > 1:
            if own > 1:
                raise ValueError(
                    f"{layer}: the published rolled-channel encoding knows ordinary and depthwise "
                    f"convolutions, not groups={groups}; use compat=False"
                )
            weight, mask = weight[:groups], mask[:groups]
        kernel = []
    elif compat:
        groups = 1
    shape = (own * groups, prod(kernel[:-1]), prod(kernel[-1:]))
    left = Layer(name=f"{layer} reads", start=0, shape=shape)
    right = Layer(name=layer, start=left.size, shape=(out, 1, 1))
    block = Block(
        name=kept.name,
        source=np.arange(left.size).reshape(-1, 1, 1, 1),
        target=np.arange(left.size, left.size + len(weight)).reshape(-1, 1, 1),
        weight=weight.reshape(len(weight), -1, 1, 1),
        mask=mask.reshape(len(weight), -1, 1, 1),
        groups=groups,
    )
    return MultipartiteGraph(
        layers=(left, right),
        blocks=(block,),
        outputs=(1,),
        encoding="rolled-channel" if channel else "rolled",
        compat=compat,
        name=layer,
    )


def _joined(weight: Tensor, mask: Tensor, *, compat: bool) -> tuple[Tensor, Tensor]:
    """One weight for each pair of channels: the norm of the kernel between them."""
    if compat:
        mask = mask & (weight != 0)
    if weight.dim() > 2:
        # Column by column, as published: the order of summands shows in the last digit.
        columns = weight.transpose(2, -1) if compat else weight.double()
        weight, mask = columns.flatten(2).norm(dim=2), mask.flatten(2).any(2)
    return (weight.half() if compat else weight).float(), mask
