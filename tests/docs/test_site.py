"""Is every public name in the reference, and do links lead to pages of the site?"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
from repository import ROOT, imported_script


@pytest.fixture(scope="module")
def hooks() -> Iterator[ModuleType]:
    with imported_script(ROOT / "docs" / "theme" / "hooks.py") as module:
        yield module


def test_every_exported_name_is_described_once(hooks: ModuleType) -> None:
    text = "\n".join(hooks.reference_page(page) for page in hooks.reference())
    described = [line.removeprefix("::: ") for line in text.splitlines() if line.startswith(":::")]
    assert len(described) == len(set(described)) > 400
    wanted = {hooks.definition(p, name) for p in hooks.packages() for name in hooks.exported(p)}
    assert set(described) == wanted


def test_definitions_are_what_packages_export(hooks: ModuleType) -> None:
    for package in hooks.packages():
        module = importlib.import_module(package)
        assert sorted(module.__all__) == sorted(hooks.exported(package))
        for name in module.__all__:
            home, _, inner = hooks.definition(package, name).rpartition(".")
            assert getattr(importlib.import_module(home), inner) is getattr(module, name)


def test_cards_are_pages(hooks: ModuleType) -> None:
    cards = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("data/*/README.md")}
    assert {*cards, "checkpoints/README.md", "benchmarks/README.md"} <= set(hooks.included())


@pytest.mark.parametrize(
    ("link", "turned"),
    [
        ("[a](../docs/results/coverage.md#x)", "[a](coverage.md#x)"),
        ("[a](../benchmarks/README.md)", "[a](benchmarks.md)"),
        ("![a](../docs/figures/search_nb201.png)", "![a](../figures/search_nb201.png)"),
        ("[a](../ghn/model.py)", "a"),
        ("[a](https://arxiv.org)", "[a](https://arxiv.org)"),
        ("[a](nothing.md)", "[a](nothing.md)"),
        ("```\n[a](../ghn/model.py)\n```", "```\n[a](../ghn/model.py)\n```"),
    ],
)
def test_links_of_a_card(hooks: ModuleType, link: str, turned: str) -> None:
    assert hooks.turned(link, "checkpoints/README.md", "results/checkpoints.md") == turned
