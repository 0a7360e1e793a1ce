"""`encode`: a pruned network as the graph that the topometrics measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, overload

from torch import Tensor, nn

from graph2nn.names import choose
from graph2nn.sparsity.graphs.encodings.published import published_unrolled
from graph2nn.sparsity.graphs.encodings.rolled import rolled
from graph2nn.sparsity.graphs.encodings.unrolled import unrolled
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph
from graph2nn.training.probe import prunable

__all__ = ["ENCODINGS", "encode"]

ENCODINGS = ("rolled", "rolled-channel", "unrolled")


@overload
def encode(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    encoding: Literal["unrolled"] = "unrolled",
    input_shape: Sequence[int] | None = None,
    *,
    compat: bool = False,
    identity_skips: bool = True,
) -> MultipartiteGraph: ...


@overload
def encode(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None,
    encoding: Literal["rolled", "rolled-channel"],
    input_shape: Sequence[int] | None = None,
    *,
    compat: bool = False,
    identity_skips: bool = True,
) -> dict[str, MultipartiteGraph]: ...


@overload
def encode(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    encoding: str = "unrolled",
    input_shape: Sequence[int] | None = None,
    *,
    compat: bool = False,
    identity_skips: bool = True,
) -> MultipartiteGraph | dict[str, MultipartiteGraph]: ...


def encode(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    encoding: str = "unrolled",
    input_shape: Sequence[int] | None = None,
    *,
    compat: bool = False,
    identity_skips: bool = True,
) -> MultipartiteGraph | dict[str, MultipartiteGraph]:
    """Make the graph of a pruned network, or one graph for each of its layers.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 3.

    Args:
        model: Any network with convolutions or linear layers, on any device; left as it was.
        masks: Masks of the weights that are kept, by name (`prune`), each of the shape of its
            weight; None keeps what is not exactly zero.
        encoding: Kind of graph: "unrolled", one graph whose nodes are the activations for an input
            of `input_shape`; "rolled", one bipartite graph a layer between its inputs (kernel
            positions told apart) and its output channels; "rolled-channel", between its channels.
        input_shape: Shape of one image, (C, H, W); "unrolled" needs it.
        compat: Whether the graph is as the published code makes it, deviations included; the
            unrolled form then takes chains of layers with convolutional shortcuts, as that code
            does.
        identity_skips: Whether "unrolled" without `compat` has the identity skip connections as
            edges of weight 1. The published graphs have none.

    Returns:
        The graph, or with "rolled" and "rolled-channel" a dict of graphs by layer.

    Raises:
        ValueError: Unknown encoding; masks that do not fit the network; an input shape that is
            missing or does not fit; an operation that cannot be unrolled.

    Examples:
        >>> model = build("Resnet-20")
        >>> masks = prune(model, "erk", sparsity=0.98)
        >>> graph = encode(model, masks, "unrolled", (3, 32, 32))
        >>> graph.num_nodes, len(graph.blocks)
        (191498, 29)
    """
    _check(model, encoding)
    if encoding != "unrolled":
        return rolled(model, masks, channel=encoding == "rolled-channel", compat=compat)
    if input_shape is None:
        raise ValueError(
            "the unrolled encoding depends on the size of the input: pass input_shape=(C, H, W), "
            "(3, 32, 32) for CIFAR, or encode as 'rolled'"
        )
    if not isinstance(input_shape, Sequence):
        raise ValueError(f"input_shape: expected (channels, height, width), got {input_shape!r}")
    if compat:
        return published_unrolled(model, masks, tuple(input_shape))
    return unrolled(model, masks, tuple(input_shape), identity_skips=identity_skips)


def _check(model: nn.Module, encoding: str) -> None:
    choose("encoding", encoding, ENCODINGS)
    weights = prunable(model)
    if not weights:
        raise ValueError(
            f"{type(model).__name__} has no convolution or linear weights, so there is nothing to "
            "encode"
        )
    if any(weight.is_meta for weight in weights.values()):
        raise ValueError(
            f"the weights of {type(model).__name__} are on the meta device and have no values; "
            "load them first"
        )
