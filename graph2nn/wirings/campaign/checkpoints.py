"""What the folder of a run holds, and why checkpoints of the original are not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import torch
from torch import Tensor, nn

from graph2nn.runs import from_dict, load_checkpoint
from graph2nn.wirings.campaign.config import Start, WiringConfig

__all__ = ["FINAL", "INITIAL", "UNREAD", "find_run", "load_wiring", "read_run", "read_weights"]

FINAL, INITIAL = "last.pt", "wiring"
"""Name of the checkpoint of a run, and kind of the one before its training (`initial.pt`)."""

UNREAD = Start(edges=nx.DiGraph([(0, 0)]), drop_illegal=True)
"""Start of a network whose edges and weights a checkpoint is about to say."""

_NETWORKS = "networks"


def find_run(path: str | Path) -> Path:
    """Find the folder of a run with one wiring.

    Args:
        path: Folder, or checkpoint in it.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: It is something else; explains why checkpoints of the original are not read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected the folder of a run")
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        _read(path)
    config = folder / "config.json"
    if not config.is_file() or '"wiring"' not in config.read_text(encoding="utf-8"):
        raise ValueError(
            f"{path} is no run of a wiring (no config.json that names one); train one with "
            "graph2nn.wirings.train_wiring(find_config(NAME), train, test, folder=FOLDER)"
        )
    return folder


def load_wiring(
    path: str | Path, *, initial: bool = False, device: torch.device | str = "cpu"
) -> tuple[WiringConfig, nn.Module]:
    """Load configuration and network of a run, as it was last saved, in evaluation mode.

    Args:
        path: Folder, or checkpoint in it, which then is read.
        initial: Whether to take, of a folder, the network as it was before training.
        device: Device of the network.

    Raises:
        ValueError: It is no run of `train_wiring`; explains why checkpoints of the original are not
            read.
        FileNotFoundError: There is nothing, or no checkpoint yet.
    """
    config, images = read_run(path)
    folder, path = find_run(path), Path(path)
    if path.is_dir() and not (folder / FINAL).is_file():
        raise FileNotFoundError(
            f"{folder} has no checkpoint yet, as its training was stopped before the first; go on "
            f"with it: graph2nn.wirings.train_wiring(config, train, test, folder={str(folder)!r})"
        )
    model = config.build(images, UNREAD)
    model.load_state_dict(dict(read_weights(path, initial=initial)))
    return config, model.to(device).eval()


def read_run(path: str | Path) -> tuple[WiringConfig, dict[str, int]]:
    """Read the configuration of a run, and the images that its network takes (`image_settings`).

    The run need not have a checkpoint yet.

    Raises:
        ValueError: It is no run of `train_wiring`.
        FileNotFoundError: There is nothing.
    """
    stored = json.loads((find_run(path) / "config.json").read_text(encoding="utf-8"))
    (name,) = stored["networks"]
    settings = stored["observers"][name]
    return from_dict(WiringConfig, settings["wiring"]), settings["images"]


def read_weights(path: str | Path, *, initial: bool = False) -> Mapping[str, Tensor]:
    """Read weights and masks of a run's network, by name.

    Args:
        path: Folder of a run, or checkpoint in it.
        initial: Whether to take, of a folder, those of the network before its training.

    Shapes:
        -> for each name that of the network's state dict.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: It is no checkpoint of this package; see `find_run`.
    """
    path = Path(path)
    if path.is_dir():
        path = path / ("initial.pt" if initial else FINAL)
    return _read(path)


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        content = load_checkpoint(path)
    except ValueError as error:
        raise ValueError(f"{error}. {_ADVICE}") from None
    if content.get("kind") == INITIAL:
        return content["weights"]
    if content.get("kind") != _NETWORKS or len(content["units"]) != 1:
        entries = ", ".join(map(str, list(content)[:4]))
        raise ValueError(f"{path} is no checkpoint of a wiring (it has {entries}). {_ADVICE}")
    return content["units"][0]["weights"]


_ADVICE = (
    "Checkpoints of allenai/dnw are not read: their terms (non-commercial, share-alike) are not "
    "those of this package, they hold whole Python objects that torch does not load safely, and "
    "their edges compete with slots that the network cannot use. Train the configuration of the "
    "same name instead: train_wiring(find_config('small/static_dnw'), ...) of graph2nn.wirings"
)
