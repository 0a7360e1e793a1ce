"""What does an ONNX file hold? Read whole or refused, with the reason; weights' values are not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OnnxFile", "OnnxNode", "read_onnx"]

_LARGEST = 2**31 - 1  # bytes that a file of protocol buffers can have
_KEPT = 4096  # bytes of an initial value that are kept, for shapes and axes
_QUANTISED = re.compile("[Qq]uantize|QLinear|Integer$|^Q(Attention|Gemm|Ordered)|MatMulNBits")
_SAME = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze"}
_CONTROL = {"If", "Loop", "Scan", "SequenceMap"}
_FLOATS = {1, 10, 11, 16}  # TensorProto: float32, float16, float64, bfloat16
_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"


@dataclass(frozen=True)
class OnnxNode:
    """A node of the file: its operation, attributes, and the names of what it reads and gives.

    `scopes` are the modules at work and their classes, outermost first; `call` is the operation of
    the exported program that the node is a part of, where the exporter noted it.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]
    scopes: tuple[tuple[str, str], ...]
    call: tuple[str, str]


@dataclass(frozen=True)
class OnnxFile:
    """A network as an ONNX file describes it.

    Args:
        name: Name of the graph.
        nodes: Nodes in an order in which each comes after what it reads.
        inputs, outputs: Names of the network's inputs and outputs.
        weights: Initial values that can be parameters: their shapes by name.
        kinds: What the exporter says that an initial value is (`PARAMETER`, `BUFFER`).
        integers: Small integers by name: axes and the like.
        shapes: Shapes by name, 0 where a size is free.
    """

    name: str
    nodes: list[OnnxNode]
    inputs: list[str]
    outputs: list[str]
    weights: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    integers: dict[str, list[int]]
    shapes: dict[str, tuple[int, ...]]


def read_onnx(path: str | Path) -> OnnxFile:
    """Read the graph of an ONNX file; weights in further files stay there.

    Raises:
        ImportError: The package `onnx` is missing (extra `onnx`).
        FileNotFoundError: There is no such file.
        ValueError: It is no ONNX file, damaged, too large, quantised, sparse, or has control flow.
    """
    path = Path(path)
    model = _loaded(path)
    graph = model.graph
    if any(isinstance(text, bytes) for text in _texts(graph)):
        raise ValueError(f"{path} is damaged: a name in it is no text")
    _refuse(path, model)
    weights = {x.name: tuple(x.dims) for x in graph.initializer if x.data_type in _FLOATS}
    kinds, metadata = {}, (*graph.value_info, *graph.input, *graph.initializer)
    for value in metadata:
        for pair in value.metadata_props:
            if pair.key == _KIND:
                kinds[value.name] = pair.value
    constants = {x.name for x in graph.initializer}
    found = OnnxFile(
        name=graph.name,
        nodes=[_node(node) for node in graph.node],
        inputs=[value.name for value in graph.input if value.name not in constants],
        outputs=[value.name for value in graph.output],
        weights=weights,
        kinds=kinds,
        integers=_integers(graph),
        shapes=_shapes(model),
    )
    _check_order(path, found, constants)
    return found


def _onnx() -> Any:
    try:
        import onnx
        import onnx.inliner
        import onnx.shape_inference
    except ImportError:
        raise ImportError(
            'reading ONNX files needs the package onnx: pip install "netwright[onnx]"'
        ) from None
    return onnx


def _loaded(path: Path) -> Any:
    onnx = _onnx()
    size = path.stat().st_size
    if size > _LARGEST:
        raise ValueError(
            f"{path} has {size} bytes, more than the {_LARGEST} that such a file can have: export "
            "the network with its weights in a file of their own "
            "(torch.onnx.export(..., external_data=True))"
        )
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # of protocol buffers, whose errors share no class
        raise ValueError(f"{path} is no ONNX file, or is damaged: {_line(error)}") from None
    if not model.ir_version or not model.HasField("graph"):
        raise ValueError(f"{path} is no ONNX file, or is damaged: it holds no graph")
    _forget_values(model)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:
            raise ValueError(f"{path}: its functions cannot be read: {_line(error)}") from None
    return model


def _forget_values(model: Any) -> None:
    """Drop the values of weights: what is done with the rest takes no memory then."""
    for value in model.graph.initializer:
        for field in ("raw_data", "float_data", "double_data", "int32_data", "external_data"):
            data = getattr(value, field)
            if len(data) > _KEPT or (field == "external_data" and len(data)):
                value.ClearField(field)
                value.ClearField("data_location")


def _texts(graph: Any) -> Iterator[Any]:
    """All names in a graph; those that are no UTF-8 come as bytes."""
    yield graph.name
    for node in graph.node:
        yield from (node.op_type, node.name, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        yield from (text for pair in node.metadata_props for text in (pair.key, pair.value))
    for value in (*graph.initializer, *graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (text for pair in value.metadata_props for text in (pair.key, pair.value))


def _refuse(path: Path, model: Any) -> None:
    """What a graph does not show, or would show wrongly."""
    graph = model.graph
    kinds = [node.op_type for node in graph.node]
    quantised = sorted({kind for kind in kinds if _QUANTISED.search(kind)})
    if quantised:
        count = sum(kind in quantised for kind in kinds)
        raise ValueError(
            f"{path} is quantised ({count} nodes {', '.join(quantised[:4])}): its weights are "
            "integers and scales, not the parameters of a network; export the network before it "
            "is quantised"
        )
    if graph.sparse_initializer:
        names = [value.values.name or "unnamed" for value in graph.sparse_initializer]
        raise ValueError(
            f"{path} holds a pruned network: {len(names)} weights are sparse, such as "
            f"{names[0][:80]!r}; export it with dense weights (zeros where it is pruned)"
        )
    control = next((node for node in graph.node if node.op_type in _CONTROL), None)
    if control is not None:
        raise ValueError(
            f"{path}: node {control.name!r} is control flow ({control.op_type}) that depends on "
            "data, which a graph does not show; export the branch that you mean"
        )
    if not graph.output:
        raise ValueError(f"{path} is damaged: its graph has no output")


def _check_order(path: Path, found: OnnxFile, constants: set[str]) -> None:
    known = {"", *found.inputs, *constants}
    for node in found.nodes:
        for name in node.inputs:
            if name not in known:
                raise ValueError(
                    f"{path} is damaged: node {node.name or node.op!r} reads {name[:80]!r}, which "
                    "nothing before it gives"
                )
        for name in node.outputs:
            if name and name in known:
                raise ValueError(f"{path} is damaged: {name[:80]!r} is given twice")
        known.update(node.outputs)
    if lost := [name for name in found.outputs if name not in known]:
        raise ValueError(f"{path} is damaged: nothing gives its output {lost[0][:80]!r}")


def _node(node: Any) -> OnnxNode:
    told = {pair.key: pair.value for pair in node.metadata_props}
    names = _listed(told.get("pkg.torch.onnx.name_scopes", ""))
    kinds = _listed(told.get("pkg.torch.onnx.class_hierarchy", ""))
    if len(names) == len(kinds) > 0:
        scopes = tuple(zip(names[:-1], (kind.rpartition(".")[2] for kind in kinds[:-1])))
        call = (names[-1], kinds[-1])
    else:
        parts = node.name.split("/")[1:-1] if node.name.startswith("/") else []
        scopes, call = tuple(_paths(parts)), ("", "")
    attrs = {a.name: _value(a) for a in node.attribute}
    own = tuple(node.input), tuple(node.output)
    return OnnxNode(node.op_type, node.name, *own, attrs, scopes, call)


def _listed(text: str) -> list[str]:
    """The texts of a list in the notation of Python, read without running anything."""
    return [a or b for a, b in re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", text)]


def _paths(parts: list[str]) -> Iterator[tuple[str, str]]:
    """`/layer1/layer1.0/conv1/Conv`: paths of the modules; their classes are not told."""
    path = ""
    yield "", ""
    for part in parts:
        inside = part if not path or part.startswith(f"{path}.") else f"{path}.{part}"
        path = inside
        yield path, ""


def _value(attribute: Any) -> Any:
    if attribute.type == 2:
        return attribute.i
    if attribute.type == 7:
        return list(attribute.ints)
    if attribute.type == 1:
        return attribute.f
    if attribute.type == 3:
        return attribute.s.decode(errors="replace")
    return None


def _integers(graph: Any) -> dict[str, list[int]]:
    """Small integers that the file gives, and what only moves or joins them."""
    found = dict(_given_integers(graph))
    for node in graph.node:
        known = [found[name] for name in node.input if name in found]
        if node.op_type in _SAME and node.input and node.input[0] in found:
            found[node.output[0]] = known[0]
        elif node.op_type == "Concat" and len(known) == len(node.input):
            found[node.output[0]] = [number for part in known for number in part][:16]
    return found


def _given_integers(graph: Any) -> Iterator[tuple[str, list[int]]]:
    from onnx import numpy_helper

    given = [(x.name, x) for x in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            given += [(node.output[0], a.t) for a in node.attribute if a.name == "value"]
            for attribute in node.attribute:
                if attribute.name == "value_int":
                    yield node.output[0], [attribute.i]
                elif attribute.name == "value_ints":
                    yield node.output[0], list(attribute.ints)
    for name, tensor in given:
        if tensor.data_type in (6, 7) and len(tensor.dims) <= 1 and sum(tensor.dims) <= 16:
            try:
                yield name, numpy_helper.to_array(tensor).reshape(-1).tolist()
            except (TypeError, ValueError):
                continue  # its values are elsewhere


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    graph, known = model.graph, dict[str, tuple[int, ...]]()
    given = {name for node in graph.node for name in node.output if name}
    if not given <= {value.name for value in graph.value_info}:
        try:
            graph = _onnx().shape_inference.infer_shapes(model, data_prop=True).graph
        except Exception:  # shapes of outputs refine some nodes; without them the graph still holds
            graph = model.graph
    for value in (*graph.value_info, *graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            known[value.name] = tuple(max(int(d.dim_value), 0) for d in kind.shape.dim)
    known.update((x.name, tuple(x.dims)) for x in graph.initializer)
    return known


def _line(error: BaseException) -> str:
    text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text[:200]
