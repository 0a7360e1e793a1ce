"""Do the examples in docstrings run, and print what they say?

They are run as a reader of the reference runs them: with `torch`, `numpy as np` and the names of
the package imported, in an empty folder, without the variables of the environment.
"""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from repository import ROOT

HOMES = {
    "graph2nn": ROOT,
    "ghn": ROOT,
    "predictors": ROOT,
    "archtokens": ROOT / "tokenizers",
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> Iterator[str]:
    """The modules that have examples, by their text: nothing is imported yet."""
    for top, home in HOMES.items():
        for path in sorted((home / top).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(home).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__")


def names(module: ModuleType) -> dict[str, Any]:
    """What an example may use: what the packages around the module export, and its own names."""
    found: dict[str, Any] = {"torch": torch, "np": np}
    parts = module.__name__.split(".")
    for k in range(1, len(parts)):
        package = importlib.import_module(".".join(parts[:k]))
        found |= {name: getattr(package, name) for name in getattr(package, "__all__", ())}
    return found | vars(module)


@pytest.mark.parametrize("name", list(modules()))
@pytest.mark.usefixtures("no_reference")
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    said: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, globs=names(module)):
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


def test_none_is_skipped() -> None:
    files = [path for top, home in HOMES.items() for path in (home / top).rglob("*.py")]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert not [line for line in lines if re.search(r"doctest: ?\+SKIP", line)]
