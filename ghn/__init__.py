"""Graph hypernetworks: from the graph of a network to its parameters."""

from ghn.adjust import adjust_net
from ghn.config import GHNConfig
from ghn.model import GHN
from ghn.pretrained import (
    GHN1,
    GHN2,
    GHN3,
    NormCheck,
    from_pretrained,
    get_metadata,
    load_ghn,
    norm_check,
    save_ghn,
)
from graph2nn.deprecated import moved
from graph2nn.training.precise_bn import use_batch_statistics

__all__ = [
    "GHN",
    "GHN1",
    "GHN2",
    "GHN3",
    "GHNConfig",
    "NormCheck",
    "adjust_net",
    "from_pretrained",
    "get_metadata",
    "load_ghn",
    "norm_check",
    "save_ghn",
    "use_batch_statistics",
]

__getattr__ = moved(__name__, {"families": "graph2nn:families"})
