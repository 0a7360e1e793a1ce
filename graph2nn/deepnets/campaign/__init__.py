"""Tables of trained DeepNets-1M networks: labels that anyone can make again, row by row."""

from graph2nn.deepnets.campaign.figures import plot_ground_truth, summarise_ground_truth
from graph2nn.deepnets.campaign.images import CORRUPTIONS, corrupted, load_sets
from graph2nn.deepnets.campaign.making import Regenerated, generate, regenerate
from graph2nn.deepnets.campaign.measure import count_flops, inference_times
from graph2nn.deepnets.campaign.networks import NetEntry, draw_networks
from graph2nn.deepnets.campaign.settings import (
    TABLES,
    GroundTruthSettings,
    ImageSettings,
    find_table,
)
from graph2nn.deepnets.campaign.table import (
    GroundTruth,
    add_attributes,
    read_ground_truth,
    write_ground_truth,
)
from graph2nn.deepnets.campaign.training import train_all, train_group

__all__ = [
    "CORRUPTIONS",
    "TABLES",
    "GroundTruth",
    "GroundTruthSettings",
    "ImageSettings",
    "NetEntry",
    "Regenerated",
    "add_attributes",
    "corrupted",
    "count_flops",
    "draw_networks",
    "find_table",
    "generate",
    "inference_times",
    "load_sets",
    "plot_ground_truth",
    "read_ground_truth",
    "regenerate",
    "summarise_ground_truth",
    "train_all",
    "train_group",
    "write_ground_truth",
]
