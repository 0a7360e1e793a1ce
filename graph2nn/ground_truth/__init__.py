"""Tables of trained DeepNets-1M networks: labels that anyone can make again, row by row."""

from graph2nn.deprecated import called_as_before, moved
from graph2nn.ground_truth.figures import plot_ground_truth, summarise_ground_truth
from graph2nn.ground_truth.making import Regenerated, generate, regenerate
from graph2nn.ground_truth.measure import count_flops, inference_times
from graph2nn.ground_truth.networks import NetEntry, draw_networks
from graph2nn.ground_truth.settings import (
    TABLES,
    GroundTruthSettings,
    find_table,
)
from graph2nn.ground_truth.table import (
    GroundTruth,
    add_attributes,
    holds_ground_truth,
    read_ground_truth,
    write_ground_truth,
)
from graph2nn.ground_truth.training import train_all, train_group

__all__ = [
    "TABLES",
    "GroundTruth",
    "GroundTruthSettings",
    "NetEntry",
    "Regenerated",
    "add_attributes",
    "count_flops",
    "draw_networks",
    "find_table",
    "generate",
    "holds_ground_truth",
    "inference_times",
    "plot_ground_truth",
    "read_ground_truth",
    "regenerate",
    "summarise_ground_truth",
    "train_all",
    "train_group",
    "write_ground_truth",
]

__getattr__ = moved(
    __name__,
    dict.fromkeys(("CORRUPTIONS", "ImageSettings", "corrupted", "load_sets"), "graph2nn.vision"),
    {
        "ImageSettings": called_as_before(
            {"imsize": "image_size"}, image_size=8, train=600, val=500, test=500
        )
    },
)
