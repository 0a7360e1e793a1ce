"""Which file imports which? Reads the imports of the library from its source, without running it.

Every import counts alike: at the top of a file, inside a function, under `TYPE_CHECKING`, and
`import_module("...")` with a written-out name. A lazy import saves time or spares an optional
library; it must not hide a circle. Only the aliases of `graph2nn.deprecated.moved` do not count:
they are text until somebody asks for the old name, and may point anywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx
from repository import ROOT

__all__ = ["Import", "Source", "circles", "import_graph", "read_sources"]

HOMES = {
    "graph2nn": "graph2nn",
    "archtokens": "tokenizers/archtokens",
    "ghn": "ghn",
    "predictors": "predictors",
    "netwright": "netwright",
}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import of a file of the library by another, with the line it stands on."""

    source: str
    target: str
    place: str

    def __str__(self) -> str:
        return f"{self.place} imports {self.target}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file of the library: its dotted name, its path from the root, its syntax tree."""

    name: str
    path: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        """Whether the file is the `__init__.py` of a package."""
        return self.path.endswith("__init__.py")


def read_sources() -> dict[str, Source]:
    """Read every file of the libraries and the command, by dotted name."""
    sources = {}
    for library, home in HOMES.items():
        for path in sorted((ROOT / home).rglob("*.py")):
            parts = [library, *path.relative_to(ROOT / home).with_suffix("").parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            sources[name] = Source(name=name, path=str(path.relative_to(ROOT)), tree=tree)
    return sources


def import_graph(sources: dict[str, Source]) -> nx.DiGraph:
    """Return the graph of imports: an edge from each file to each that it imports.

    Each edge holds its first `Import` as `first`.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(sources)
    for source in sources.values():
        for line, target in _targets(source, sources):
            found = Import(source=source.name, target=target, place=f"{source.path}:{line}")
            if target != source.name and not graph.has_edge(source.name, target):
                graph.add_edge(source.name, target, first=found)
    return graph


def circles(graph: nx.DiGraph) -> list[str]:
    """Describe a shortest circle through each knot of the graph, an import a line."""
    texts = []
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1:
            part = graph.subgraph(knot)
            ways = [nx.shortest_path(part, end, start) for start, end in sorted(part.edges)]
            circle = min(ways, key=len)
            steps = zip(circle, [*circle[1:], circle[0]], strict=True)
            texts.append("\n    ".join(str(graph.edges[step]["first"]) for step in steps))
    return sorted(texts)


def _targets(source: Source, sources: dict[str, Source]) -> Iterator[tuple[int, str]]:
    """Yield line and name of each file of the library that a file imports."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(source, node)
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
        else:
            continue
        for name in names:
            owner = _owner(str(name), sources)
            if owner:
                yield node.lineno, owner


def _base(source: Source, node: ast.ImportFrom) -> str:
    """Return the absolute name that a `from ... import` starts at."""
    if not node.level:
        return node.module or ""
    parts = source.name.split(".")
    keep = len(parts) - node.level + (1 if source.is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _owner(name: str, sources: dict[str, Source]) -> str | None:
    """Return the file that holds a name: the longest prefix that is a file of the library."""
    while name and name not in sources:
        name = name.rpartition(".")[0]
    return name or None
