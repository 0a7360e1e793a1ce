"""What a training starts from: edges and weights of another run, of a file or of a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graph2nn.relational import read_graph
from graph2nn.relational.graphs.graph import GRAPH_FILES, load_graphs
from graph2nn.wirings.campaign.checkpoints import UNREAD, find_run, load_wiring, read_weights
from graph2nn.wirings.campaign.config import Start, WiringConfig
from graph2nn.wirings.edges.masks import wiring_masks

__all__ = ["find_start", "read_edges"]

_TICKETS = ("fine_tune", "lottery")


def find_start(config: WiringConfig, edges: Any = None, *, resumed: bool = False) -> Start:
    """Read what a configuration starts from, for `WiringConfig.build`.

    That is the run `config.trained` for `fine_tune` and `lottery`, and edges for `given`.

    Args:
        config: Configuration; see `find_config`.
        edges: Edges of kind `given`, see `given_masks`; None reads `config.edges`.
        resumed: Whether a checkpoint will say which edges and weights the network has, so that
            nothing is read.

    Raises:
        ValueError: There is no such run, no edges are given, or the kind takes none.
        FileNotFoundError: A file or folder is missing.
    """
    _check_kind(config, edges)
    if resumed:
        return UNREAD
    if config.kind == "given":
        if edges is None and config.edges is None:
            raise ValueError(
                "edges: the kind given needs a graph: --edges with another run, a file or a family "
                "of relational graphs (ws:n=64,k=8,p=0.1,seed=1), or edges= of train_wiring"
            )
        source = read_edges(config.edges or "") if edges is None else edges
        return Start(edges=source, drop_illegal=config.drop_illegal)
    if config.kind not in _TICKETS:
        return Start()
    if config.trained is None:
        raise ValueError(
            f"trained: {config.name} starts from a trained network; train the complete graph first "
            "(medium/mobilenetv1_complete_graph, or --kind complete --keep 1), then give its run "
            "folder"
        )
    trained = read_weights(config.trained)
    if config.kind == "fine_tune":
        return Start(trained=trained)
    initial = read_weights(config.initial or find_run(config.trained), initial=True)
    return Start(trained=trained, initial=initial)


def _check_kind(config: WiringConfig, edges: Any) -> None:
    if config.kind != "given" and (edges is not None or config.edges is not None):
        raise ValueError(f"edges: only the kind given takes them, not {config.kind}")
    if config.kind not in ("given", *_TICKETS) and (config.trained or config.initial):
        raise ValueError(
            f"trained, initial: only the kinds {' and '.join(_TICKETS)} start from another "
            f"network, not {config.kind}"
        )


def read_edges(text: str) -> Any:
    """Read edges by the name of where they are, as `given_masks` takes them.

    Args:
        text: Folder of a run, whose edges at its end are taken; or file `.npy` (one array), `.npz`
            (one for each wired layer, in order), `.graphml` or `.gml` (networkx; edges run from
            sender to receiver); or relational graph, as `read_graph` takes it.

    Raises:
        ValueError: It is none of these.
        FileNotFoundError: There is no such file.

    Examples:
        >>> read_edges("ws:n=64,k=8,p=0.1,seed=1").num_nodes
        64
    """
    path = Path(text)
    if path.is_dir():
        return list(wiring_masks(load_wiring(path)[1]).values())
    if path.suffix in GRAPH_FILES:
        found = load_graphs(path)
        return found if path.suffix == ".npz" else found[0]
    if ":" not in text:
        raise ValueError(
            f"edges: expected the folder of a run, a file ({', '.join(GRAPH_FILES)}) or a family "
            f"with its arguments such as ws:n=64,k=8,p=0.1,seed=1, got {text!r}"
        )
    return read_graph(text)
