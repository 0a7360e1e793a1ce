"""How is a page of results written in Markdown: title, sections, tables, lists, links, images?

A page is a sequence of blocks with an empty line between two; a block is text of any number of
lines, and one that is empty is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = ["bullets", "files", "image", "join_blocks", "link", "markdown_table", "page", "section"]


def page(*blocks: str, title: str = "") -> str:
    """Return the text of a page, to be written by `graph2nn.runs.write_text`.

    Args:
        blocks: Blocks of text.
        title: Heading of the page; none without.

    Examples:
        >>> print(page("Mean of 3 runs.", section("Notes", ""), title="Results"), end="")
        # Results
        <BLANKLINE>
        Mean of 3 runs.
    """
    return join_blocks(f"# {title}" if title else "", *blocks) + "\n"


def section(heading: str, *blocks: str) -> str:
    """Return a heading with its blocks; nothing where all of them are empty."""
    content = join_blocks(*blocks)
    return join_blocks(f"## {heading}", content) if content else ""


def join_blocks(*blocks: str) -> str:
    """Return blocks as one, an empty line between two; empty ones are left out."""
    return "\n\n".join(block for block in blocks if block)


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, padded: bool = False
) -> str:
    """Return a table; nothing where there are no rows.

    Args:
        header: Names of the columns.
        rows: Texts of each row, one a column.
        padded: Whether columns are as wide as their longest text, all but the first to the right,
            for tables that are also read in a terminal.

    Raises:
        ValueError: A row of another length.

    Examples:
        >>> print(markdown_table(["model", "tau"], [["linear", "0.511"]]))
        | model | tau |
        |---|---|
        | linear | 0.511 |
    """
    rows = [list(row) for row in rows]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"expected {len(header)} columns, {', '.join(header)}, got {row}")
    if not rows:
        return ""
    if padded:
        return "\n".join(_padded(header, rows))
    first, *others = (f"| {' | '.join(line)} |" for line in (header, *rows))
    return "\n".join([first, f"|{'---|' * len(header)}", *others])


def _padded(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [" | ".join(name.ljust(w) for name, w in zip(header, widths))]
    lines.append(" | ".join(["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]))
    for first, *others in rows:
        numbers = [text.rjust(w) for text, w in zip(others, widths[1:])]
        lines.append(" | ".join([first.ljust(widths[0]), *numbers]))
    return [f"| {line} |" for line in lines]


def bullets(items: Iterable[str]) -> str:
    """Return a list, an item a line."""
    return "\n".join(f"- {item}" for item in items)


def files(paths: Mapping[str, Path], meanings: Mapping[str, str]) -> str:
    """Return a list of files beside the page.

    Args:
        paths: Files by name.
        meanings: What each holds, by name.

    Examples:
        >>> files({"taus": Path("runs/taus.csv")}, {"taus": "Kendall tau"})
        '- [taus.csv](taus.csv): Kendall tau'
    """
    return bullets(f"{link(path)}: {meanings[name]}" for name, path in paths.items())


def link(path: Path) -> str:
    """Return a link to a file beside the page, by its name."""
    return f"[{path.name}]({path.name})"


def image(path: Path, name: str) -> str:
    """Return an image, a file beside the page; the name is for those who cannot see it."""
    return f"![{name}]({path.name})"
