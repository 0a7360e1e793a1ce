"""`compact`: a trained wiring without its dead nodes, of equal outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.training.costs import count_parameters
from graph2nn.wirings.compaction.compacted import (
    Compaction,
    CompactMobileNetV1,
    CompactNetwork,
    CompactRounds,
    CompactStatic,
    Filter,
    Senders,
    TinyFilters,
    WiredLayers,
    folded_norm,
)
from graph2nn.wirings.compaction.execution import EdgeProduct, set_execution
from graph2nn.wirings.compaction.liveness import NodeLayer, find_live, find_live_rounds, keep_all
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.counts import PublishedProfile, count_wiring, published_profile
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.ode import FIXED
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring, TinyWiring

__all__ = ["compact", "compact_macs"]


def compact(model: nn.Module, *, prune: bool = True, execution: str = "auto") -> CompactNetwork:
    """Make a copy for evaluation, without nodes that make no difference; outputs are equal.

    Nodes go that reach no output, and nodes that no image reaches and that send zero or the same
    number everywhere, which then is part of the biases of those that received it. A node that sends
    a constant with another border (filters see zeros around the map) is kept, without what it
    receives. Followed through the whole network, not block by block. Edges, filters, batch
    normalisation and the classifier shrink with the nodes. The copy is in float32.

    Args:
        model: `WiredMobileNetV1`, `StaticWiring`, `DiscreteTimeWiring`, or a
            `ContinuousTimeWiring`; where its solver chooses its steps by the error of all nodes,
            none may be dead. It is not changed.
        prune: Whether to leave nodes out; without it only the execution differs.
        execution: Name of how products are multiplied; see `set_execution`.

    Returns:
        A network whose `report` says what went.

    Raises:
        ValueError: The network is another one, the execution is unknown, or nodes are dead under an
            adaptive solver.

    Examples:
        >>> small = compact(StaticWiring("dnw"))
        >>> small.report.nodes[0], small(torch.zeros(1, 3, 32, 32)).shape
        (800, torch.Size([1, 10]))
    """
    build = next((build for kind, build in _BUILDERS.items() if isinstance(model, kind)), None)
    if build is None:
        names = ", ".join(kind.__name__ for kind in _BUILDERS)
        raise ValueError(f"compact: expected one of {names}, got {type(model).__name__}")
    device = next(model.parameters()).device
    source: Any = copy.deepcopy(model).cpu().float().eval()
    with torch.no_grad():
        found, nodes, folded = build(source, prune)
    found.expected_input_sz = source.expected_input_sz
    found.eval()
    found.report = _report(source, found, nodes, folded)
    return set_execution(found.to(device), execution)


def compact_macs(
    model: CompactNetwork, input_shape: tuple[int, int, int] | None = None
) -> tuple[int, int]:
    """Count multiply-adds of a compacted network for one image: dense, and of the edges alone.

    Counted on shapes alone; a solver that chooses its steps by values is run on one random image.

    Args:
        model: Network that `compact` returned.
        input_shape: Shape (C, H, W) of an image; None means the one it was made for.
    """
    solver = getattr(model, "solver", None)
    device = "meta" if solver is None or not solver.needs_torchdiffeq else "cpu"
    twin = set_execution(copy.deepcopy(model), "dense").to(device)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, *(input_shape or model.expected_input_sz), generator=generator)
    macs = multiply_adds(lambda: twin(image.to(device)))
    rounds = max(1, getattr(twin, "rounds", 0), getattr(twin, "nfe", 0))
    spared = sum(p.positions * (p.macs - len(p.values)) for p in twin.products)
    return macs, macs - spared * rounds


_Built = tuple[CompactNetwork, tuple[int, int], int]


def _mobilenet(model: WiredMobileNetV1, prune: bool) -> _Built:
    layers = _mobilenet_layers(model)
    find_live(layers) if prune else keep_all(layers)
    kept = [layer.live for layer in layers]
    first = layers[0]
    weight = model.stem.weight.double() * (first.scale * first.live_input)[:, None, None, None]
    bias = _bias(first)
    stem = Filter(weight[kept[0]], bias[kept[0]], stride=model.stem.stride[0])
    blocks, base = [], 0
    for block in model.wired_blocks:
        senders, products = [], []
        for k in range(block.layers):
            sender, receiver = layers[base + k], layers[base + k + 1]
            assert sender.filters is not None
            stride = block.stride if k == 0 else 1
            senders.append(Senders(sender.filters[kept[base + k]], stride=stride))
            weight = _between(layers, base, base + k + 1) * receiver.scale[receiver.live, None]
            products.append(EdgeProduct(weight, _bias(receiver)[receiver.live]))
        blocks.append(WiredLayers(senders, products))
        base += block.layers
    head = _head(model.head, layers[-1])
    nodes = sum(len(layer) for layer in layers), sum(int(found.sum()) for found in kept)
    return CompactMobileNetV1(stem, blocks, head), nodes, _constants(layers)


def _mobilenet_layers(model: WiredMobileNetV1) -> list[NodeLayer]:
    blocks, base = model.wired_blocks, 0
    found = [_normed(blocks[0].norms[0], blocks[0].depthwise.weight[:32, 0])]
    found[0].constant_input = ~model.stem.weight.flatten(1).any(1)
    for number, block in enumerate(blocks):
        weight, last = _effective(block.wires), number + 1 == len(blocks)
        filters = block.depthwise.weight[:, 0].split(block.sizes)
        columns = weight.split(block.sizes, dim=1)
        for k in range(1, block.layers + 1):
            if k < block.layers:
                layer = _normed(block.norms[k], filters[k])
            elif last:
                layer = _normed(model.norm, None)
                layer.is_read = (_matrix(model.head) != 0).any(0)
            else:
                after = blocks[number + 1]
                layer = _normed(after.norms[0], after.depthwise.weight[: after.inputs, 0])
            rows = slice((k - 1) * block.outputs, k * block.outputs)
            layer.sources = [(base + j, columns[j][rows]) for j in range(k)]
            found.append(layer)
        base += block.layers
    return found


def _normed(norm: nn.Module, filters: Tensor | None) -> NodeLayer:
    assert isinstance(norm, nn.BatchNorm2d)
    return NodeLayer(*folded_norm(norm), filters)


def _static(model: StaticWiring, prune: bool) -> _Built:
    layers = _static_layers(model)
    find_live(layers) if prune else keep_all(layers)
    *hidden, outputs = layers
    senders = [
        Senders(
            layer.filters[layer.live],  # type: ignore[index]
            scale=layer.scale[layer.live],
            shift=layer.shift[layer.live],
        )
        for layer in hidden
    ]
    # No constants here: instance normalisation takes them away.
    products = [EdgeProduct(_between(layers, 0, k)) for k in range(1, len(hidden) - 1)]
    weight, carried = _last_block(layers, model.outputs)
    last = _between(layers, len(hidden) - 1, len(hidden))
    head = _head(model.fc, outputs)
    assert isinstance(head, nn.Linear)
    found = CompactStatic(
        TinyFilters(model.stem, layers[0].live),
        WiredLayers(senders[:-1], [*products, EdgeProduct(weight)]),
        senders[-1],
        carried,
        EdgeProduct(last, outputs.sums.value[outputs.live]),
        head,
    )
    kept = sum(int(layer.live.sum()) for layer in hidden)
    kept += int((outputs.live & ~hidden[-1].live[-model.outputs :]).sum())
    return found, (model.nodes, kept), _constants(layers)


def _last_block(layers: Sequence[NodeLayer], outputs: int) -> tuple[Tensor, Tensor]:
    """What the last block receives, and below it the output nodes whose sums are not among these;
    for each output node the row of its sum."""
    *_, last, out = layers
    received = last.live_input[-outputs:] & last.live[-outputs:]
    row = (last.live.cumsum(0) - 1)[-outputs:]
    alone = out.live & ~received
    first = int(last.live.sum())
    row = torch.where(received, row, first + alone.cumsum(0) - 1)
    weight = [_between(layers, 0, len(layers) - 2)]
    parts = [out.weight_from(k) for k in range(len(layers) - 2)]
    more = [part[alone][:, layers[k].live] for k, part in enumerate(parts) if part is not None]
    return torch.cat([*weight, torch.cat(more, 1)]), row[out.live]


def _static_layers(model: StaticWiring) -> list[NodeLayer]:
    weight, sizes = _effective(model.wires), model.blocks
    parts = (model.norm_weight, model.norm_bias, model.depthwise.weight[:, 0])
    columns = zip(*(values.split(sizes) for values in parts))
    found = [NodeLayer(scale, shift, taps, centred=True) for scale, shift, taps in columns]
    found[0].constant_input = _constant_stem(model.stem)
    blocks = [row.split(sizes, dim=1) for row in weight.split(sizes)]
    for k, layer in enumerate(found):
        layer.sources = [(j, blocks[k][j]) for j in range(k)]
    one = torch.ones(model.outputs)
    rows = weight[-model.outputs :].split(sizes, dim=1)
    reads = (model.fc.weight != 0).any(0)
    outputs = NodeLayer(one, 0 * one, None, linear=True, is_read=reads)
    outputs.sources = list(enumerate(rows))
    return [*found, outputs]


def _rounds(model: TinyWiring, prune: bool) -> _Built:
    solver = model.solver if isinstance(model, ContinuousTimeWiring) else None
    weight, filters = _effective(model.wires), model.depthwise.weight[:, 0]
    reads = torch.zeros(model.nodes, dtype=torch.bool)
    reads[-model.outputs :] = True
    receives, kept = torch.ones_like(reads), torch.ones_like(reads)
    if prune:
        reads[-model.outputs :] = (model.fc.weight != 0).any(0)
        receives, kept = find_live_rounds(weight, filters, model.norm_bias, model.inputs, reads)
    if solver is not None and solver.method not in FIXED and not kept.all():
        raise ValueError(
            f"compact: the solver {solver.method} chooses its steps by the error of all nodes, so "
            f"that without the {int((~kept).sum())} dead ones outputs would differ; keep all nodes "
            f"(prune=False), or use a solver of {' or '.join(FIXED)}"
        )
    reads &= receives
    # After a round, or at the end of time, a node that receives nothing is at its shift.
    still = torch.where(receives, 0.0, model.norm_bias.double())[-model.outputs :]
    found = CompactRounds(
        TinyFilters(model.stem, kept[: model.inputs]),
        Senders(filters[kept], scale=model.norm_weight[kept], shift=model.norm_bias[kept]),
        EdgeProduct(weight[kept][:, kept]),
        reads[kept].nonzero().flatten(),
        _linear(model.fc, reads[-model.outputs :], still),
        rounds=0 if solver else model.layers,
        solver=solver,
    )
    return found, (model.nodes, int(kept.sum())), int((still != 0).sum())


def _effective(layer: WiredConv) -> Tensor:
    """The weights of the edges that the network uses, 0 elsewhere. -> (receivers, senders)."""
    return (layer.weight * layer.edges(legal=True))[:, :, 0, 0]


def _matrix(head: nn.Module) -> Tensor:
    if isinstance(head, WiredConv):
        return _effective(head)
    assert isinstance(head, nn.Linear)
    return head.weight


def _constant_stem(stem: Any) -> Tensor:
    """Input nodes that no image reaches."""
    unreached = ~stem.pointwise.weight.flatten(1).any(1)
    return unreached | (stem.pointwise_norm.weight == 0)


def _between(layers: Sequence[NodeLayer], first: int, target: int) -> Tensor:
    """Edges from the live nodes of all layers from `first` on to those of `target`."""
    receiver, parts = layers[target], []
    for index in range(first, target):
        weight = receiver.weight_from(index)
        assert weight is not None
        weight = weight * receiver.live_input[:, None]
        parts.append(weight[receiver.live][:, layers[index].live])
    return torch.cat(parts, 1)


def _bias(layer: NodeLayer) -> Tensor:
    """What is added to the normalised sum of a node, constants that it receives included."""
    return layer.shift + layer.scale * layer.sums.value


def _head(head: nn.Module, layer: NodeLayer) -> nn.Module:
    """The classifier on the live nodes of its layer; what the others send is in its bias."""
    if isinstance(head, nn.Linear):
        return _linear(head, layer.live, layer.sent)
    weight = _matrix(head)
    return EdgeProduct(weight[:, layer.live], weight.double() @ layer.sent)


def _linear(head: nn.Linear, kept: Tensor, constants: Tensor) -> nn.Linear:
    bias = head.weight.double() @ constants
    if head.bias is not None:
        bias = bias + head.bias
    with torch.device("meta"):  # draws nothing
        found = nn.Linear(max(1, count := int(kept.sum())), head.out_features)
    found.in_features = count  # torch warns when made with none
    found.weight = nn.Parameter(head.weight[:, kept].clone(), requires_grad=False)
    found.bias = nn.Parameter(bias.float(), requires_grad=False)
    return found


def _constants(layers: Sequence[NodeLayer]) -> int:
    """Nodes that went and sent a number other than 0."""
    return sum(int((layer.sent != 0).sum()) for layer in layers)


def _report(source: nn.Module, found: CompactNetwork, nodes: tuple[int, int], folded: int) -> Any:
    before = count_wiring(source)
    dense, sparse = compact_macs(found)
    profiles = None
    if isinstance(source, WiredMobileNetV1) and isinstance(found, CompactMobileNetV1):
        size = source.image_size
        profiles = published_profile(source, size), _profile(found, size)
    return Compaction(
        nodes=nodes,
        edges=(before.used_edges, sum(len(product.values) for product in found.products)),
        parameters=(before.effective, count_parameters(found)),
        dense_macs=(before.dense_macs, dense),
        sparse_macs=(before.sparse_macs, sparse),
        folded=folded,
        published=profiles,
    )


def _profile(model: CompactMobileNetV1, image_size: int) -> PublishedProfile:
    """By the rules of `published_profile`, with the edges and nodes that are left."""
    size = -(-image_size // model.stem.stride)
    params = model.stem.weight.numel()
    macs = params * size**2
    products: list[EdgeProduct] = []
    for block in model.blocks:
        assert isinstance(block, WiredLayers)
        products = [product for product in block.products if isinstance(product, EdgeProduct)]
        size = -(-size // block.stride)
        edges = sum(len(product.values) for product in products)
        params, macs = params + edges + 9 * block.nodes, macs + (edges + 9 * block.nodes) * size**2
    head = model.head
    assert isinstance(head, (EdgeProduct, nn.Linear))
    last = len(head.values) if isinstance(head, EdgeProduct) else head.weight.numel()
    return PublishedProfile(
        params=params + last, macs=macs + products[-1].shape[0] * size**2 + last
    )


_BUILDERS: dict[type[nn.Module], Callable[[Any, bool], _Built]] = {
    WiredMobileNetV1: _mobilenet,
    StaticWiring: _static,
    DiscreteTimeWiring: _rounds,
    ContinuousTimeWiring: _rounds,
}
