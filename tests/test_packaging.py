"""The wheel: builds, and installs the library's packages and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile

import pytest
from repository import ROOT

HOMES = {
    "graph2nn": ROOT / "graph2nn",
    "ghn": ROOT / "ghn",
    "archtokens": ROOT / "tokenizers" / "archtokens",
    "predictors": ROOT / "predictors",
}


def expected() -> set[str]:
    return {name for name, home in HOMES.items() if (home / "__init__.py").is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that no build folder is left in (or read from) the checkout."""
    if importlib.util.find_spec("setuptools") is None:  # its import would change sys.path
        pytest.skip("setuptools builds the wheel")
    copy = tmp_path_factory.mktemp("source")
    skip = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    for folder in ("graph2nn", "ghn", "predictors", "tokenizers", "tests", "experiments"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, copy / folder, ignore=skip)
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    run = subprocess.run([*command, "-w", "out"], cwd=copy, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (copy / "out").glob("netwright-*.whl")
    return zipfile.ZipFile(path)


def test_top_level_names(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == expected()
    assert "graph2nn" in expected() and "ghn" in expected()


def test_nothing_claims_the_name_of_hugging_faces_package(wheel: zipfile.ZipFile) -> None:
    assert not any(name.startswith("tokenizers") for name in wheel.namelist())
    assert not (ROOT / "tokenizers" / "__init__.py").exists()


def test_every_module_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    for name in expected():
        for path in HOMES[name].rglob("*.py"):
            assert f"{name}/{path.relative_to(HOMES[name]).as_posix()}" in inside
        assert f"{name}/py.typed" in inside


def test_metadata(wheel: zipfile.ZipFile) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    text = wheel.read(path).decode()
    assert "Name: netwright\nVersion: 0.1.0\n" in text
    assert "Requires-Python: >=3.10" in text
    for extra in ("vision", "zoo", "hub", "log", "test", "all"):
        assert f"Provides-Extra: {extra}" in text
    assert any(name.endswith("licenses/LICENSE") for name in inside_info(wheel))


def inside_info(wheel: zipfile.ZipFile) -> list[str]:
    return [name for name in wheel.namelist() if ".dist-info/" in name]


def test_graph_sets_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert "graph2nn/relational/graphs/graph_sets.npz" in wheel.namelist()
