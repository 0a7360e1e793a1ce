"""What is not there is said with a command that gets it, one that works without a clone."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repository import ROOT

from ghn import GHN
from ghn.detection import MapBackbone, backbone_network, build_detector, read_penn_fudan
from ghn.detection.metrics import pycocotools
from ghn.torchzoo import classifier_names
from graph2nn.deepnets import PublishedNets, load_nets
from graph2nn.ground_truth import read_ground_truth
from graph2nn.relational import read_results, read_sweep
from graph2nn.runs.engines import chosen_engine
from graph2nn.runs.jobs import parallel_map
from graph2nn.runs.shipped import shipped_file
from graph2nn.runs.variables import VARIABLES
from graph2nn.sparsity import read_sparse_table
from graph2nn.vision import load_images
from graph2nn.wirings import load_wiring
from graph2nn.wirings.campaign.results import read_collected
from graph2nn.wirings.networks.ode import require_torchdiffeq
from predictors.models.regressors import make_regressor
from predictors.tables import load_table


def own_backbone() -> MapBackbone:
    return MapBackbone(backbone_network("DARTS", channels=8, n_cells=3).model)


NUMBERS = np.arange(8.0).reshape(4, 2), np.arange(4.0)[:, None]
ABSENT: list[tuple[Callable[[], Any], str]] = [
    (lambda: load_images("cifar10"), "run: python -m graph2nn.vision.download cifar10"),
    (lambda: load_images("fashion_mnist"), "run: python -m graph2nn.vision.download fashion_mnist"),
    (lambda: load_images("tiny_imagenet"), "run: python -m graph2nn.vision.download tiny_imagenet"),
    (lambda: load_images("imagenet"), "get it from image-net.org"),
    (lambda: GHN.from_pretrained("ghn1-imagenet"), "download it from https://.*/ppuda and put it"),
    (lambda: GHN.from_pretrained("nothing"), "expected a checkpoint file or one of ghn2-cifar10"),
    (lambda: read_results("nothing"), "name of what comes with netwright: mlp_digits_52"),
    (lambda: read_sparse_table("nothing.csv"), "name of what comes with netwright: digits"),
    (
        lambda: read_ground_truth("nothing.h5"),
        r"graph2nn.ground_truth.generate\(.*can make it",
    ),
    (lambda: read_collected("nothing"), "name of what comes with netwright: digits_tiny"),
    (lambda: read_sweep("nothing.h5"), "make it with graph2nn.relational.sweep_to_file"),
    (lambda: load_nets("nothing.h5"), "write it with graph2nn.deepnets.save_nets"),
    (lambda: PublishedNets("nothing.h5", "val"), "graph2nn.deepnets.write_published"),
    (lambda: load_wiring("nothing"), "nothing does not exist; expected the folder of a run"),
    (lambda: load_table("deepnets_published"), "download deepnets1m_eval.hdf5 .*as data_dir"),
    (lambda: read_penn_fudan("nothing"), "unpack https://.*PennFudanPed.zip there"),
    (lambda: load_table("nothing"), "unknown table 'nothing'; choose one of nb201"),
    (lambda: shipped_file("data/nothing.h5"), "no file data/nothing.h5 comes with netwright"),
]
EXTRAS: list[tuple[str, str, Callable[[], Any]]] = [
    ("torchvision", "vision", classifier_names),
    ("huggingface_hub", "hub", lambda: GHN.from_pretrained("ghn3tm8")),
    ("torchdiffeq", "ode", require_torchdiffeq),
    ("pycocotools", "detect", pycocotools),
    ("torchvision.models.detection", "detect", lambda: build_detector(own_backbone(), 1)),
    ("xgboost", "boost", lambda: make_regressor("xgb").fit(*NUMBERS)),
    ("lightgbm", "boost", lambda: make_regressor("lgbm").fit(*NUMBERS)),
    ("distributed", "cluster", lambda: list(parallel_map(abs, [1, 2], jobs=2, backend="dask"))),
    ("ray", "cluster", lambda: list(parallel_map(abs, [1, 2], jobs=2, backend="ray"))),
]


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on the machine of a user who has set nothing."""
    older = ("GRAPH2NN_DATA", "GRAPH2NN_REFERENCE")
    for name in (*VARIABLES, *older):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("get", "advice"), ABSENT, ids=[advice for _, advice in ABSENT])
def test_files(get: Callable[[], Any], advice: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=advice):
        get()


@pytest.mark.parametrize(("package", "extra", "use"), EXTRAS, ids=[row[0] for row in EXTRAS])
def test_packages(
    package: str, extra: str, use: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = [name for name in sys.modules if name.startswith(f"{package}.")]
    for name in (package, *loaded):  # what is loaded is found without its package
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        (ValueError, ImportError, FileNotFoundError), match=rf'pip install "netwright\[{extra}\]"'
    ):
        use()


@pytest.mark.parametrize(("engine", "extra"), [("numba", "fast"), ("igraph", "graphs")])
def test_engines(engine: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph2nn.runs.engines.has_numba", lambda: False)
    monkeypatch.setattr("graph2nn.runs.engines.has_igraph", lambda: False)
    with pytest.raises(ValueError, match=rf'pip install "netwright\[{extra}\]"'):
        chosen_engine(engine)


def messages() -> Iterator[tuple[str, str]]:
    """Every text of the libraries that is no docstring, with its place."""
    for library in ("graph2nn", "tokenizers", "ghn", "predictors"):
        for path in sorted((ROOT / library).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            alone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
            joined = (n.values for n in ast.walk(tree) if isinstance(n, ast.JoinedStr))
            alone |= {id(part) for parts in joined for part in parts}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node)
                elif isinstance(node, ast.Constant) and id(node) not in alone:
                    if isinstance(node.value, str):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_commands_are_those_of_an_installed_package() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = re.findall(r"^    \"(\w+)\": \[", setup, re.MULTILINE)
    installs = re.compile(
        rf'pip install ("netwright\[({"|".join(extras)}|{{extra}})\]"|torch_geometric|"{{|"$'
        r"|-U timm|--upgrade netwright|--force-reinstall --no-deps netwright)"
    )
    wrong = [
        f"{place}: {text}"
        for place, text in messages()
        if ("pip install" in text and not installs.search(text.replace("\\", "")))
        or re.search(r"clone of the|see README|\(data/README", text)
        or ("python experiments/" in text)
    ]
    assert not wrong, "\n".join(wrong)
