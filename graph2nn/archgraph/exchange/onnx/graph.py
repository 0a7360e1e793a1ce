"""What is the graph of an ONNX file? Its nodes, read as the calls that trace would see.

PyTorch's exporter notes which call of which operation a node is a part of, and in which module;
calls are put together again by that. In other files a node is a call, and the weights are known by
where they are read.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from graph2nn.archgraph.exchange.aten import aten_name
from graph2nn.archgraph.exchange.onnx.file import OnnxFile, OnnxNode, read_onnx
from graph2nn.archgraph.exchange.onnx.names import call_facts, call_name
from graph2nn.archgraph.exchange.onnx.patterns import fused
from graph2nn.archgraph.exchange.records import ImportedView, Recording, imported_graph
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.views.full import NORMS

__all__ = ["from_onnx", "turned_weights"]

_CONSTANT = {"Constant", "Shape", "Size", "ConstantOfShape", "Range", "EyeLike"}
_MOVES = {"Cast", "CastLike", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "LSTM", "GRU", "RNN"}
_NORMS = {
    *("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"),
    *("RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization"),
}
# What exporters call the constants of expressions.
_UNNAMED = re.compile(r"val_\d|onnx::|/|_to_copy|lifted_tensor|scalar_tensor|const|\d+$", re.I)


def from_onnx(
    path: str | Path, *, view: ImportedView = "full", name: str | None = None
) -> ArchGraph:
    """Make the graph of a network in an ONNX file (extra `onnx`); nothing is run.

    It has the names of the file's weights and modules, as far as the exporter kept them, and for
    files that PyTorch wrote with `optimize=False` it is the graph in primitives that
    `trace(model, input, view="primitives", training=False)` gives. An optimising exporter folds
    batch normalisation into convolutions; the graph then shows the network of the file. Matrices
    that are stored for `x @ W` are shown as those of linear layers are, (out, in).

    Args:
        path: Path of the file; weights in files beside it are not read.
        view: Kind of graph, "full" or "primitives", as in `trace`.
        name: Name of the graph; None for that in the file.

    Raises:
        ImportError: The package `onnx` is missing.
        FileNotFoundError: There is no such file.
        ValueError: It is no ONNX file, damaged, too large, quantised, sparse, or has control flow.
    """
    found = read_onnx(path)
    reader = _Reader(found)
    reader.read()
    record = fused(reader.record)
    own = name if name is not None else reader.name or found.name or Path(path).stem
    return imported_graph(record, view, own)


def turned_weights(path: str | Path) -> frozenset[str]:
    """Name the matrices of a file that are stored (in, out), the other way than their graph shows.

    Raises:
        ImportError, FileNotFoundError, ValueError: As in `from_onnx`.
    """
    reader = _Reader(read_onnx(path))
    reader.read()
    return frozenset(reader.turned)


class _Reader:
    """Walks the nodes of a file; `origin` says where a value comes from, as in a record."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.record = Recording()
        self.name = ""
        self.turned: set[str] = set()
        self._origin: dict[str, int] = {}
        self._weights = dict(file.weights)
        self._calls: dict[Any, int] = {}
        self._scopes: dict[tuple[str, ...], int] = {}

    def read(self) -> None:
        """Fill the record."""
        nodes = [node for node in self.file.nodes if not self._renames_weight(node)]
        roles = self._roles(nodes)
        for name, shape in self._weights.items():
            if name in roles and self._is_parameter(name, shape, roles[name]):
                if "turned" in roles[name]:
                    self.turned.add(name)
                    shape = shape[::-1]
                self._origin[name] = self.record.parameter(name, shape)
        for name in self.file.inputs:
            self._origin[name] = self.record.input(self.file.shapes.get(name, ()))
        for node in nodes:
            self._node(node)
        self.record.end([self._origin.get(name) for name in self.file.outputs])

    def _renames_weight(self, node: OnnxNode) -> bool:
        """Whether a node only gives a weight another name: equal weights are stored once."""
        if node.op != "Identity" or node.call[0] or node.inputs[0] not in self._weights:
            return False
        self._weights[node.outputs[0]] = self._weights[node.inputs[0]]
        return True

    def _roles(self, nodes: list[OnnxNode]) -> dict[str, set[str]]:
        """How each weight is used: as that of a layer, turned, or as a statistic."""
        roles: dict[str, set[str]] = {}
        source: dict[str, str] = {}
        for node in nodes:
            if node.op in _MOVES and node.inputs and node.inputs[0] in self._weights:
                source[node.outputs[0]] = node.inputs[0]
            for place, given in enumerate(node.inputs):
                name = source.get(given, given)
                own = roles.setdefault(name, set())
                if node.op == "BatchNormalization" and place > 2:
                    own.add("statistic")
                elif node.op in _LAYERS or (node.op in _NORMS and place):
                    own.add("layer")
                    matrix = place == 1 and given == name and len(self._weights.get(name, ())) == 2
                    if matrix and node.op == "MatMul":
                        own.add("turned")
                    if matrix and node.op == "Gemm" and not node.attrs.get("transB", 0):
                        own.add("turned")
        return roles

    def _is_parameter(self, name: str, shape: tuple[int, ...], roles: set[str]) -> bool:
        kind = self.file.kinds.get(name)
        if kind is not None:
            return kind == "PARAMETER"
        if "layer" in roles:
            return True
        named = not self.file.kinds and not _UNNAMED.match(name)
        large = math.prod(shape) > 1 or "." in name  # of expressions, numbers have no such name
        return named and large and "statistic" not in roles

    def _node(self, node: OnnxNode) -> None:
        if node.op in _CONSTANT or node.op.startswith("Random"):
            return
        given = node.inputs[:1] if node.op == "CastLike" else node.inputs  # of the rest, the type
        refs = [self._origin[name] for name in given if name in self._origin]
        if not refs:
            return
        if node.op == "Identity" or (not node.call[0] and node.op in _MOVES and refs[0] < 0):
            index = refs[0]
        else:
            index = self._call(node, refs)
        for name in node.outputs:
            self._origin[name] = index

    def _call(self, node: OnnxNode, refs: list[int]) -> int:
        """Add a call, or a further part of one."""
        shape = self.file.shapes.get(node.outputs[0], ())
        first = self.file.shapes.get(node.inputs[0], ())
        facts = call_facts(node, len(first), self.file.integers)
        key = (node.call, node.scopes) if node.call[0] else None
        index = self._calls.get(key, -1)
        if key is not None and index >= 0 and max(refs) <= index:
            self.record.extend(index, refs, shape, facts)
            return index
        packet = node.call[1].split(".")
        name = aten_name(packet[1], len(shape)) if packet[0] == "aten" and packet[1:] else ""
        if not name or (node.op in _LAYERS and name in NORMS):  # folded into the layer before
            name = call_name(node, len(first), weight=refs[-1] < 0, table=refs[0] < 0)
        if name.startswith("avg_pool") and any("Adaptive" in kind for _, kind in node.scopes[-1:]):
            name = f"adaptive_{name}"  # to a size of more than 1, written as what it is there
        index = self.record.add(name, refs, shape, attrs=facts, scope=self._scope(node))
        if key is not None:
            self._calls[key] = index
        return index

    def _scope(self, node: OnnxNode) -> int:
        found, paths = -1, []
        for path, kind in node.scopes:
            paths.append(path)
            place = tuple(paths)
            if place not in self._scopes:
                if path == "" and kind:
                    self.name = kind
                self._scopes[place] = self.record.scope(found, path, kind)
            found = self._scopes[place]
        return found
