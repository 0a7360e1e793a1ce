"""Three connectomes as relational graphs: macaque cortex (whole, visual areas) and cat cortex."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.runs.variables import variable
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
        data_dir: Folder of the data, see `find_connectome`.

    Shapes:
        adjacency (n, n): entry (i, j) is character j of line i of the file. In the layers, node i
        receives from node j, as in the published trainings.

    Raises:
        ValueError: An unknown name, no such file, or a damaged one.

    Examples:
        >>> load_connectome("cat").num_nodes        # doctest: +SKIP
        52
    """
    path = find_connectome(name, data_dir)
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}; {_advice(name)}") from None
    if not lines or any(len(line) != len(lines) or set(line) - {"0", "1"} for line in lines):
        raise ValueError(
            f"{path}: expected n lines of n characters 0 or 1, and it has {len(lines)} lines that "
            f"are not; delete it, then {_advice(name)}"
        )
    table = np.array([[char == "1" for char in line] for line in lines])
    graph = RelationalGraph(adjacency=table, name=name)
    return graph if directed else graph.undirected()


def find_connectome(name: str, data_dir: str | Path | None = None) -> Path:
    """Find the file of a connectome.

    Args:
        name: a key of `CONNECTOMES`.
        data_dir: The folder with `relational/<name>.txt`; None means `$NETWRIGHT_DATA` or `./data`,
            then the `data` folder of `$NETWRIGHT_REFERENCE`.

    Raises:
        ValueError: An unknown name, or the file is nowhere.
    """
    choose("connectome", name, CONNECTOMES)
    folders = [default_data_dir() if data_dir is None else Path(data_dir).expanduser()]
    reference = variable("NETWRIGHT_REFERENCE")
    if data_dir is None and reference:
        folders.append(Path(reference).expanduser() / "data")
    paths = [folder / "relational" / f"{name}.txt" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    places = " and ".join(str(path) for path in paths)
    raise ValueError(f"connectome {name}: looked for {places}; {_advice(name)}")


def _advice(name: str) -> str:
    return f"run: python -m graph2nn.relational.download {name}"
