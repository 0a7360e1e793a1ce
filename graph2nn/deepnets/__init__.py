"""DeepNets-1M (arXiv:2110.13100): networks from genotypes, their graphs, sampling and storage."""

from graph2nn.deepnets.as_archgraph import build_graph, count_params, is_connected, num_nodes
from graph2nn.deepnets.dataset import (
    EndlessNets,
    MetaBatch,
    MetaBatches,
    NetDataset,
    eval_net,
    eval_nets,
)
from graph2nn.deepnets.graphs.config import OPS, Genotype, NetConfig
from graph2nn.deepnets.graphs.config_table import NetTable
from graph2nn.deepnets.graphs.genotypes import DARTS, GENOTYPES, PDARTS, ViT
from graph2nn.deepnets.graphs.sampling import (
    draw_widths,
    sample_config,
    sample_genotype,
    sample_table,
)
from graph2nn.deepnets.graphs.splits import EVAL_SPLITS, SPLITS, SplitRules, WidthRule, split_rules
from graph2nn.deepnets.networks.functional import run_network
from graph2nn.deepnets.networks.network import Network
from graph2nn.deepnets.published import PublishedNets, write_published
from graph2nn.deepnets.published_graph import published_graph
from graph2nn.deepnets.store import NetStore, load_nets, save_nets
from graph2nn.deprecated import moved

__all__ = [
    "DARTS",
    "EVAL_SPLITS",
    "GENOTYPES",
    "OPS",
    "PDARTS",
    "SPLITS",
    "EndlessNets",
    "Genotype",
    "MetaBatch",
    "MetaBatches",
    "NetConfig",
    "NetDataset",
    "NetStore",
    "NetTable",
    "Network",
    "PublishedNets",
    "SplitRules",
    "ViT",
    "WidthRule",
    "build_graph",
    "count_params",
    "draw_widths",
    "eval_net",
    "eval_nets",
    "is_connected",
    "load_nets",
    "num_nodes",
    "published_graph",
    "sample_config",
    "sample_genotype",
    "sample_table",
    "save_nets",
    "split_rules",
    "write_published",
    "run_network",
]

__getattr__ = moved(__name__, {"ground_truth": "graph2nn:ground_truth"})
