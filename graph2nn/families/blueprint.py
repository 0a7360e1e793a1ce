"""What tells a network whose parameters come from elsewhere? A configuration, or a blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import NetConfig, Network, build_graph, run_network
from graph2nn.training.precise_bn import use_batch_statistics

__all__ = [
    "Blueprint",
    "Net",
    "build_archgraph",
    "build_blueprint",
    "build_network",
    "run_blueprint",
    "without_values",
]


@runtime_checkable
class Blueprint(Protocol):
    """What tells a network: small, hashable, and sent to other processes with its graph."""

    def skeleton(self) -> nn.Module:
        """Build the network with parameters on the meta device, masks and other tables as data."""
        ...

    def network(self) -> nn.Module:
        """Build the network with initial values, drawn from torch's global generator."""
        ...

    def archgraph(self) -> ArchGraph:
        """Make the graph that a hypernetwork reads, with every parameter of the skeleton."""
        ...


Net: TypeAlias = NetConfig | Blueprint
"""A network of any family: DeepNets-1M's configuration, or the blueprint of another family."""


def build_blueprint(net: Net, device: torch.device | str = "cpu") -> nn.Module:
    """Build a network without values of its parameters, for `torch.func.functional_call`.

    Normalisations take the statistics of the batch, in training and in evaluation: no running ones
    are ever collected for predicted parameters.

    Args:
        net: Configuration of a DeepNets-1M network, or the blueprint of another one.
        device: Device of masks and other tables that are data.

    Examples:
        >>> from graph2nn.deepnets import EndlessNets
        >>> next(build_blueprint(EndlessNets()[0]).parameters()).device
        device(type='meta')
    """
    if isinstance(net, NetConfig):
        return Network(net, device="meta")
    found = net.skeleton()
    use_batch_statistics(found)
    for module in found.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if not buffer.is_meta:
                setattr(module, name, buffer.to(device))
    return found


def build_network(net: Net) -> nn.Module:
    """Build a network with initial values, drawn from torch's global generator."""
    return Network(net) if isinstance(net, NetConfig) else net.network()


def build_archgraph(net: Net) -> ArchGraph:
    """Make the graph of a network, with every parameter."""
    return build_graph(net) if isinstance(net, NetConfig) else net.archgraph()


def without_values(model: nn.Module) -> nn.Module:
    """Move the parameters of a network, and nothing else, to the meta device, in place."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(torch.empty_like(parameter, device="meta")))
    return model


def run_blueprint(net: Net, parameters: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Compute a network's logits in training mode, without modules where that is possible.

    Equals `functional_call` on `build_blueprint(net).train()` within rounding.

    Args:
        net: The network.
        parameters: Values of its parameters by name.
        images: What it takes.

    Shapes: images (B, C, H, W) -> (B, num_classes).

    Examples:
        >>> import torch
        >>> from graph2nn.deepnets import EndlessNets, Network
        >>> config = EndlessNets()[0]
        >>> values = dict(Network(config).named_parameters())
        >>> run_blueprint(config, values, torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    if isinstance(net, NetConfig) and not net.auxiliary:
        return run_network(net, parameters, images)
    model = build_blueprint(net, images.device).train()
    return functional_call(model, dict(parameters), (images,))
