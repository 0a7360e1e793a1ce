"""Names and paths that documents and docstrings mention are there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from functools import cache
from pathlib import Path

import pytest
from repository import ROOT

PACKAGES = ("graph2nn", "ghn", "predictors", "archtokens")
ROOMS = tuple(sorted(p.parent.name for p in (ROOT / "graph2nn").glob("*/__init__.py")))
DOCUMENTS = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
    *sorted((ROOT / "data").glob("*/README.md")),
)
SOURCES = tuple(
    path
    for folder in ("graph2nn", "ghn", "predictors", "tokenizers", "experiments", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
)

NAME = re.compile(rf"`((?:{'|'.join((*PACKAGES, *ROOMS))})(?:\.\w+)+)(?=[`(\[ ])")
TRACKED = re.compile(
    r"(?<![\w./~-])((?:benchmarks|checkpoints|data|docs|experiments|ghn|graph2nn|predictors|tests|"
    r"tokenizers)/[\w./-]*\.(?:py|md|csv|json|h5|pt|png))\b"
)
REMOVED = re.compile(r"^### Removed\n.*?(?=^##)", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w/]+\.py)`")

IN_CODE_ONLY = {"ghn.predict"}
"""`ghn` is a hypernetwork there, not the package."""

MADE = re.compile(r"[A-Z]{4,}|^data/graphs_n64\.h5$")
"""Placeholders in paths, and what a command of the README writes."""

GONE = {"trace.py"}
"""Files that a document says are not there."""

ELSEWHERE = {"data/nas-bench-macro_cifar10.json"}
"""Files of the repositories that published tables come from."""


@cache
def found(name: str) -> bool:
    """Whether a dotted name is a module, an attribute of one or a field of a class."""
    parts = name.split(".")
    if parts[0] in ROOMS:
        parts.insert(0, "graph2nn")
    for k in range(len(parts), 0, -1):
        try:
            if importlib.util.find_spec(".".join(parts[:k])) is None:
                continue
            if k == len(parts):  # is there; a script is not imported for it
                return True
            thing: object = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            if part in getattr(thing, "__annotations__", {}):
                return True
            try:
                thing = getattr(thing, part)
            except AttributeError:
                return False
        return True
    return False


def unknown_names(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":
        text = REMOVED.sub("", text)
    names = dict.fromkeys(NAME.findall(text))
    if path in SOURCES:  # `cells.3.weight` is a parameter there, not a module
        names = {name: None for name in names if name.split(".")[0] in PACKAGES}
    names = {
        n: None for n in names if n not in IN_CODE_ONLY and not n.endswith((".py", ".pt", ".h5"))
    }
    with warnings.catch_warnings():
        if path.name == "CHANGELOG.md":  # lists the old names, which still work
            warnings.simplefilter("ignore", DeprecationWarning)
        return [name for name in names if not found(name)]


@cache
def repository_files() -> tuple[str, ...]:
    tests, docs = (sorted((ROOT / folder).rglob("*.py")) for folder in ("tests", "docs"))
    paths = (*SOURCES, *tests, *docs, *ROOT.glob("*.py"))
    return tuple(f"/{path.relative_to(ROOT).as_posix()}" for path in paths)


def missing_files(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    tracked = dict.fromkeys(TRACKED.findall(text))
    kept = [p for p in tracked if p not in ELSEWHERE and not MADE.search(p)]
    missing = [p for p in kept if not (ROOT / p).exists()]
    if path in DOCUMENTS:
        ends = [f for f in FILE.findall(text) if f not in GONE]
        missing += [f for f in ends if not any(p.endswith(f"/{f}") for p in repository_files())]
    return missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_documents_name_what_is_there(path: Path) -> None:
    assert not unknown_names(path)
    assert not missing_files(path)


def test_docstrings_name_what_is_there() -> None:
    wrong = {
        path.relative_to(ROOT).as_posix(): gone
        for path in SOURCES
        if (gone := [*unknown_names(path), *missing_files(path)])
    }
    assert not wrong


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`graph2nn.runs.nothing`, `runs.campaign`, `ghn.GHN.load()`, docs/none.md\n")
    assert unknown_names(page) == ["graph2nn.runs.nothing"]
    assert missing_files(page) == ["docs/none.md"]
