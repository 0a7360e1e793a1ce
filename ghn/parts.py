"""Which trunk and which decoder does a configuration of a hypernetwork mean?"""

from __future__ import annotations

from torch import nn

from ghn.config import GHNConfig
from ghn.decoding.decoders import ConvDecoder, MLPDecoder
from ghn.decoding.lowrank import LowRankDecoder
from ghn.trunks.gated import GatedGNN
from ghn.trunks.graphormer import Graphormer
from ghn.trunks.mlp import NodeMLP
from ghn.trunks.tokens import TokenTrunk

__all__ = ["make_decoder", "make_trunk"]


def make_trunk(c: GHNConfig) -> nn.Module:
    """Make the trunk of a configuration, with initial weights."""
    if c.hypernet == "gatedgnn":
        return GatedGNN(c.hid, ve=c.ve, cutoff=c.ve_cutoff)
    if c.hypernet == "mlp":
        return NodeMLP(c.hid)
    if c.hypernet == "tokens":
        return TokenTrunk(c.hid, layers=c.layers, heads=c.heads, cutoff=c.cutoff, tokens=c.tokens)
    return Graphormer(c.hid, layers=c.layers, heads=c.heads, cutoff=c.cutoff)


def make_decoder(c: GHNConfig) -> ConvDecoder | MLPDecoder | LowRankDecoder:
    """Make the decoder of matrices of a configuration, with initial weights."""
    sizes = (c.hid, c.max_shape, c.num_classes)
    if c.decoder == "conv":
        return ConvDecoder(*sizes, centre=c.is_ghn3)
    if c.decoder == "mlp":
        return MLPDecoder(*sizes)
    return LowRankDecoder(*sizes, rank=c.rank, centre=c.is_ghn3)
