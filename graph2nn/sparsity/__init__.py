"""Sparse networks: pruning at initialisation, multipartite graphs, topometrics, tables of them."""

from graph2nn.sparsity.encodings import ENCODINGS, encode
from graph2nn.sparsity.export import sparse_archgraph
from graph2nn.sparsity.features import FEATURE_SETS, FeatureTable, features
from graph2nn.sparsity.grid import GRIDS, Cell, SparseGrid, SparseImages, find_grid
from graph2nn.sparsity.layer_table import layer_table
from graph2nn.sparsity.masks import Masks, prunable
from graph2nn.sparsity.models import MODELS, build, init_weights
from graph2nn.sparsity.multipartite import Block, Layer, MultipartiteGraph
from graph2nn.sparsity.pruning import PRUNERS, masks_from_scores, prune
from graph2nn.sparsity.published import published_table
from graph2nn.sparsity.ramanujan import ramanujan
from graph2nn.sparsity.results import SparseTable, accuracy_drop, read_sparse_table
from graph2nn.sparsity.running import regenerate, run_grid
from graph2nn.sparsity.topometrics import TOPOMETRICS, edge_list, topometrics
from graph2nn.sparsity.training import mask_gradients, train_sparse

__all__ = [
    "ENCODINGS",
    "FEATURE_SETS",
    "GRIDS",
    "MODELS",
    "PRUNERS",
    "TOPOMETRICS",
    "Block",
    "Cell",
    "FeatureTable",
    "Layer",
    "Masks",
    "MultipartiteGraph",
    "SparseGrid",
    "SparseImages",
    "SparseTable",
    "accuracy_drop",
    "build",
    "edge_list",
    "encode",
    "features",
    "find_grid",
    "init_weights",
    "layer_table",
    "mask_gradients",
    "masks_from_scores",
    "prunable",
    "prune",
    "published_table",
    "ramanujan",
    "read_sparse_table",
    "regenerate",
    "run_grid",
    "sparse_archgraph",
    "topometrics",
    "train_sparse",
]
