"""The benchmark scripts run, in their smallest form and without any original."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from repository import BENCHMARKS

FOLDER = BENCHMARKS
BESIDE_ORIGINAL = ("predict", "deepnets", "train_step", "leak", "sparse_topometrics", "wirings")
SCRIPTS = (
    *BESIDE_ORIGINAL,
    *("graph_measures", "width_matching", "relational_training", "graph_tokens", "gpu"),
    "training_iteration",
    "large_networks",
    "graph_tools",
    "tracing",
    "intervals",
    "latency",
    "real_networks",
)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """A script as a module; its folder is on the path only for the test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setattr(gc, "collect", lambda: 0)  # before each clock; slow beside other tests
    threads = torch.get_num_threads()
    yield importlib.import_module
    torch.set_num_threads(threads)
    for name in ("common", *SCRIPTS):
        sys.modules.pop(name, None)


@pytest.fixture
def common(load) -> ModuleType:
    return load("common")


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name: str, load, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        load(name).main(["--help"])
    assert stop.value.code == 0
    assert ("--reference" in capsys.readouterr().out) == (name in BESIDE_ORIGINAL)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("predict", "1 models predicted."),
        ("deepnets", "generation, networks/s"),
        ("train_step", "outside the networks"),
        ("leak", "MB a prediction"),
        ("graph_measures", "the whole sweep in"),
        ("width_matching", "networks built"),
        ("relational_training", "networks x epochs a minute"),
        ("graph_tokens", "s for 1 000 networks"),
        ("training_iteration", "CPU ms a network"),
        ("large_networks", "low-rank, kept"),
        ("tracing", "a run on meta tensors"),
        ("wirings", "tiny static, training step"),
        ("graph_tools", "Netwright, summary |  2 of 2"),
        ("sparse_topometrics", "Edge-free, Wide-Resnet-28-2, 60% uniform"),
    ],
)
def test_quick(name: str, found: str, load, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "figures.json"
    load(name).main(["--quick", "--out", str(out)])
    text = capsys.readouterr().out
    assert found in text
    assert ("Without --reference" in text) == (name in BESIDE_ORIGINAL)
    assert json.loads(out.read_text())["hardware"]["threads"] == 1
    assert list(tmp_path.iterdir()) == [out]


def test_quick_without_a_gpu(load, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "figures.json"
    load("gpu").main(["--device", "cpu", "--quick", "--no-tests", "--out", str(out)])
    text = capsys.readouterr().out
    figures = json.loads(out.read_text())
    for name in load("gpu").SECTIONS:
        assert figures[name]["rows"], name
    assert "difference of the gradient" in text and "tests/gpu left out" in text
    same = {row[0]: row[3] for row in figures["streams"]["rows"]}
    assert same["no loss read between networks"] < 1e-6
    assert list(tmp_path.iterdir()) == [out]


def test_no_gpu(load) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(SystemExit, match="torch finds no GPU; --device cpu --quick"):
        load("gpu").main([])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "/nowhere"], "is no unpacked ppuda"),
        (["--repeats", "0"], "expected at least 1, got 0"),
        (["--out", "/nowhere/a.json"], "does not exist; create it first"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, load) -> None:
    with pytest.raises(SystemExit, match=message):
        load("deepnets").main(arguments)


def test_another_folder_is_no_mge_snn(load, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is no unpacked mge-snn: it lacks main.py"):
        load("sparse_topometrics").main(["--reference", str(tmp_path)])


def test_figures_that_differ_end_the_benchmark(load) -> None:
    compare = load("sparse_topometrics").compare
    theirs = {"edges": 5.0, "spectral_gap": 0.002, "spectral_radius": 2.0}
    compare({"edges": 5, "spectral_gap": 0.002003, "spectral_radius": 2.00001}, theirs, "case")
    for name, value in (("edges", 6), ("spectral_gap", 0.0021)):
        with pytest.raises(SystemExit, match=f"case: {name} is {value} here and"):
            compare({**theirs, name: value}, theirs, "case")


def test_failed_child_process_is_reported(load, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("raise RuntimeError('out of luck')\n")
    common = load("common")
    with pytest.raises(SystemExit, match="measuring 'ours' failed[\\s\\S]*out of luck"):
        common.fresh_process(str(script), "ours", common.parser("").parse_args([]))


def test_table(common: ModuleType) -> None:
    lines = common.table(["what", "s"], [["long name", 0.12345], ["x", None]]).splitlines()
    assert lines == ["| what      | s     |", "| --------- | ----: |"][:2] + [
        "| long name | 0.123 |",
        "| x         |     - |",
    ]
    assert common.ratio(3.0, 2.0) == "1.5x"
    assert common.ratio(None, 2.0) == "-"


def test_medians_leave_out_the_warm_up(common: ModuleType) -> None:
    calls: list[str] = []
    actions = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    taken = common.side_by_side(actions, 3, warmup=2)
    assert calls == ["a", "b"] * 5
    assert set(taken) == {"a", "b"}


def test_stages_are_timed_and_wrapping_is_undone(load) -> None:
    script = load("train_step")
    watch, owner, layer = script.Stopwatch(), ModuleType("owner"), torch.nn.Linear(1, 1)
    owner.act = act = lambda: sum(range(1000))
    with script._wrapped(watch, {(owner, "act"): "first", (layer, "forward"): "second"}):
        assert owner.act() == 499500
        layer(torch.zeros(1, 1))
    assert owner.act is act
    assert "forward" not in vars(layer)
    assert set(watch.seconds) == {"first", "second"}


def test_rows_of_real_networks(load, tmp_path: Path) -> None:
    """The baseline's row, which a second run keeps."""
    path = tmp_path / "rows.csv"
    few = ["--tasks", "tnb101_macro:jigsaw", "--train", "60", "--seeds", "1", "--out", str(path)]
    script = load("real_networks")
    script.main([*few, "--models"])
    text = path.read_text()
    assert text.splitlines()[1].startswith("tnb101_macro,jigsaw,one-hot,60,0,0.")
    script.main([*few, "--models"])
    assert path.read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hypernetwork", "relational", "sparse", "network"])
def test_runs_survive_being_killed_again_and_again(kind: str) -> None:
    command = [sys.executable, str(FOLDER / "soak.py"), "--quick", "--kinds", kind]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rounds, nothing lost, doubled or left behind" in done.stdout
