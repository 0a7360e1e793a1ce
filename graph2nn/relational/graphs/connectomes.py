"""Three connectomes as relational graphs: macaque cortex (whole, visual areas) and cat cortex."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.runs import sha256_file
from graph2nn.runs.tables import read_shipped
from graph2nn.runs.variables import user_path
from graph2nn.vision.datasets import default_data_dir

__all__ = ["CONNECTOMES", "find_connectome", "load_connectome"]

CONNECTOMES = {
    "mcwhole": "d347964446e362fac2b4edf49c886a575efdc52a4078d342402409dd453b4a69",
    "mcvisual": "93159421630e8b2ba5ca472819275c32e064318511dbe8c38a02a19b9cf45b54",
    "cat": "5fbf7f49afc66420ad63d4956c4d31af71dd3a3dfa8e4003a05371f779310fc2",
}
"""Names (71, 30 and 52 nodes) and the sha256 of their published files."""


def load_connectome(
    name: str, *, directed: bool = True, data_dir: str | Path | None = None
) -> RelationalGraph:
    """Load a connectome as published with arXiv:2007.06559 (section 5.2).

    Args:
        name: Key of `CONNECTOMES`.
        directed: Whether edges have a direction, as published; otherwise an edge runs both ways
            wherever one does.
        data_dir: Folder with `relational/<name>.txt`; None means `$NETWRIGHT_DATA` or `./data`, or
            what comes with the package where there is no such file.

    Shapes:
        adjacency (n, n): entry (i, j) is character j of line i of the file. In the layers, node i
        receives from node j, as in the published trainings.

    Raises:
        ValueError: An unknown name, no such file, or a damaged one.

    Examples:
        >>> load_connectome("cat").num_nodes
        52
    """
    choose("connectome", name, CONNECTOMES)
    path = find_connectome(name, data_dir)
    lines = _shipped_lines(name) if path is None else _read_lines(name, path)
    table = np.array([[char == "1" for char in line] for line in lines])
    graph = RelationalGraph(adjacency=table, name=name)
    return graph if directed else graph.undirected()


def find_connectome(name: str, data_dir: str | Path | None = None) -> Path | None:
    """Find a user's own file of a connectome, None where only the shipped one is there.

    Args:
        name, data_dir: Arguments of `load_connectome`.

    Raises:
        ValueError: An unknown name, or the file is not in the folder that was named.
    """
    choose("connectome", name, CONNECTOMES)
    folder = default_data_dir() if data_dir is None else user_path(data_dir)
    path = folder / "relational" / f"{name}.txt"
    if path.is_file():
        return path
    if data_dir is None:
        return None
    raise ValueError(
        f"connectome {name}: looked for {path}; leave out the folder for the one that comes with "
        f"the package, or {_advice(name)}"
    )


def _read_lines(name: str, path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}; {_advice(name)}") from None
    if not lines or any(len(line) != len(lines) or set(line) - {"0", "1"} for line in lines):
        raise ValueError(
            f"{path}: expected n lines of n characters 0 or 1, and it has {len(lines)} lines that "
            f"are not; delete it, then {_advice(name)}"
        )
    if sha256_file(path) != CONNECTOMES[name]:
        raise ValueError(
            f"{path} is not the published file of {name}, its checksum is another: delete it, then "
            f"{_advice(name)}; a graph of your own needs no name: RelationalGraph(adjacency=...)"
        )
    return lines


def _shipped_lines(name: str) -> list[str]:
    columns = read_shipped("connectomes").columns
    return columns["line"][columns["name"] == name].tolist()


def _advice(name: str) -> str:
    return f"run: python -m graph2nn.relational.download {name}"
