"""Discovered wirings: edges that are learned with the weights, and what they are compared with."""

from graph2nn.training.top_k import top_k
from graph2nn.wirings.as_archgraph import wiring_archgraph
from graph2nn.wirings.as_picture import wiring_picture
from graph2nn.wirings.campaign.checkpoints import load_wiring
from graph2nn.wirings.campaign.config import WiringConfig, build_network
from graph2nn.wirings.campaign.evaluation import evaluate_wiring
from graph2nn.wirings.campaign.published import CONFIGS, find_config
from graph2nn.wirings.campaign.start import read_edges
from graph2nn.wirings.campaign.training import WiringObserver, draw_run, train_wiring
from graph2nn.wirings.compaction.compact import compact
from graph2nn.wirings.compaction.execution import EXECUTIONS, set_execution
from graph2nn.wirings.edges.kinds import KINDS
from graph2nn.wirings.edges.layers import WiredConv, wired_layers
from graph2nn.wirings.edges.masks import swap_rate, wiring_masks
from graph2nn.wirings.edges.rewiring import Rewiring, RewiringSchedule
from graph2nn.wirings.edges.selection import edge_budget, select_weight
from graph2nn.wirings.edges.slots import Rectangle, Slots
from graph2nn.wirings.edges.tickets import fine_tune_from, inherit_edges, lottery_from
from graph2nn.wirings.edges.user_edges import given_mask, given_masks
from graph2nn.wirings.graphs.graph import WiringGraph
from graph2nn.wirings.graphs.measures import WiringMeasures, alive_nodes, measure_wiring
from graph2nn.wirings.graphs.multipartite import wiring_multipartite
from graph2nn.wirings.networks.as_graph import wiring_graph
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.counts import (
    PublishedProfile,
    WiringCounts,
    count_wiring,
    executed_macs,
    published_profile,
)
from graph2nn.wirings.networks.mobilenet import MobileNetV1, WiredBlock, WiredMobileNetV1
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.resnet import SparseResNet50
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring, TinyWiring

__all__ = [
    "CONFIGS",
    "EXECUTIONS",
    "KINDS",
    "ContinuousTimeWiring",
    "DiscreteTimeWiring",
    "MobileNetV1",
    "PublishedProfile",
    "Rectangle",
    "Rewiring",
    "RewiringSchedule",
    "Slots",
    "Solver",
    "SparseResNet50",
    "StaticWiring",
    "TinyWiring",
    "WiredBlock",
    "WiredConv",
    "WiredMobileNetV1",
    "WiringConfig",
    "WiringCounts",
    "WiringGraph",
    "WiringMeasures",
    "WiringObserver",
    "alive_nodes",
    "build_network",
    "compact",
    "count_wiring",
    "draw_run",
    "edge_budget",
    "evaluate_wiring",
    "executed_macs",
    "find_config",
    "fine_tune_from",
    "given_mask",
    "given_masks",
    "inherit_edges",
    "load_wiring",
    "lottery_from",
    "measure_wiring",
    "published_profile",
    "read_edges",
    "select_weight",
    "set_execution",
    "swap_rate",
    "top_k",
    "train_wiring",
    "wired_layers",
    "wiring_archgraph",
    "wiring_graph",
    "wiring_masks",
    "wiring_multipartite",
    "wiring_picture",
]
