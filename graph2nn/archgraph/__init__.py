"""Graphs of networks: tracing any module, virtual edges, stacks, conversion, drawing, files."""

from graph2nn.archgraph.calls import Call, Constant, Operand, Scope, Values, Weight
from graph2nn.archgraph.canonical import canonical, canonical_key, isomorphic_variants
from graph2nn.archgraph.convert import from_networkx, to_networkx, to_pyg
from graph2nn.archgraph.coverage import Coverage, coverage
from graph2nn.archgraph.exchange.difference import Difference, diff
from graph2nn.archgraph.exchange.dot import to_dot
from graph2nn.archgraph.exchange.onnx.graph import from_onnx
from graph2nn.archgraph.exchange.program import from_export
from graph2nn.archgraph.graph import (
    PRIMITIVE_ID,
    PRIMITIVES,
    ArchGraph,
    shape4d,
    structural_hash,
)
from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.archgraph.measures.critical import CriticalPath, critical_path
from graph2nn.archgraph.measures.fields import ReceptiveField, receptive_field
from graph2nn.archgraph.measures.measuring import measured
from graph2nn.archgraph.measures.memory import PeakMemory, peak_memory
from graph2nn.archgraph.measures.summary import ModuleSummary, Summary, summary
from graph2nn.archgraph.pictures.drawing import draw
from graph2nn.archgraph.stack import GraphStack
from graph2nn.archgraph.tracer import trace
from graph2nn.archgraph.tracing.failures import TraceError
from graph2nn.archgraph.tracing.replaying import replay

__all__ = [
    "ArchGraph",
    "Call",
    "Constant",
    "Coverage",
    "CriticalPath",
    "Difference",
    "GraphStack",
    "ModuleSummary",
    "Operand",
    "PRIMITIVES",
    "PRIMITIVE_ID",
    "PeakMemory",
    "ReceptiveField",
    "Scope",
    "Summary",
    "TraceError",
    "Values",
    "Weight",
    "canonical",
    "canonical_key",
    "coverage",
    "critical_path",
    "diff",
    "draw",
    "from_export",
    "from_networkx",
    "from_onnx",
    "isomorphic_variants",
    "replay",
    "measured",
    "multiply_adds",
    "peak_memory",
    "receptive_field",
    "shape4d",
    "structural_hash",
    "summary",
    "to_dot",
    "to_networkx",
    "to_pyg",
    "trace",
]
