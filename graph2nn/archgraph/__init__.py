"""Graphs of networks: tracing any module, virtual edges, batching, conversion."""

from graph2nn.archgraph.graph import ArchGraph, shape4d
from graph2nn.archgraph.primitives import PRIMITIVE_ID, PRIMITIVES
from graph2nn.archgraph.tracing import trace

__all__ = ["PRIMITIVES", "PRIMITIVE_ID", "ArchGraph", "shape4d", "trace"]
