"""Hypernetworks by name, and their files: what users call to load and to save one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ghn.checkpoints import ghn_entries
from ghn.model import GHN
from ghn.pretrained_files import resolve_published
from graph2nn.names import choose
from graph2nn.runs.pretrained import manifest_entries
from graph2nn.runs.shipped import shipped_file
from graph2nn.runs.tables import read_rows

__all__ = [
    "GHN1",
    "GHN2",
    "GHN3",
    "NormCheck",
    "from_pretrained",
    "get_metadata",
    "ghn_payload",
    "load_ghn",
    "norm_check",
    "save_ghn",
]

_RESULTS = "checkpoints/ghn3_results.csv"
_KEYS = {"ghn3xlm16": "ghn3", "ghn3tm8": "ghn3-t", "ghn2": "ghn2", "randinit": "randinit"}
"""Beginnings of the columns of that file, by hypernetwork."""


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
    """Load the GHN-1 that ppuda has published, `cifar10` or `imagenet`, as `GHN2` does."""
    return _published(f"ghn1-{dataset}")


def GHN2(dataset: str = "imagenet") -> GHN:
    """Load the GHN-2 that ppuda has published, `cifar10` or `imagenet`.

    Its file, `ghn2_cifar10.pt` or `ghn2_imagenet.pt`, has to be downloaded. Ours is
    `from_pretrained("ghn2-cifar10")`. For data sets that no file was published for, it is ours.

    Raises:
        FileNotFoundError: The published file is not there; says where to get it.

    Examples:
        >>> GHN2("digits").config.dataset
        'digits'
    """
    return _published(f"ghn2-{dataset}")


def _published(name: str) -> GHN:
    return GHN.load(resolve_published(name))


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


def get_metadata(
    ghn3_name: str | None = "ghn3xlm16.pt", arch: str | None = None, attr: str | None = None
) -> Any:
    """Return what is known of a hypernetwork, under GHN-3's name of the function.

    Of published ones, their results on ImageNet for 74 networks of torchvision (file
    `ghn3_results.json` of GHN-3's code, MIT licence): top-1 accuracy in percent under the name of
    the hypernetwork, `paramnorm` the norm of the predicted parameters, `sgd1ep` and `sgd10ep` the
    accuracy after one and ten epochs of fine-tuning. Of ours, what the manifest says: data, record
    of the training, test results.

    Args:
        ghn3_name: `ghn3xlm16`, `ghn3tm8`, `ghn2` (with or without `.pt`), `randinit` (random
            initial weights) or a name of ours; None for the whole published table.
        arch: Network, of published results; None for all.
        attr: Entry; None for all.

    Raises:
        ValueError: An unknown hypernetwork, network or entry; lists those that there are.

    Examples:
        >>> get_metadata("ghn3xlm16.pt", arch="resnet50")
        {'ghn3': 19.996, 'paramnorm': 108.453, 'sgd1ep': 43.69, 'sgd10ep': 59.23}
        >>> get_metadata("ghn2-digits", attr="num_classes")
        10
    """
    table = {row.pop("network"): row for row in read_rows(shipped_file(_RESULTS))}
    every = {a: {k: float(v) for k, v in row.items()} for a, row in table.items()}
    if ghn3_name is None:
        return _entries(every, arch, attr)
    name = ghn3_name.removesuffix(".pt")
    ours = {n: e for n, e in manifest_entries().items() if e.get("kind", "ghn") == "ghn"}
    if name in ours:
        return ours[name] if attr is None else choose("entry", attr, ours[name])
    key = _KEYS[choose("hypernetwork", name, (*_KEYS, *ours), where="get_metadata")]
    columns = [c for c in next(iter(every.values())) if c == key or c.startswith(f"{key}-")]
    if key == "ghn3":
        columns = [c for c in columns if not c.startswith("ghn3-t")]
    found = {a: {c.split("-")[-1]: row[c] for c in columns} for a, row in every.items()}
    return _entries(found, arch, attr)


def _entries(table: Mapping[str, Mapping[str, float]], arch: str | None, attr: str | None) -> Any:
    """A table, one of its rows, one of its columns or one number."""
    rows = table if arch is None else {arch: choose("network", arch, table, where="get_metadata")}
    found = {
        a: row if attr is None else choose("entry", attr, row, where="get_metadata")
        for a, row in rows.items()
    }
    return found if arch is None else found[arch]


@dataclass(frozen=True, kw_only=True)
class NormCheck:
    """The norm of predicted parameters, against the published one.

    Args:
        norm: Norm of all parameters of the network.
        expected: The published norm.
        passed: Whether they differ by less than .01.
    """

    norm: float
    expected: float
    passed: bool

    def __str__(self) -> str:
        said = "check passed" if self.passed else f"expected {self.expected:.4f}"
        return f"norm of all parameters {self.norm:.4f} ({said})"


@torch.no_grad()
def norm_check(
    model: nn.Module, arch: str = "resnet50", ghn3_name: str = "ghn3xlm16.pt"
) -> NormCheck:
    """Compare the parameters that a published hypernetwork predicted with those published.

    Args:
        model: Network of torchvision with the predicted parameters.
        arch: Its name.
        ghn3_name: The hypernetwork, `ghn3xlm16`, `ghn3tm8` or `ghn2`.

    Raises:
        ValueError: No published norm of such a network, or of parameters of this hypernetwork.

    Examples:
        >>> from torchvision.models import resnet50
        >>> norm_check(resnet50()).passed  # torch's initial weights
        False
    """
    known = get_metadata(ghn3_name, arch)
    expected = float(choose("entry", "paramnorm", known, where="norm_check"))
    norms = [p.float().norm() for p in model.parameters()]
    norm = torch.stack(norms).norm().item() if norms else 0.0
    return NormCheck(norm=norm, expected=expected, passed=abs(norm - expected) < 1e-2)
