"""Files that come with the package: found in a clone, in a folder like a wheel's, and in a zip."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from repository import CHECKPOINTS, DATA, ROOT

from graph2nn.runs.shipped import find_data, named_data, shipped_file, shipped_folder

TABLE = "ground_truth/deepnets_digits.h5"


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NETWRIGHT_DATA", raising=False)
    monkeypatch.delenv("GRAPH2NN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def test_in_a_clone_they_are_the_repositorys() -> None:
    assert shipped_file("checkpoints/MANIFEST.json").samefile(CHECKPOINTS / "MANIFEST.json")
    assert shipped_folder("data/sparse").samefile(DATA / "sparse")
    assert find_data(TABLE).samefile(DATA / TABLE)


def test_the_users_own_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here, named = tmp_path / "data", tmp_path / "named"
    (here / "sparse").mkdir(parents=True)
    assert find_data("sparse") == Path("data/sparse")
    assert find_data("sparse/digits.csv").samefile(DATA / "sparse" / "digits.csv")
    (here / "sparse" / "digits.csv").write_text("mine")
    assert find_data("sparse/digits.csv") == Path("data/sparse/digits.csv")
    monkeypatch.setenv("NETWRIGHT_DATA", str(named))
    assert find_data("sparse/digits.csv") == Path("data/sparse/digits.csv")
    (named / "sparse").mkdir(parents=True)
    (named / "sparse" / "digits.csv").write_text("mine")
    assert find_data("sparse/digits.csv") == named / "sparse" / "digits.csv"


def test_names_and_paths() -> None:
    names = {"digits": "sparse/digits.csv"}
    assert named_data("digits", names, "a table").samefile(DATA / "sparse" / "digits.csv")
    assert named_data(DATA / "README.md", names, "a table") == DATA / "README.md"
    Path("digits").write_text("mine")
    assert named_data("digits", names, "a table") == Path("digits")
    with pytest.raises(FileNotFoundError, match=r"digit does not exist; expected a table,.*digits"):
        named_data("digit", names, "a table")


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (shipped_file, "data/sparse/x.csv", "no file data/sparse/x.csv .*has README.md, cifar10.c"),
        (shipped_file, "data/x/y.h5", "no file data/x/y.h5 comes with netwright; data/ has"),
        (shipped_file, "data/sparse", "no file data/sparse comes with netwright; data/ has"),
        (
            shipped_folder,
            "data/README.md",
            "no file data/README.md comes with netwright; data/ has",
        ),
        (find_data, "sparse/x.csv", "no file data/sparse/x.csv comes with netwright"),
    ],
)
def test_what_is_not_shipped(find, name: str, message: str) -> None:
    with pytest.raises(FileNotFoundError, match=message):
        find(name)


@pytest.mark.parametrize("name", ["README.md", "data/../README.md", ""])
def test_other_folders_are_not_looked_in(name: str) -> None:
    with pytest.raises(ValueError, match=r"shipped files are in checkpoints/ and data/, got"):
        shipped_file(name)


FROM_A_ZIP = """
import graph2nn
from graph2nn.runs.shipped import package_file, shipped_file, shipped_folder
assert ".zip" in graph2nn.__file__
one = shipped_file("data/folder/one.csv")
print(one.parents[2])
assert one.name == "one.csv" and not one.with_name("two.csv").exists()
folder = shipped_folder("data/folder")
assert sorted(p.name for p in folder.iterdir()) == ["one.csv", "two.csv"]
assert [p.read_text() for p in sorted(folder.iterdir())] == ["1", "2"]
assert shipped_file("data/folder/one.csv") == one
assert package_file("graph2nn", "py.typed").parents[1] == one.parents[2]
"""


def test_from_a_zip_they_are_copied_and_the_copies_end_with_the_process(tmp_path: Path) -> None:
    wheel = tmp_path / "wheel.zip"
    with zipfile.ZipFile(wheel, "w") as file:
        for path in [
            ROOT / "graph2nn" / "__init__.py",
            *(ROOT / "graph2nn" / "runs").rglob("*.py"),
        ]:
            file.write(path, path.relative_to(ROOT))
        for name in ("deprecated.py", "names.py", "py.typed"):
            file.write(ROOT / "graph2nn" / name, f"graph2nn/{name}")
        file.writestr("graph2nn/shipped/data/folder/one.csv", "1")
        file.writestr("graph2nn/shipped/data/folder/two.csv", "2")
    environment = {**os.environ, "PYTHONPATH": str(wheel), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", FROM_A_ZIP]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    copies = Path(run.stdout.strip())
    assert copies.parent == tmp_path and not copies.exists()
