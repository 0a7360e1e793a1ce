"""Relational graphs: generators, measures, masked networks, width matching, sweeps, analysis."""

from graph2nn.relational.connectomes import CONNECTOMES, load_connectome
from graph2nn.relational.convert import message_graph, relational_archgraph
from graph2nn.relational.counting import Counts, count_flops, count_module, count_params
from graph2nn.relational.generators import (
    GENERATORS,
    barabasi_albert,
    complete,
    cycle,
    erdos_renyi,
    grid,
    hypercube,
    make_graph,
    regular,
    tree,
    ws_flex,
)
from graph2nn.relational.graph import RelationalGraph, as_graph
from graph2nn.relational.graph_sets import GRAPH_SETS, GraphEntry, graph_set
from graph2nn.relational.job_results import merge_results
from graph2nn.relational.kernels import ENGINES
from graph2nn.relational.layers import (
    EXECUTIONS,
    RelationalConv2d,
    RelationalLinear,
    set_execution,
)
from graph2nn.relational.matching import WidthMatch, match_width
from graph2nn.relational.measures import GraphMeasures, clustering, measure, path_length
from graph2nn.relational.models import MODELS, RelationalNetwork, build_model, relational_mlp
from graph2nn.relational.partition import node_sizes, relational_mask
from graph2nn.relational.results import ResultTable, read_results, write_results
from graph2nn.relational.rewiring import FoundGraph, RewiredGraph, search_graph
from graph2nn.relational.runs import run_jobs
from graph2nn.relational.specs import DataSource, NetworkSpec, build_network
from graph2nn.relational.sweep import SweepGrid, run_sweep
from graph2nn.relational.sweep_file import SweepFile, read_sweep, sweep_to_file
from graph2nn.relational.tasks import (
    DIVISIONS,
    TASKS,
    Task,
    division_entries,
    find_task,
    network_specs,
)
from graph2nn.relational.thinning import ThinningRule, thin

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
    "DataSource",
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
    "count_module",
    "count_params",
    "cycle",
    "division_entries",
    "erdos_renyi",
    "find_task",
    "graph_set",
    "grid",
    "hypercube",
    "load_connectome",
    "make_graph",
    "match_width",
    "measure",
    "merge_results",
    "message_graph",
    "network_specs",
    "node_sizes",
    "path_length",
    "read_results",
    "read_sweep",
    "regular",
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
    "write_results",
    "ws_flex",
]
