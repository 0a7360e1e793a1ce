"""How does Graphviz draw a graph? Its text in the language DOT."""

from __future__ import annotations

from pathlib import Path

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.runs.checkpoint import write_text

__all__ = ["to_dot"]


def to_dot(graph: ArchGraph, path: str | Path | None = None) -> str:
    """Convert to a text in DOT, for Graphviz and what reads its language (Gephi, OmniGraffle).

    A node says its operation and its shape, its tooltip the parameters; those with parameters are
    filled. Cells are clusters where there are several.

    Args:
        path: Path of a file that the text is written to, too, whole or not at all.

    Raises:
        OSError: The file cannot be written.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> print(to_dot(nb201_cell([0] * 6)).splitlines()[2])
          0 [label="input"];
    """
    lines = [
        f"digraph {_quoted(graph.name or 'graph')} {{",
        '  rankdir=TB; node [shape=box, style="rounded,filled", fillcolor=white];',
    ]
    cells = sorted(set(graph.cell.tolist()))
    for cell in cells:
        own = [k for k in range(graph.num_nodes) if graph.cell[k] == cell]
        if len(cells) > 1:
            lines.append(f"  subgraph cluster_{cells.index(cell)} {{ label={_quoted(f'{cell}')};")
        lines += [f"  {_node(graph, k)}" for k in own]
        if len(cells) > 1:
            lines.append("  }")
    lines += [f"  {source} -> {target};" for source, target in graph.edges.T.tolist()]
    text = "\n".join([*lines, "}"])
    if path is not None:
        write_text(path, f"{text}\n")
    return text


def _node(graph: ArchGraph, k: int) -> str:
    label = graph.ops[graph.op[k]]
    if graph.shape[k].any():
        label += "\n" + " x ".join(str(s) for s in graph.shape[k].tolist())
    how = [f"label={_quoted(label)}"]
    if names := graph.params[k]:
        sizes = [" x ".join(str(s) for s in graph.param_shapes[name]) for name in names]
        told = "\n".join(f"{name} ({size})" for name, size in zip(names, sizes))
        how += [f"tooltip={_quoted(told)}", 'fillcolor="#dbe9f6"']
    if k in graph.outputs:
        how.append("penwidth=2")
    return f"{k} [{', '.join(how)}];"


def _quoted(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain.replace(chr(0), "")}"'
