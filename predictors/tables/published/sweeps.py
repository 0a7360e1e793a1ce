"""Which published sweeps over graphs are shipped? Relational and sparse networks, connectomes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from graph2nn.relational.campaign.results import read_results
from graph2nn.relational.graphs.connectomes import CONNECTOMES
from predictors.tables.published.original import Columns, Published, csv_file

__all__ = ["SWEEPS"]

_RELATIONAL = "Graph Structure of Neural Networks (ICML 2020, arXiv:2007.06559)"
_SPARSE = "Sparse networks as multipartite graphs (TMLR 2024, arXiv:2305.16886)"
_TEXT = ("model", "dataset", "pruning", "layer_name")
_RUN = {
    "task": "data and architecture",
    "seed": "seed of the training",
    "epoch": "number of the epoch",
    "top*_error": "percent",
    "is_baseline": "whether the graph is complete: ordinary layers",
    "graph_id": "nodes, sparsity, p and seed of the graph",
    "C": "average clustering coefficient",
    "L": "average length of shortest paths",
}
_NETWORK = {
    "model": "name of the network",
    "dataset": "data set, images of 32 x 32",
    "pruning": "pruning algorithm",
    "sparsity": "fraction of weights removed",
    "seed": "seed of the training",
    "accuracy": "fraction, test accuracy",
}


def _results(folder: Path, file: str) -> Columns:
    return dict(read_results(folder / file))


def _connectomes(folder: Path) -> Columns:
    lines = {name: (folder / f"{name}.txt").read_text("ascii").split() for name in CONNECTOMES}
    return {
        "name": np.array([name for name, rows in lines.items() for _ in rows]),
        "line": np.array([line for rows in lines.values() for line in rows]),
    }


SWEEPS: dict[str, Published] = {
    "relational": Published(
        title="Relational graphs: 20 496 trained networks, their final errors",
        part="relational",
        file="results.csv.gz",
        read=partial(_results, file="results.csv.gz"),
        source="facebookresearch/graph2nn: analysis/final_results",
        cite=_RELATIONAL,
        licence="MIT",
        units={
            **_RUN,
            "n_nodes": "count",
            "k_degree": "mean degree, n_nodes times sparsity",
            "sparsity": "degree over nodes",
            "p": "probability of rewiring",
            "graph_seed": "seed of the graph",
            "transform": "type of the layers in the source",
            "params_M": "millions",
            "gflops": "1e9 multiply-adds",
            "time_avg_s": "s, as logged by the source",
            "dim0": "first width, matched to the FLOPs of the baseline",
            "idx_*": "row in the published set of graphs, -1 where it is not in it",
        },
        pitfalls="A graph that is no baseline has 64 nodes, in efficient_imagenet also 16. One run "
        "each of two ImageNet tasks is missing.",
    ),
    "relational_by_epoch": Published(
        title="Relational graphs: the errors of the same networks by epoch",
        part="relational",
        file="results_by_epoch.csv.gz",
        read=partial(_results, file="results_by_epoch.csv.gz"),
        source="facebookresearch/graph2nn: analysis/final_results",
        cite=_RELATIONAL,
        licence="MIT",
        units=_RUN,
        pitfalls="mlp_cifar10 has its last epoch only.",
    ),
    "connectomes": Published(
        title="Connectomes of macaque (whole cortex, visual areas) and cat, rows of adjacency",
        part="relational",
        file="cat.txt, mcvisual.txt, mcwhole.txt",
        read=_connectomes,
        source="facebookresearch/graph2nn: pycls/datasets",
        cite=_RELATIONAL,
        licence="MIT",
        units={"name": "name of the connectome", "line": "0 or 1 a target, from this source"},
        pitfalls="Directed; made symmetric with OR for undirected layers.",
    ),
    "sparse": Published(
        title="Pruned and trained networks with metrics of their unrolled graphs, 2 337 rows",
        part="sparse",
        file="unrolled.csv.gz",
        read=csv_file("unrolled.csv.gz", text=_TEXT, whole=("seed",)),
        source="eliacunegatti/mge-snn: graph_data/graph_metrics/unrolled/unrolled.csv",
        cite=_SPARSE,
        licence="Apache-2.0",
        units={
            **_NETWORK,
            "nodes": "count, N",
            "edges": "count, E",
            **dict.fromkeys(
                ("sink_nodes", "source_nodes", "disc_nodes", "mean_connected_components"),
                "divided by N",
            ),
            **dict.fromkeys(("no_connected_components", "spectral_*"), "as computed, not divided"),
            "*": "divided by E",
        },
        pitfalls="47 rows repeat others exactly (readers drop them), 4 lack the local metrics. "
        "Counts of sinks and sources carry biases of the source and may be negative. avg_node_"
        "strength and spectral_* come from trained weights, the others from the mask.",
    ),
    "sparse_layers": Published(
        title="Layers of 1 975 of the pruned networks: weights kept, Ramanujan properties",
        part="sparse",
        file="layers.csv.gz",
        read=csv_file("layers.csv.gz", text=_TEXT, whole=("seed", "layer_id")),
        source="eliacunegatti/mge-snn: graph_data/graph_metrics/rolled, "
        "ramanunjan_results/<model>/rolled-*.csv",
        cite=_SPARSE,
        licence="Apache-2.0",
        units={
            **_NETWORK,
            "layer_id": "place in the source's list of layers",
            "layer_name": "name of the module",
            "nnz": "weights kept",
            "numel": "weights",
            "delta_r": "difference to the Ramanujan bound",
            "imdb": "iterative mean difference of bound",
            "imsg": "iterative mean spectral gap",
        },
        pitfalls="delta_r is -inf 90 times and missing 260 times; imdb and imsg are missing in "
        "8 048 rows where no subgraph qualifies. CONV-6 counts pooling among its layer_id.",
    ),
}
"""The tables by name."""
