"""The wheel: builds, and installs the library's packages and nothing else."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from repository import ROOT

HOMES = {
    "graph2nn": ROOT / "graph2nn",
    "ghn": ROOT / "ghn",
    "archtokens": ROOT / "tokenizers" / "archtokens",
    "predictors": ROOT / "predictors",
    "netwright": ROOT / "netwright",
}
OF_USERS = (  # what a clone's folders may hold besides what is shipped
    "checkpoints/mine.pt",
    "data/cifar10.npz",
    "data/cifar-10-batches-py/data_batch_1",
    "data/FashionMNIST/raw/train-images-idx3-ubyte.gz",
    "data/ground_truth/mine.h5",
    "data/ground_truth/mine/config.json",
    "data/relational/cat.txt",
    "data/relational/mine/results.csv",
    "data/relational/mlp_digits_52/analysis/report.md",
    "data/sparse/mine.csv",
    "data/wirings/mine.csv",
)


def tracked() -> list[str]:
    """The files of `checkpoints/` and `data/` that belong to the repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "checkpoints", "data"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git lists the files of the repository")
    return listed.strip("\0").split("\0")


def expected() -> set[str]:
    return {name for name, home in HOMES.items() if (home / "__init__.py").is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that no build folder is left in (or read from) the checkout."""
    if importlib.util.find_spec("setuptools") is None:  # its import would change sys.path
        pytest.skip("setuptools builds the wheel")
    copy = tmp_path_factory.mktemp("source")
    skip = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
    for folder in (*HOMES, "tokenizers", "tests", "experiments"):
        if (ROOT / folder).is_dir() and not (copy / folder).is_dir():
            shutil.copytree(ROOT / folder, copy / folder, ignore=skip)
    for path in tracked():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path)
    for path in OF_USERS:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(b"mine")
    for name in ("setup.py", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    run = subprocess.run([*command, "-w", "out"], cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (source / "out").glob("netwright-*.whl")
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


def test_the_page_of_drawings_is_in_the_wheel_with_the_licence_of_its_library(
    wheel: zipfile.ZipFile,
) -> None:
    page = "graph2nn/archgraph/pictures/page/"
    inside = {name.removeprefix(page) for name in wheel.namelist() if name.startswith(page)}
    assert inside == {path.name for path in (ROOT / page).iterdir() if path.is_file()}
    assert {"page.html", "page.css", "main.js", "dagre.min.js", "dagre.LICENSE"} <= inside


def test_weights_and_tables_of_the_repository_are_in_the_wheel_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    home = "graph2nn/shipped/"
    inside = {name.removeprefix(home) for name in wheel.namelist() if name.startswith(home)}
    assert inside == set(tracked())
    for name in inside:
        assert wheel.read(home + name) == (ROOT / name).read_bytes()


def test_an_archive_of_sources_has_them_too(source: Path) -> None:
    build = "from setuptools import build_meta; build_meta.build_sdist('out')"
    run = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (path,) = (source / "out").glob("netwright-*.tar.gz")
    with tarfile.open(path) as archive:
        inside = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    folders = ("checkpoints/", "data/")
    assert {name for name in inside if name.startswith(folders)} == set(tracked())


def test_size(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).stat().st_size < 30e6
