"""Graphs of networks: tracing any module, virtual edges, batching, conversion, drawing."""

from graph2nn.archgraph.batch import GraphBatch
from graph2nn.archgraph.canonical import canonical, canonical_key, isomorphic_variants
from graph2nn.archgraph.convert import from_networkx, to_networkx, to_pyg
from graph2nn.archgraph.coverage import Coverage, coverage
from graph2nn.archgraph.graph import ArchGraph, shape4d
from graph2nn.archgraph.hashing import structural_hash
from graph2nn.archgraph.pictures.drawing import draw
from graph2nn.archgraph.primitives import PRIMITIVE_ID, PRIMITIVES
from graph2nn.archgraph.tracing.calls import Call, Constant, Operand, Weight
from graph2nn.archgraph.tracing.tracer import trace

__all__ = [
    "PRIMITIVES",
    "PRIMITIVE_ID",
    "ArchGraph",
    "Call",
    "Constant",
    "Coverage",
    "GraphBatch",
    "Operand",
    "Weight",
    "canonical",
    "canonical_key",
    "coverage",
    "draw",
    "from_networkx",
    "isomorphic_variants",
    "shape4d",
    "structural_hash",
    "to_networkx",
    "to_pyg",
    "trace",
]
