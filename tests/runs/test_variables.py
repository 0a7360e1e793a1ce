"""Variables of the environment: one prefix, and the names that two of them had before."""

from __future__ import annotations

import ast

import pytest
from repository import ROOT

from graph2nn.runs.variables import VARIABLES, reference_folder, variable
from graph2nn.vision import default_data_dir

OLDER = [("NETWRIGHT_DATA", "GRAPH2NN_DATA"), ("NETWRIGHT_REFERENCE", "GRAPH2NN_REFERENCE")]
PACKAGES = ("graph2nn", "tokenizers", "ghn", "predictors", "experiments")
NOT_OURS = {"WORLD_SIZE", "LOCAL_RANK", "RANK", "XDG_CACHE_HOME"}


@pytest.mark.parametrize(("name", "older"), OLDER)
def test_older_names_are_still_read(name, older, monkeypatch) -> None:
    monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv(older, raising=False)
    assert variable(name) is None
    monkeypatch.setenv(older, "old")
    assert variable(name) == "old"
    monkeypatch.setenv(name, "")
    assert variable(name) == "old"
    monkeypatch.setenv(name, "new")
    assert variable(name) == "new"


def test_they_name_folders(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("NETWRIGHT_DATA", raising=False)
    monkeypatch.setenv("GRAPH2NN_DATA", str(tmp_path))
    assert default_data_dir() == tmp_path
    (tmp_path / "data" / "sparse").mkdir(parents=True)
    monkeypatch.delenv("NETWRIGHT_REFERENCE", raising=False)
    monkeypatch.setenv("GRAPH2NN_REFERENCE", str(tmp_path))
    assert reference_folder("sparse") == tmp_path / "data" / "sparse"


def test_unknown_names_are_mistakes_of_ours() -> None:
    with pytest.raises(KeyError, match="no variable NETWRIGHT_DATE; there are NETWRIGHT_DATA"):
        variable("NETWRIGHT_DATE")
    assert all(name.startswith("NETWRIGHT_") for name in VARIABLES)


def test_the_environment_is_read_in_one_place() -> None:
    """Other files ask for names that launchers and desktops set, not for names of ours."""
    asked: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "os.environ.get",
                    "os.getenv",
                ):
                    asked.setdefault(path.name, set()).add(ast.unparse(node.args[0]).strip("'"))
    own = asked.pop("variables.py")
    assert own and {name for names in asked.values() for name in names} <= NOT_OURS
