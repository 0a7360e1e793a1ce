"""Networks before their training, with edges that come from elsewhere; and after it, from a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import nn

from graph2nn.relational import make_graph
from graph2nn.runs import from_dict
from graph2nn.vision import ImageData
from graph2nn.wirings.campaign.checkpoints import FINAL, find_run, read_weights
from graph2nn.wirings.campaign.configs import WiringConfig, build_network
from graph2nn.wirings.edges.masks import wiring_masks
from graph2nn.wirings.edges.tickets import fine_tune_from, lottery_from
from graph2nn.wirings.edges.user_edges import given_masks

__all__ = ["image_settings", "load_wiring", "prepare_network", "read_edges", "read_run"]

_TICKETS = ("fine_tune", "lottery")


def prepare_network(
    config: WiringConfig, images: ImageData, *, edges: Any = None, started: bool = False
) -> nn.Module:
    """The network of a configuration as its training begins: for `fine_tune` and `lottery` with
    edges and weights from the run `config.trained`, for `given` with the edges that are given.

    Args:
        config: see `find_config`.
        images: that it is trained on.
        edges: of kind `given`, see `given_masks`; None reads `config.edges`.
        started: a checkpoint will say which edges and weights it has.

    Raises:
        ValueError: no such run or edges given, or those of another network; images that do not fit.
    """
    settings, given = image_settings(images), config.kind == "given"
    if not given and (edges is not None or config.edges is not None):
        raise ValueError(f"edges: only the kind given takes them, not {config.kind}")
    if not given and config.kind not in _TICKETS and (config.trained or config.initial):
        raise ValueError(
            f"trained, initial: only the kinds {' and '.join(_TICKETS)} start from another "
            f"network, not {config.kind}"
        )
    if started:
        return _open(config, settings)
    if given:
        if edges is None and config.edges is None:
            raise ValueError(
                "edges: the kind given needs a graph: --edges with another run, a file or a family "
                "of relational graphs (ws:n=64,k=8,p=0.1,seed=1), or edges= of train_wiring"
            )
        source = read_edges(config.edges or "") if edges is None else edges
        return _with_edges(config, settings, source, config.drop_illegal)
    if config.kind not in _TICKETS:
        return build_network(config, **settings)
    if config.trained is None:
        raise ValueError(
            f"trained: {config.name} starts from a trained network; train the complete graph first "
            "(medium/mobilenetv1_complete_graph, or --kind complete --keep 1), then give its run "
            "folder"
        )
    model, trained = build_network(config, **settings), read_weights(config.trained)
    if config.kind == "fine_tune":
        fine_tune_from(model, trained)
    else:
        initial = read_weights(config.initial or find_run(config.trained), initial=True)
        lottery_from(model, trained, initial)
    return model


def load_wiring(
    path: str | Path, *, initial: bool = False, device: torch.device | str = "cpu"
) -> tuple[WiringConfig, nn.Module]:
    """Configuration and network of a run, as it was last saved, in evaluation mode.

    Args:
        path: the folder, or a checkpoint in it, which then is read.
        initial: of a folder: as it was before training.
        device: of the network.

    Raises:
        ValueError: no run of `train_wiring`; explains why checkpoints of the original are not read.
        FileNotFoundError: nothing there, or no checkpoint yet.
    """
    config, images = read_run(path)
    folder, path = find_run(path), Path(path)
    if path.is_dir() and not (folder / FINAL).is_file():
        raise FileNotFoundError(
            f"{folder} has no checkpoint yet, as its training was stopped before the first; go on "
            f"with it: python experiments/wirings.py --resume {folder}"
        )
    model = _open(config, images)
    model.load_state_dict(dict(read_weights(path, initial=initial)))
    return config, model.to(device).eval()


def read_run(path: str | Path) -> tuple[WiringConfig, dict[str, int]]:
    """Configuration of a run folder, and the images that its network takes (`image_settings`),
    whether or not it has a checkpoint yet.

    Raises:
        ValueError, FileNotFoundError: see `load_wiring`.
    """
    stored = json.loads((find_run(path) / "config.json").read_text(encoding="utf-8"))
    (name,) = stored["networks"]
    settings = stored["observers"][name]
    return from_dict(WiringConfig, settings["wiring"]), settings["images"]


def read_edges(text: str) -> Any:
    """Edges by the name of where they are, as `given_masks` takes them.

    Args:
        text: one of
            the folder of a run: the edges that it ended with;
            a file `.npy` (one array), `.npz` (one for each wired layer, in order), `.graphml` or
            `.gml` (networkx; edges run from sender to receiver);
            a family of relational graphs with its arguments, as `make_graph` takes them:
            `ws:n=64,k=8,p=0.1,seed=1`.

    Raises:
        ValueError: none of these.
        FileNotFoundError: no such file.

    Example:
        >>> read_edges("ws:n=64,k=8,p=0.1,seed=1").num_nodes
        64
    """
    path = Path(text)
    if path.is_dir():
        return list(wiring_masks(load_wiring(path)[1]).values())
    if path.suffix in _READERS:
        if not path.is_file():
            raise FileNotFoundError(f"edges: {text} does not exist")
        return _READERS[path.suffix](path)
    kind, colon, settings = text.partition(":")
    if not colon:
        raise ValueError(
            f"edges: expected the folder of a run, a file ({', '.join(_READERS)}) or a family with "
            f"its arguments such as ws:n=64,k=8,p=0.1,seed=1, got {text!r}"
        )
    given: dict[str, Any] = {}
    for part in settings.split(","):
        name, _, value = part.partition("=")
        try:
            given[name] = _NUMBERS[name](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"edges: cannot read {part!r} in {text!r}; expected numbers for "
                f"{', '.join(_NUMBERS)}"
            ) from None
    if "n" not in given:
        raise ValueError(f"edges: {text!r} does not say how many nodes: n=")
    return make_graph(kind, **given)


def image_settings(images: ImageData) -> dict[str, int]:
    """As `build_network` takes them."""
    return {
        "num_classes": images.num_classes,
        "in_channels": len(images.mean),
        "image_size": images.imsize,
    }


def _with_edges(
    config: WiringConfig, settings: dict[str, int], source: Any, drop_illegal: bool
) -> nn.Module:
    if config.model not in _TAKES:
        raise ValueError(f"edges: expected a network of {', '.join(_TAKES)}, got {config.model}")
    complete = build_network(replace(config, kind="complete", edges=None), **settings)
    masks = given_masks(source, complete, drop_illegal=drop_illegal)
    found: Any = masks if config.model == "mobilenetv1" else masks[0]
    return build_network(config, **settings, **{_TAKES[config.model]: found})


def _open(config: WiringConfig, settings: dict[str, int]) -> nn.Module:
    """A network whose edges and weights a checkpoint is about to say."""
    if config.kind != "given":
        return build_network(config, **settings)
    return _with_edges(config, settings, nx.DiGraph([(0, 0)]), drop_illegal=True)


def _arrays(path: Path) -> list[np.ndarray]:
    with np.load(path) as found:
        return [found[name] for name in found.files]


_READERS: dict[str, Any] = {
    ".npy": np.load,
    ".npz": _arrays,
    ".graphml": nx.read_graphml,
    ".gml": nx.read_gml,
}
_NUMBERS: dict[str, Any] = {"n": int, "k": float, "p": float, "seed": int}
_TAKES = {"static": "mask", "discrete_time": "mask", "continuous": "mask", "mobilenetv1": "masks"}
