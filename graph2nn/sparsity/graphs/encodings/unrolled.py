"""The unrolled encoding: a node for every activation, an edge for every use of a kept weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.sparsity.graphs.encodings import layer_rules
from graph2nn.sparsity.graphs.encodings.walk import Rule, Walk
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph
from graph2nn.training.probe import prunable

__all__ = ["unrolled"]

_POOLS = "max_pool1d max_pool2d avg_pool1d avg_pool2d lp_pool1d lp_pool2d max_pool1d_with_indices"
_POOLS += " max_pool2d_with_indices"
_ADAPTIVE = "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d"
_ADAPTIVE += " adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices"
_REDUCTIONS = "mean sum amax amin max min std var logsumexp norm linalg_vector_norm"


def unrolled(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None,
    input_shape: Sequence[int],
    *,
    identity_skips: bool = True,
) -> MultipartiteGraph:
    """Make the unrolled multipartite graph of any network that can be traced.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 3. The nodes are the
    activations of the input and of every convolution and linear layer. Element-wise functions and
    normalisation keep the nodes. Pooling whose windows share nothing has none of its own: an edge
    from a pooled value becomes one from each that it pools. Activations that are added become one:
    where nothing but the sum reads a layer, the sum's nodes are that layer's; whatever else joins
    does so by edges of weight 1 (an identity skip). Where two edges would join the same two nodes
    (overlapping pooling windows, x + conv(x)), nodes of their own are put between, so that no edge
    comes twice. The published code differs (`published_unrolled`): it has no identity skips, keeps
    the padding of the first layer and misplaces strided layers.

    Args:
        model: The network, run in eval mode on no data, and left as it was.
        masks: Masks of the weights that are kept, by name, each of the shape of its weight; None
            keeps what is not exactly zero. Parameters that cannot be pruned count whole.
        input_shape: Shape of one image, (C, H, W).
        identity_skips: Whether identity skips are edges, or weighted connections only.

    Raises:
        ValueError: The input does not fit the network; the masks do not; an operation between
            input and output has no unrolled form; there are no weights to unroll.

    Examples:
        >>> graph = unrolled(build("Resnet-20"), None, (3, 32, 32))
        >>> graph.num_nodes
        191498
    """
    graph = _traced(model, tuple(input_shape))
    walk = Walk(model, masks, graph, rules=_RULES, identity_skips=identity_skips)
    return walk.run(tuple(input_shape))


def _traced(model: nn.Module, shape: tuple[int, ...]) -> ArchGraph:
    known = isinstance(shape, tuple) and len(shape) in (1, 2, 3)
    if not known or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"input_shape: expected (channels, height, width), got {shape!r}")
    weight = next(model.parameters(), torch.zeros(()))
    try:
        like = torch.zeros(1, *shape, device=weight.device, dtype=weight.dtype)
        return trace(model, like, calls=True, training=False)
    except ValueError as error:
        first = next(iter(prunable(model).items()), None)
        reads = f"; {first[0]} has the shape {tuple(first[1].shape)}" if first else ""
        raise ValueError(
            f"an input of shape (C, H, W) = {shape} does not fit {type(model).__name__}: expected "
            f"one that its layers accept{reads}. {error}"
        ) from error


_RULES: dict[str, Rule] = {
    **dict.fromkeys(["conv1d", "conv2d", "conv3d"], layer_rules.convolution),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d"], layer_rules.transposed_convolution),
    **dict.fromkeys(_POOLS.split(), layer_rules.pool),
    **dict.fromkeys(_ADAPTIVE.split(), layer_rules.adaptive_pool),
    **dict.fromkeys(_REDUCTIONS.split(), layer_rules.reduction),
    **dict.fromkeys(["matmul", "mm", "addmm"], layer_rules.product),
    "glu": layer_rules.gated,
    "interpolate": layer_rules.interpolate,
    "linear": layer_rules.linear,
    "pad": layer_rules.pad,
}
