"""Hypernetworks by name, and their files: what users call to load and to save one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ghn.checkpoints import ghn_entries
from ghn.model import GHN

__all__ = ["GHN1", "GHN2", "GHN3", "from_pretrained", "ghn_payload", "load_ghn", "save_ghn"]


def from_pretrained(name: str, *, device: str | torch.device = "cpu") -> GHN:
    """Load a trained hypernetwork in evaluation mode.

    Looks, in this order, for a file of that name, among the checkpoints that come with the package
    (or in the folder in `$NETWRIGHT_CHECKPOINTS`), in the user's cache, and on the Hugging Face hub
    if `huggingface_hub` is installed. Files of the manifest are checked against its sha256.

    Args:
        name: Path, or name in `available()`.
        device: Device to put it on.

    Raises:
        ValueError: Unknown name, or a file that is not what the manifest says.
        FileNotFoundError: A known name whose file cannot be had; the message says where to put it.

    Examples:
        >>> from_pretrained("ghn2-digits").config.num_classes
        10
    """
    return GHN.from_pretrained(name, device=device)


def GHN1(dataset: str = "imagenet") -> GHN:
    """Load a GHN-1 under its published name, as `from_pretrained("ghn1-<dataset>")`."""
    return from_pretrained(f"ghn1-{dataset}")


def GHN2(dataset: str = "imagenet") -> GHN:
    """Load a GHN-2 under its published name, as `from_pretrained("ghn2-<dataset>")`."""
    return from_pretrained(f"ghn2-{dataset}")


def GHN3(name: str = "ghn3tm8", **fields: Any) -> GHN:
    """Load a published GHN-3 by file name or variant, or make an untrained one from fields.

    Examples:
        >>> GHN3(hid=16, heads=4, layers=1, max_shape=(16, 16, 3, 3)).view
        'ghn3'
    """
    if fields:
        return GHN(**{"hypernet": "graphormer", **fields})
    return from_pretrained(name.removesuffix(".pt") if not Path(name).is_file() else name)


def save_ghn(path: str | Path, ghn: GHN, **more: Any) -> Path:
    """Write a hypernetwork and its configuration to one file, which appears whole or not at all.

    Args:
        path: Path of the file; one that ends in `.safetensors` gives that layout.
        ghn: The hypernetwork.
        more: Further entries, JSON-able values and tensors of any shape.
    """
    return ghn.save(path, **more)


def ghn_payload(ghn: GHN, **more: Any) -> dict[str, Any]:
    """Return what `save_ghn` writes."""
    return ghn_entries(ghn.config, ghn.state_dict(), **more)


def load_ghn(path: str | Path, *, device: str | torch.device = "cpu") -> GHN:
    """Load a hypernetwork in evaluation mode from a checkpoint file.

    Reads our own files, as `.pt` or `.safetensors`, ppuda's dictionaries and the bare state dicts
    of GHN-3 (whose configuration is inferred from the shapes). Nothing in the file is executed.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Truncated, altered, of another kind, format or vocabulary, or with tensors that
            do not fit the configuration.
    """
    return GHN.load(path, device=device)
