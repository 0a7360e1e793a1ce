"""The command: every word of it on small networks, and what it says of what is wrong."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from repository import ROOT
from torch import nn

from ghn import from_pretrained
from graph2nn import __version__
from graph2nn.archgraph import ArchGraph, canonical_key, trace
from graph2nn.runs.tensors import read_tensors
from netwright.command.inputs import example_input
from netwright.command.latency import MeasureCommand
from netwright.command.main import COMMANDS, main
from netwright.command.targets import graph_of, model_of, read_keywords
from predictors import Table
from predictors.latency.networks import COUNT, SmallNetwork

MODELS = '''
import torch
from torch import nn

print_at_import = None


def small(width=8, num_classes=10, tied=False):
    net = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, width),
        nn.Linear(width, num_classes))
    if tied:
        net.insert(6, net[5])
    return net


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(5, 6)

    def forward(self, x):
        return self.b(self.a(x))


class Needing(nn.Module):
    """Needs values, so that the meta device is not enough."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.times = int(torch.ones(()).item())

    def forward(self, x, scale):
        return self.a(x) * scale


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(7, 4), nn.Linear(4, 2)

    def forward(self, ids, mask=None):
        return self.out((self.table(ids) * mask[..., None]).mean(1))


made = nn.Linear(3, 2)
number = 3


def fails():
    raise RuntimeError("no such thing\\nas this")
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture):
    def do(*words: str) -> str:
        status = main(words)
        said = capsys.readouterr()
        assert status == 0, said.err
        return said.out

    return do


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture):
    def do(*words: str) -> str:
        before = sorted(p.name for p in here.iterdir() if p.name != "__pycache__")
        try:
            status = main(words)
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        assert status != 0 and not said.out
        assert before == sorted(p.name for p in here.iterdir() if p.name != "__pycache__")
        return said.err

    return do


SIZES = ("--input", "2x3x8x8")


def test_graph_writes_what_is_asked_for(run, here: Path) -> None:
    said = run(
        *("graph", "models.py:small", "width=12", *SIZES, "--json", "net.json.gz"),
        *("--dot", "net.dot", "--picture", "net.svg", "--html", "net.html"),
    )
    assert "nodes=11" in said and "net.svg: " in said
    graph = ArchGraph.load("net.json.gz")
    model = model_of("models.py:small", ["width=12"])
    images = torch.zeros(2, 3, 8, 8)
    assert canonical_key(graph) == canonical_key(trace(model, images, training=False))
    assert (here / "net.dot").read_text().startswith("digraph") and graph.columns
    assert "<svg" in (here / "net.svg").read_text() and "<html" in (here / "net.html").read_text()
    again = run("graph", "net.json.gz")
    assert "conv2d" in again and "10 classes" in again
    assert run("graph", "models.py:small", *SIZES, "width=12", "--view", "primitives")


def test_arguments_stand_anywhere(run) -> None:
    one = run("graph", "models.py:small", "width=12", "num_classes=3", *SIZES)
    assert one == run(
        "graph", *SIZES, "models.py:small", "width=12", "--view", "full", "num_classes=3"
    )
    assert ", 3 classes" in one


def test_summary(run, here: Path) -> None:
    said = run("summary", "models.py:small", "tied=true", *SIZES, "--json", "net.json")
    rows = json.loads((here / "net.json").read_text())["modules"]
    assert rows[0]["parameters"] == sum(
        p.numel() for p in model_of("models.py:small", ["tied=true"]).parameters()
    )
    assert "Conv2d" in said and "BatchNorm2d" in said
    assert len(run("summary", "models.py:small", *SIZES, "--depth", "0").splitlines()) < len(
        said.splitlines()
    )
    run("graph", "models.py:small", *SIZES, "--json", "graph.json")
    assert "BatchNorm2d" in run("summary", "graph.json")
    assert "Linear" in run("summary", "models.py:Words", "--input", "ids=int64:1x5,mask=1x5")


def test_predict_gives_the_state_of_the_network(run, here: Path) -> None:
    said = run(
        *("predict", "models.py:small", "tied=true", *SIZES, "--checkpoint", "ghn2-digits"),
        *("--out", "net.safetensors"),
    )
    assert "predicted by ghn2-digits" in said
    tensors, told = read_tensors("net.safetensors")
    model = model_of("models.py:small", ["tied=true"])
    model.load_state_dict(tensors)
    found = from_pretrained("ghn2-digits").predict(model.eval(), torch.ones(2, 3, 8, 8))
    assert all(torch.equal(tensors[name], value) for name, value in found.items())
    assert torch.equal(tensors["5.weight"], tensors["6.weight"])  # one layer, two names
    assert told["network"] == "models.py:small tied=true"
    how = ("--checkpoint", "ghn2-digits", *SIZES, "--classes", "no", "--seed", "3")
    run("predict", "models.py:small", *how, "--out", "net.pt")
    state = torch.load("net.pt", weights_only=True)
    initial = model_of("models.py:small", seed=3).state_dict()
    assert torch.equal(state["6.weight"], initial["6.weight"])  # not predicted, drawn by the seed
    assert not torch.equal(state["0.weight"], initial["0.weight"])


def test_predict_for_graphs_and_onnx(run, refused, here: Path) -> None:
    run("graph", "models.py:small", *SIZES, "--view", "primitives", "--json", "net.json")
    run("predict", "net.json", "--checkpoint", "ghn2-digits", "--out", "net.safetensors")
    shapes = {name: tuple(t.shape) for name, t in read_tensors("net.safetensors")[0].items()}
    named = dict(model_of("models.py:small").named_parameters())
    assert shapes == {name: tuple(p.shape) for name, p in named.items()}
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    weight = helper.make_tensor("w", TensorProto.FLOAT, (12, 10), [0.0] * 120)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 12))]
    ends += [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 10))]
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "net", ends[:1], ends[1:], [weight])), "n.onnx"
    )
    assert "linear" in run("graph", "n.onnx")
    with_ten = ("predict", "n.onnx", "--checkpoint", "ghn2-digits", "--out", "n.safetensors")
    run(*with_ten)
    assert read_tensors("n.safetensors")[0]["w"].shape == (12, 10)  # as the file has it
    assert "has no parameters to predict" in refused(*with_ten, "--classes", "no")
    other = ("--view", "primitives", "--json", "seven.json")
    run("graph", "models.py:small", "num_classes=7", *SIZES, *other)
    seven = ("predict", "seven.json", *with_ten[2:])
    said = refused(*seven, "--classes", "yes")
    assert "for 10 classes, but 6.weight" in said and "pass --classes no" in said
    run(*seven)


def test_accuracy(run, refused, here: Path) -> None:
    inputs = torch.zeros(2, 3, 8, 8)
    nets = {f"net{k}": model_of("models.py:small", [f"width={k}"]) for k in range(4, 34)}
    labels = {"acc": [50.0 + k for k in range(30)]}
    Table.from_models(nets, labels, inputs=inputs, progress=False).save("mine.h5")
    table = ("--table", "mine.h5", "--model", "rf-graph", "--train", "20")
    said = run("accuracy", "models.py:small", *SIZES, *table, "--save", "predictor.safetensors")
    assert "acc 5" in said and "from 20 networks of mine.h5" in said
    assert "on 10 others of the table: mean absolute error" in said
    again = run("accuracy", "models.py:small", *SIZES, "--predictor", "predictor.safetensors")
    assert again.split(",")[0].split()[-1] == said.split(",")[0].split()[-1]
    assert "no network of this kind" in refused(
        "accuracy", "models.py:small", "--table", "nb101_500"
    )
    assert "expected one of --table" in refused("accuracy", "models.py:small")
    assert "no head for accuracies" in refused(
        "accuracy", "models.py:small", *SIZES, "--checkpoint", "ghn2-digits"
    )


def test_latency(run, refused, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictors.latency.machine._ROUNDS", (2, 1))
    monkeypatch.setattr("predictors.latency.machine.build_small", _tiny)
    assert "run `netwright measure` once" in refused("latency", "models.py:small", *SIZES)
    said = run("measure", "--count", "12")
    assert "latency.safetensors holds the predictor, learned from 12 networks" in said
    said = run("latency", "models.py:small", "width=12", *SIZES)
    assert said.startswith("Sequential: ") and " ms\n" in said and "conv2d" in said and "%" in said
    by_module = run("latency", "models.py:small", *SIZES, "--by", "module", "--rows", "2")
    assert len(by_module.strip().splitlines()) < len(said.strip().splitlines())
    assert "--clock cpu counts one thread" in refused("measure", "--clock", "cpu", "--threads", "2")
    if not torch.cuda.is_available():
        assert "device: cuda is not available" in refused("measure", "--device", "cuda")


def _tiny(network: SmallNetwork) -> tuple[nn.Module, torch.Tensor]:
    width = 4 + 8 * network.seed
    layers = nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36 * width, 3)
    return nn.Sequential(*layers).eval(), torch.rand(1, 3, 8, 8)


def test_the_list_has_as_many_networks_as_the_help_says() -> None:
    assert MeasureCommand().count == COUNT


def test_diff(run) -> None:
    run("graph", "models.py:small", *SIZES, "--json", "net.json")
    assert run("diff", "net.json", "models.py:small", *SIZES) == "equal\n"
    run("diff", "net.json", "models.py:made", "--input", "2x3", "--html", "changes.html")
    assert Path("changes.html").stat().st_size > 1000


def test_data(run, refused, here: Path) -> None:
    everything = run("data")
    for name in ("nb201", "ghn2-digits", "tart-cells", "cifar10 (not here)", "ghn3xlm16"):
        assert name in everything
    assert "val_accuracy (default)" in run("data", "nb101_500", "--csv", "labels.csv")
    assert len((here / "labels.csv").read_text().splitlines()) == 501
    assert "92.8 ± 1.0 % on 100 networks" in run("data", "ghn2-digits")
    assert "netwright data cifar10 --download" in run("data", "cifar10")
    assert "10 classes, 8 x 8" in run("data", "digits")
    assert "(did you mean 'nb201'?)" in refused("data", "nb2o1")
    assert "ghn2-digits is no table" in refused("data", "ghn2-digits", "--csv", "a.csv")
    assert "images are cifar10" in refused("data", "nb201", "--download")
    assert "expected a name" in refused("data", "--download")


REFUSED = [
    (["graph", "resnet50"], "nothing is imported that is not named"),
    (["graph", "weights.pt"], "may run code of a stranger when it is opened"),
    (["graph", "absent.json"], "No such file"),
    (["graph", "absent.py:net"], "there is no file absent.py"),
    (["graph", "no_such_module:net"], "there is no module 'no_such_module'"),
    (["graph", "models.py:absent"], "models.py has no 'absent'; it has Broken, Needing, Words"),
    (["graph", "models.py:small", "depth=3"], "models.py:small(depth=3) failed: TypeError"),
    (["graph", "models.py:fails"], "models.py:fails() failed: RuntimeError: no such thing"),
    (["graph", "models.py:number"], "gives a int: expected a torch.nn.Module"),
    (["graph", "models.py:made", "width=3"], "is no function, so it takes no width=3"),
    (["graph", "models.py:Broken", "--input", "2x3"], "module 'b' failed: RuntimeError: mat1"),
    (["graph", "models.py:small", "--input", "2,x"], "--input: expected input"),
    (["graph", "models.py:small", "--html", "net.svg"], "--html: expected a name with .html"),
    (["graph", "models.py:small", "--nope"], "unrecognized arguments: --nope"),
    (["diff", "models.py:small", "models.py:small", "more"], "unrecognized arguments: more"),
    (["summary", "models.py:small", "--depth", "-2"], "--depth: expected a number from 0 on"),
    (["predict", "models.py:small", "--out", "a.pt"], "arguments are required: --checkpoint"),
    (["predict", "models.py:small", "--checkpoint", "x", "--out", "a"], "--out: expected a name"),
    (["predict", "models.py:small", "--checkpoint", "x", "--out", "a.pt"], "no hypernetwork 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_is_wrong_is_said(refused, words: list[str], message: str) -> None:
    said = refused(*words)
    if message.startswith("--input"):
        message = "--input: expected"
    assert message in said and "Traceback" not in said


def test_what_needs_values_is_built_for_real(here: Path) -> None:
    graph = graph_of("models.py:Needing", input="2x3,2x1")
    assert "linear" in graph.op_names()


def test_a_module_in_the_current_folder(run) -> None:
    try:
        assert "conv2d" in run("graph", "models:small", *SIZES)
        assert "" not in sys.path
    finally:
        sys.modules.pop("models", None)


def test_nothing_is_imported_that_is_not_named(here: Path) -> None:
    (here / "os_like.py").write_text("raise SystemExit('imported')")
    (here / "random.py").write_text("raise SystemExit('the folder hides a module of Python')")
    script = f"""
import sys
sys.path = [path for path in sys.path if path]
sys.path[:0] = {[str(ROOT), str(ROOT / "tokenizers")]}
from netwright.command.main import main
status = main(["graph", "models.py:small", "--input", "2x3x8x8"])
named = [name for name in ("transformers", "timm", "torchvision", "onnx", "os_like", "models")
         if name in sys.modules]
print(status, named)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=here)
    assert ran.returncode == 0 and ran.stdout.splitlines()[-1] == "0 []", ran.stdout + ran.stderr


def test_keywords_and_inputs() -> None:
    assert read_keywords(["a=1", "b=(2, 3)", "c=None", "d=x=y"]) == {
        "a": 1, "b": (2, 3), "c": None, "d": "x=y",
    }  # fmt: skip
    for wrong in (["a"], ["1a=3"], ["=3"]):
        with pytest.raises(ValueError, match="expected keyword arguments such as"):
            read_keywords(wrong)
    with pytest.raises(ValueError, match="a stands twice"):
        read_keywords(["a=1", "a=2"])
    two = example_input("2x3,bool:4")
    assert [tuple(t.shape) for t in two] == [(2, 3), (4,)] and two[1].dtype == torch.bool
    for wrong in ("", "2x", "x3", "a=", "nope:2x3", "2x3,a=4", "a=1,a=2"):
        with pytest.raises(ValueError, match="--input: expected"):
            example_input(wrong)


def test_help_has_examples(capsys: pytest.CaptureFixture) -> None:
    for word in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as stop:
            main([*word, "--help"])
        said = capsys.readouterr().out
        assert stop.value.code == 0 and f"    netwright {' '.join(word)}" in said


def test_version(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"netwright {__version__}\n"


@pytest.mark.skipif(importlib.util.find_spec("shtab") is None, reason="extra shell")
def test_completion(run) -> None:
    assert "_shtab_netwright_subparsers=(graph summary predict" in run("completion", "bash")
    assert "#compdef netwright" in run("completion", "zsh")


def test_a_module_itself_and_a_class(here: Path) -> None:
    assert isinstance(model_of("models.py:made"), nn.Linear)
    assert type(model_of("models.py:Words")).__name__ == "Words"
