"""Graph hypernetworks: from the graph of a network to its parameters."""

from ghn.adjust import adjust_net
from ghn.checkpoints import load_ghn, save_ghn
from ghn.config import GHNConfig
from ghn.model import GHN, use_batch_statistics

__all__ = [
    "GHN",
    "GHNConfig",
    "adjust_net",
    "load_ghn",
    "save_ghn",
    "use_batch_statistics",
]
