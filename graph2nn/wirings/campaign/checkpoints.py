"""Weights in run folders, and why checkpoints of the original are not read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from graph2nn.runs import load_checkpoint

__all__ = ["FINAL", "INITIAL", "find_run", "read_weights"]

FINAL, INITIAL = "last.pt", "wiring"
"""Name of the checkpoint of a run, and kind of the one before its training (`initial.pt`)."""

_NETWORKS = "networks"


def find_run(path: str | Path) -> Path:
    """The folder of a run with one wiring.

    Args:
        path: the folder, or a checkpoint in it.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: something else; explains why checkpoints of the original are not read.
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
            "`python experiments/wirings.py NAME --out FOLDER`"
        )
    return folder


def read_weights(path: str | Path, *, initial: bool = False) -> Mapping[str, Tensor]:
    """Weights and masks of a run's network.

    Args:
        path: the folder of a run, or a checkpoint in it.
        initial: of a folder: as the network was before training.

    Raises:
        FileNotFoundError: no checkpoint there.
        ValueError: no checkpoint of this package; see `find_run`.
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
    "same name instead: python experiments/wirings.py small/static_dnw"
)
