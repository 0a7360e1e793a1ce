"""Make the shipped files of published tables again, from the originals.

    python -m predictors.tables.publish REFERENCE --out data/published

REFERENCE is a folder with data/predictors, data/relational, data/sparse and data/deepnets, which
hold the original files. Every file is written whole or not at all; the same originals give the same
values. README.md is written from what the files say of themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from graph2nn.names import choose
from graph2nn.runs import write_text
from graph2nn.runs.tables import PackedTable, read_packed, write_packed
from predictors.tables.published import PUBLISHED

__all__ = ["main", "publish", "published_page"]

_TOP = """# Published tables

Results that others published, as facts under permissive licences, in one compact file a table: HDF5
that `graph2nn.runs.tables.read_packed` reads, with source, licence, units and a checksum inside.
`predictors.load_table(NAME)` gives networks and labels,
`predictors.tables.published.published_columns(NAME)` the columns. Every value is that of the
original. Cite the benchmark as well as the repository that the file came from.

This page and the files are made from a folder with the original files:
`python -m predictors.tables.publish REFERENCE --out data/published`.
"""


def publish(name: str, reference: Path, out: Path) -> Path:
    """Write the shipped file of a table.

    Args:
        name: One of `PUBLISHED`.
        reference: Path of the folder with `data/`, which has the originals.
        out: Path of the folder to write to.

    Raises:
        FileNotFoundError: The original is not there.
        OSError, ValueError: See `write_packed`; a damaged original.
    """
    choose("published table", name, PUBLISHED)
    table = PUBLISHED[name]
    found = table.original(name, reference / "data" / table.part)
    kept = {column: v for column, v in found.columns.items() if column not in table.left_out}
    return write_packed(out / f"{name}.h5", kept, found.facts)


def published_page(folder: Path) -> str:
    """Write the page that lists the files of a folder, as Markdown, from what they say.

    Raises:
        ValueError: A damaged file.
    """
    places = [folder / f"{name}.h5" for name in PUBLISHED]
    tables = [read_packed(place) for place in places if place.is_file()]
    lines = ["| file | rows x columns | what | licence |", "|---|---|---|---|"]
    for table in tables:
        facts, size = table.facts, f"{table.num_rows} x {len(table.columns)}"
        link = f"[`{facts.name}.h5`](#{facts.name})"
        lines.append(f"| {link} | {size} | {facts.title} | {facts.licence} |")
    return "\n".join([_TOP, *lines, "", *(_section(table) for table in tables)])


def _section(table: PackedTable) -> str:
    facts = table.facts
    names: dict[str, list[str]] = {}
    for name, unit in facts.units.items():
        names.setdefault(unit, []).append(f"`{name}`")
    rows = [f"| {_listed(group)} | {unit} |" for unit, group in names.items()]
    return "\n".join(
        [
            f"## {facts.name}\n",
            f"{facts.title}.\n\nSource: {facts.source}. Licence: {facts.licence}.\n",
            f"Cite: {facts.cite}.\n",
            f"{facts.notes['pitfalls']}\n",
            "| columns | unit or meaning |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) <= 8:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, ..., {names[-1]} ({len(names)} columns)"


def main(argv: Sequence[str] | None = None) -> None:
    """Write the files that the command line names, and their page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", type=Path, help="folder with data/, which has the originals")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of tables; none for all")
    config = parser.parse_args(argv)
    for name in config.only or PUBLISHED:
        path = publish(name, config.reference, config.out)
        print(f"{path}: {path.stat().st_size} bytes", flush=True)
    write_text(config.out / "README.md", published_page(config.out))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"publish: {error}")
