"""Sparse networks: pruning at initialisation, multipartite graphs, topometrics, tables of them."""

from graph2nn.deprecated import called_as_before, moved
from graph2nn.sparsity.as_archgraph import sparse_archgraph
from graph2nn.sparsity.as_picture import multipartite_picture
from graph2nn.sparsity.campaign.densities import density_summary
from graph2nn.sparsity.campaign.feature_sets import FEATURE_SETS, FeatureTable, features
from graph2nn.sparsity.campaign.grid import GRIDS, Setting, SparseGrid, find_grid
from graph2nn.sparsity.campaign.layer_table import layer_table
from graph2nn.sparsity.campaign.masked_training import (
    mask_gradients,
    published_recipe,
    train_sparse,
)
from graph2nn.sparsity.campaign.results import (
    SparseTable,
    accuracy_drop,
    published_table,
    read_sparse_table,
)
from graph2nn.sparsity.campaign.training import diverged_networks, regenerate, run_grid
from graph2nn.sparsity.graphs.drawing import draw_multipartite
from graph2nn.sparsity.graphs.edges import EdgeList, edge_list
from graph2nn.sparsity.graphs.encodings.encode import ENCODINGS, encode
from graph2nn.sparsity.graphs.metrics.counting import count_edges, degrees, strengths
from graph2nn.sparsity.graphs.metrics.edge_free import adjacency_operator
from graph2nn.sparsity.graphs.metrics.ramanujan import ramanujan
from graph2nn.sparsity.graphs.metrics.topometrics import TOPOMETRICS, topometrics
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import MODELS, build, init_weights
from graph2nn.sparsity.networks.pruning.prune import PRUNERS, prune
from graph2nn.sparsity.networks.pruning.selection import masks_from_scores
from graph2nn.training.probe import prunable

__all__ = [
    "ENCODINGS",
    "FEATURE_SETS",
    "GRIDS",
    "MODELS",
    "PRUNERS",
    "TOPOMETRICS",
    "Block",
    "Setting",
    "EdgeList",
    "FeatureTable",
    "Layer",
    "Masks",
    "MultipartiteGraph",
    "SparseGrid",
    "SparseTable",
    "accuracy_drop",
    "adjacency_operator",
    "build",
    "count_edges",
    "degrees",
    "density_summary",
    "draw_multipartite",
    "edge_list",
    "diverged_networks",
    "encode",
    "features",
    "find_grid",
    "init_weights",
    "layer_table",
    "mask_gradients",
    "masks_from_scores",
    "prunable",
    "prune",
    "published_recipe",
    "published_table",
    "ramanujan",
    "read_sparse_table",
    "regenerate",
    "run_grid",
    "sparse_archgraph",
    "strengths",
    "topometrics",
    "train_sparse",
    "multipartite_picture",
]

__getattr__ = moved(
    __name__,
    {
        "Cell": "graph2nn.sparsity:Setting",
        "SparseImages": "graph2nn.vision:ImageSettings",
    },
    {"SparseImages": called_as_before({"imsize": "image_size"})},
)
