"""What tells a network whose parameters come from elsewhere? A configuration, or a blueprint."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from torch import nn

from ghn.model import use_batch_statistics
from graph2nn.deepnets import NetConfig, Network

__all__ = ["Blueprint", "Net", "build_blueprint"]


class Blueprint(Protocol):
    """What tells a network: small, hashable, and sent to other processes with its graph."""

    def skeleton(self) -> nn.Module:
        """Build the network with parameters on the meta device, masks and other tables as data."""
        ...


Net: TypeAlias = NetConfig | Blueprint
"""A network of any family: DeepNets-1M's configuration, or the blueprint of another family."""


def build_blueprint(net: Net) -> nn.Module:
    """Build a network without values of its parameters, for `torch.func.functional_call`.

    Normalisations take the statistics of the batch, in training and in evaluation: no running ones
    are ever collected for predicted parameters.

    Args:
        net: Configuration of a DeepNets-1M network, or anything with a `skeleton`.

    Examples:
        >>> from graph2nn.deepnets import EndlessNets
        >>> next(build_blueprint(EndlessNets()[0]).parameters()).device
        device(type='meta')
    """
    if isinstance(net, NetConfig):
        return Network(net, device="meta")
    found = net.skeleton()
    use_batch_statistics(found)
    return found
