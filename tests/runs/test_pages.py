"""Pages of results in Markdown: blocks, sections that vanish, tables, links beside the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph2nn.runs.pages import (
    bullets,
    files,
    image,
    join_blocks,
    link,
    markdown_table,
    page,
    section,
)


def test_a_page_has_one_empty_line_between_blocks() -> None:
    blocks = ["Prose.", section("Numbers", "| a |", "Note."), section("Notes", "", bullets([]))]
    assert page(*blocks, title="Study") == "# Study\n\nProse.\n\n## Numbers\n\n| a |\n\nNote.\n"
    assert page("Prose.") == "Prose.\n"
    assert page(title="Study") == "# Study\n"
    assert join_blocks("a", "", "b\nc") == "a\n\nb\nc"
    assert section("Nothing", "", "") == join_blocks() == ""


def test_tables() -> None:
    assert markdown_table(["a", "b"], [["x", "1"], ["", "22"]]).splitlines() == [
        "| a | b |",
        "|---|---|",
        "| x | 1 |",
        "|  | 22 |",
    ]
    assert markdown_table(["", "b"], [["long", "1"], ["x", "22"]], padded=True).splitlines() == [
        "|      | b  |",
        "| ---- | -: |",
        "| long |  1 |",
        "| x    | 22 |",
    ]
    assert markdown_table(["a"], []) == markdown_table(["a"], [], padded=True) == ""
    with pytest.raises(ValueError, match=r"expected 2 columns, a, b, got \['x'\]"):
        markdown_table(["a", "b"], [["x"]])


def test_links_are_relative_to_the_page() -> None:
    path = Path("/some/run/taus.csv")
    assert link(path) == "[taus.csv](taus.csv)"
    assert image(path.with_suffix(".png"), "taus") == "![taus](taus.png)"
    assert files({"taus": path}, {"taus": "of all", "rho": "unused"}) == f"- {link(path)}: of all"
