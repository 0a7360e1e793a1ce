"""Relational graphs: generators, measures, masked networks, width matching, sweeps, trainings."""

from graph2nn.deprecated import called_as_before, moved
from graph2nn.relational.as_archgraph import message_graph, relational_archgraph
from graph2nn.relational.as_picture import relational_picture
from graph2nn.relational.campaign.job_results import diverged_runs, merge_results
from graph2nn.relational.campaign.results import ResultTable, read_results, write_results
from graph2nn.relational.campaign.specs import NetworkSpec, build_network
from graph2nn.relational.campaign.tasks import (
    DIVISIONS,
    TASKS,
    Task,
    division_entries,
    find_task,
    network_specs,
)
from graph2nn.relational.campaign.training import run_jobs
from graph2nn.relational.conversion import count_forward, make_relational, widen
from graph2nn.relational.graphs.connectomes import CONNECTOMES, load_connectome
from graph2nn.relational.graphs.generators import (
    GENERATORS,
    barabasi_albert,
    complete,
    cycle,
    erdos_renyi,
    grid,
    hypercube,
    make_graph,
    read_graph,
    regular,
    star,
    tree,
    ws_flex,
)
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.graphs.graph_sets import GRAPH_SETS, GraphEntry, graph_set, own_entry
from graph2nn.relational.graphs.many_graphs import ENGINES
from graph2nn.relational.graphs.measures import GraphMeasures, clustering, measure, path_length
from graph2nn.relational.graphs.rewiring import FoundGraph, RewiredGraph, search_graph
from graph2nn.relational.graphs.sweep import SweepGrid, run_sweep
from graph2nn.relational.graphs.sweep_file import SweepFile, read_sweep, sweep_to_file
from graph2nn.relational.graphs.thinning import ThinningRule, thin
from graph2nn.relational.networks import MODELS, RelationalNetwork, build_model, relational_mlp
from graph2nn.relational.networks.counting import Counts, count_flops, count_module, count_params
from graph2nn.relational.networks.layers import (
    EXECUTIONS,
    RelationalConv2d,
    RelationalLinear,
    set_execution,
)
from graph2nn.relational.networks.matching import WidthMatch, match_width
from graph2nn.relational.networks.partition import node_sizes, relational_mask

__all__ = [
    "CONNECTOMES",
    "DIVISIONS",
    "ENGINES",
    "EXECUTIONS",
    "GENERATORS",
    "GRAPH_SETS",
    "MODELS",
    "TASKS",
    "Counts",
    "FoundGraph",
    "GraphEntry",
    "GraphMeasures",
    "NetworkSpec",
    "RelationalConv2d",
    "RelationalGraph",
    "RelationalLinear",
    "RelationalNetwork",
    "ResultTable",
    "RewiredGraph",
    "SweepFile",
    "SweepGrid",
    "Task",
    "ThinningRule",
    "WidthMatch",
    "as_graph",
    "barabasi_albert",
    "build_model",
    "build_network",
    "clustering",
    "complete",
    "count_flops",
    "count_forward",
    "count_module",
    "count_params",
    "cycle",
    "diverged_runs",
    "division_entries",
    "erdos_renyi",
    "find_task",
    "graph_set",
    "grid",
    "hypercube",
    "load_connectome",
    "make_graph",
    "read_graph",
    "make_relational",
    "match_width",
    "measure",
    "merge_results",
    "message_graph",
    "network_specs",
    "node_sizes",
    "own_entry",
    "path_length",
    "read_results",
    "read_sweep",
    "regular",
    "star",
    "relational_archgraph",
    "relational_mask",
    "relational_mlp",
    "run_jobs",
    "run_sweep",
    "search_graph",
    "set_execution",
    "sweep_to_file",
    "thin",
    "tree",
    "widen",
    "write_results",
    "ws_flex",
    "relational_picture",
]

__getattr__ = moved(
    __name__,
    {
        "DataSource": "graph2nn.vision:ImageSettings",
        "analysis": "predictors.studies:relational",
    },
    {"DataSource": called_as_before({"name": "dataset", "imsize": "image_size"})},
)
