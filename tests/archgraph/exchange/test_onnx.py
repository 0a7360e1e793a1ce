"""ONNX files: the graph of `trace` comes back; what is no such file is refused with a reason."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exchanged import NETWORKS, OWN, build
from torch import nn

from graph2nn.archgraph import ArchGraph, canonical_key, diff, from_onnx, trace
from graph2nn.archgraph.exchange.onnx.graph import turned_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

SIZES = "pooling to several places is written as average pooling of windows"
PRODUCT = "addcmul is written as a product and a sum"
# Where a file differs from the trace, by exporter, and why.
DIFFERENT = {
    ("in place", "program"): "writes into a view are written out as copies",
    ("in place", "script"): "the same, and a buffer reads like a weight",
    ("recurrent", "script"): "recurrent layers are written out with their states",
    ("alexnet", "script"): SIZES,
    ("vgg11_bn", "script"): SIZES,
    ("inception_v3", "script"): "joins of joins are written as one",
    ("swin_v2_t", "script"): "writes into a part of a bias are written out as joins of its parts",
    ("timm:beit_base_patch16_224", "script"): "attention with a learned bias is written out",
    ("timm:convnextv2_atto", "script"): PRODUCT,
    ("timm:resmlp_12_224", "script"): PRODUCT,
}
# What torch.onnx itself cannot write: its error.
NOT_WRITTEN = {("timm:beit_base_patch16_224", "program"): "Cannot view a tensor with shape"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Exporters talk: through warnings and loggers of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        yield
        logging.disable(logging.NOTSET)


def written(model: nn.Module, example: Any, path: Path, exporter: str) -> Path:
    if exporter == "program":
        pytest.importorskip("onnxscript")
        how: dict[str, Any] = {"dynamo": True, "optimize": False, "external_data": False}
        torch.onnx.export(model, (example,), path, verbose=False, **how)
    else:
        mode = torch.onnx.TrainingMode.PRESERVE  # folds nothing
        how = {"dynamo": False, "do_constant_folding": False, "training": mode}
        torch.onnx.export(model, (example,), path, **how)
    return path


def check(name: str, exporter: str, folder: Path) -> None:
    model, example = build(name)
    graph = trace(model, example, view="primitives", training=False)
    if (name, exporter) in NOT_WRITTEN:
        with pytest.raises(Exception, match="(?s)ONNX") as error:
            written(model, example, folder / "net.onnx", exporter)
        assert NOT_WRITTEN[name, exporter] in str(error.value.__cause__)
        return
    path = written(model, example, folder / "net.onnx", exporter)
    found = from_onnx(path, view="primitives")
    same = canonical_key(found) == canonical_key(graph)
    assert same == ((name, exporter) not in DIFFERENT), str(diff(graph, found))
    if same and name != "tied":  # a tied parameter has one of its two names
        assert found.param_shapes == graph.param_shapes
    if exporter == "program":
        assert found.name == type(model).__name__
        paths = {module for module, _ in model.named_modules()}
        assert {scope.path for scope in found.scopes} <= paths


@pytest.mark.parametrize("name", OWN)
def test_own_networks(name: str, tmp_path: Path) -> None:
    check(name, "script", tmp_path)


@pytest.mark.parametrize("name", ["gated"])
def test_an_own_network_of_the_other_exporter(name: str, tmp_path: Path) -> None:
    check(name, "program", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "gated"])
def test_all_networks_of_the_other_exporter(name: str, tmp_path: Path) -> None:
    check(name, "program", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in OWN])
def test_networks_of_others(name: str, tmp_path: Path) -> None:
    check(name, "script", tmp_path)


Nodes = list[Any]


def file(
    path: Path, nodes: Nodes, weights: dict[str, tuple[int, ...]], **more: Any
) -> tuple[Path, Any]:
    """A file of these nodes, from `x` (2, 4) to `y`, written without a check."""
    values = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, np.ones(shape).ravel())
        for name, shape in weights.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [x], [y], values, **more)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    path.write_bytes(model.SerializeToString())
    return path, model


def node(op: str, inputs: str, outputs: str, **attrs: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"the {op}", **attrs)


def test_matrices_stored_the_other_way(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "h"), node("Add", "h b", "y")]
    path, _ = file(tmp_path / "net.onnx", nodes, {"w": (4, 3), "b": (3,)})
    graph = from_onnx(path, view="primitives")
    assert graph.op_names() == ["input", "conv", "bias"] and graph.param_shapes["w"] == (3, 4)
    assert graph.name == "net" and turned_weights(path) == {"w"}
    full = from_onnx(path, name="mine")
    assert full.op_names() == ["input", "linear", "add"] and full.num_classes == 3
    assert full.name == "mine"


def test_functions_and_weights_elsewhere(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 300), nn.Linear(300, 2)).eval()
    path = written(model, torch.zeros(2, 4), tmp_path / "net.onnx", "script")
    graph = from_onnx(path)
    proto = onnx.load(path)
    onnx.save(proto, path, save_as_external_data=True, location="net.weights", size_threshold=0)
    (tmp_path / "net.weights").unlink()  # never read
    assert from_onnx(path) == graph
    body = [node("Relu", "a", "b")]
    named, made = file(tmp_path / "function.onnx", [node("Twice", "x", "y", domain="own")], {})
    function = helper.make_function("own", "Twice", ["a"], ["b"], body, made.opset_import)
    made.functions.append(function)
    made.opset_import.append(helper.make_opsetid("own", 1))
    named.write_bytes(made.SerializeToString())
    assert from_onnx(named).op_names() == ["input", "relu"]


def test_long_expressions_take_no_time(tmp_path: Path) -> None:
    doubled = [node("Add", f"h{k} h{k}", f"h{k + 1}") for k in range(60)]
    nodes = [node("Sigmoid", "x", "h0"), *doubled, node("Mul", "x h60", "y")]
    path, _ = file(tmp_path / "net.onnx", nodes, {})
    start = time.perf_counter()
    assert from_onnx(path).op_names()[-1] == "mul"  # no activation is as long
    short, _ = file(tmp_path / "silu.onnx", [*nodes[:3], node("Mul", "x h2", "y")], {})
    assert from_onnx(short).op_names()[-1] == "silu"
    assert time.perf_counter() - start < 20


def test_an_operation_that_nobody_knows(tmp_path: Path) -> None:
    nodes = [node("MyOwnLayer", "x w", "y", domain="mine")]
    path, _ = file(tmp_path / "net.onnx", nodes, {"w": (4, 4)})
    graph = from_onnx(path)
    assert graph.op_names() == ["input", "my_own_layer"] and graph.params[1] == ("w",)


def sparse(path: Path) -> Path:
    values = helper.make_tensor("w", TensorProto.FLOAT, (1,), [1.0])
    places = helper.make_tensor("w_places", TensorProto.INT64, (1,), [3])
    weight = helper.make_sparse_tensor(values, places, (4, 3))
    return file(path, [node("MatMul", "x w", "y")], {}, sparse_initializer=[weight])[0]


def branched(path: Path) -> Path:
    inner = helper.make_graph([node("Relu", "x", "z")], "inner", [], [])
    return file(path, [node("If", "x", "y", then_branch=inner, else_branch=inner)], {})[0]


def of(*nodes: Any, **weights: tuple[int, ...]) -> Callable[[Path], Path]:
    return lambda path: file(path, list(nodes), weights)[0]


def holding(data: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return make


def huge(path: Path) -> Path:
    with path.open("wb") as opened:
        opened.truncate(2**31 + 10)  # takes no room on the disk
    return path


def no_text(path: Path) -> Path:
    path, _ = file(path, [node("Relu", "x", "y")], {})
    path.write_bytes(path.read_bytes().replace(b"the Relu", b"the \xff\xfeu "))
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "quantised": (
        of(node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y"), s=(1,)),
        "is quantised .2 nodes DequantizeLinear, QuantizeLinear.: .* before it is quantised",
    ),
    "integers": (of(node("MatMulInteger", "x w", "y"), w=(4, 3)), "is quantised"),
    "sparse": (sparse, "holds a pruned network: 1 weights are sparse, such as 'w'; export it"),
    "branch": (branched, "node 'the If' is control flow .If. .* export the branch"),
    "lost": (of(node("Relu", "z", "y")), "node 'the Relu' reads 'z', which nothing before it"),
    "circle": (of(node("Add", "x y", "z"), node("Relu", "z", "y")), "reads 'y', which nothing"),
    "twice": (of(node("Relu", "x", "y"), node("Relu", "x", "y")), "'y' is given twice"),
    "no end": (of(node("Relu", "x", "z")), "nothing gives its output 'y'"),
    "empty": (holding(b""), "is no ONNX file, or is damaged: it holds no graph"),
    "text": (holding(b"a text, no network"), "is no ONNX file, or is damaged"),
    "pickle": (holding(b"\x80\x04\x95\x10"), "is no ONNX file, or is damaged"),
    "names": (no_text, "is damaged: a name in it is no text"),
    "huge": (huge, "more than the 2147483647 that such a file can have: export .* file of their"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(kind: str, tmp_path: Path) -> None:
    make, message = REFUSED[kind]
    path = make(tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=message) as error:
        from_onnx(path)
    assert str(path) in str(error.value)


def test_names_of_files_and_views(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "absent.onnx")
    path = of(node("Relu", "x", "y"))(tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="unknown view 'ghn3'; choose one of full, primitives"):
        from_onnx(path, view="ghn3")  # type: ignore[arg-type]


def test_fuzzed_files_are_refused_or_are_graphs(tmp_path: Path) -> None:
    model, example = build("gated")
    path = written(model, example, tmp_path / "net.onnx", "script")
    raw, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(150):
        data = bytearray(raw)
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(data)))
            data[at : at + int(rng.integers(6))] = rng.bytes(int(rng.integers(6)))
        path.write_bytes(
            bytes(data[: int(rng.integers(len(data)))] if rng.random() < 0.2 else data)
        )
        try:
            graph = from_onnx(path)
        except ValueError as error:
            assert str(path) in str(error) and len(str(error)) < 600
            refused += 1
        else:
            assert isinstance(graph, ArchGraph) and graph.num_nodes
    assert refused > 20
