"""Compact storage of networks: a few dozen bytes each, in one HDF5 file.

Only what determines a network is stored; its graph is rebuilt by `build_graph`, faster than a
stored adjacency could be read.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from graph2nn.deepnets.dataset import NetDataset
from graph2nn.deepnets.graphs.config import OPS
from graph2nn.deepnets.graphs.config_table import NetTable
from graph2nn.deepnets.graphs.splits import WidthRule
from graph2nn.deprecated import renamed_keywords
from graph2nn.runs.checkpoint import replacing
from graph2nn.runs.seals import SEAL, check_own, check_seal, sealed

__all__ = ["NetStore", "load_nets", "save_nets"]

_FORMAT = "netwright-deepnets"
_VERSION = 1
_SETTINGS = (
    *("n_cells", "fc_layers", "ks", "C_mult", "stem_type", "stem_pool", "preproc"),
    *("glob_avg", "norm", "vit"),
)
_ARRAYS = ("edges", "settings", "sizes")
_CHUNK = 16384
_KEYS = {"image_size": "imsize"}  # of stored facts


def save_nets(
    table: NetTable, path: str | Path, *, overwrite: bool = False, **attributes: Any
) -> int:
    """Write networks to a compact store, completely or not at all, and return its size in bytes.

    Args:
        table: The networks.
        path: Path of the file, usually `*.h5`.
        overwrite: Whether an existing file is replaced.
        attributes: JSON-able facts to keep with the networks (split, seed, image_size, ...).

    Raises:
        FileExistsError, OSError: See `replacing`.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=SEAL) as file:
        stored = {_KEYS.get(name, name): value for name, value in attributes.items()}
        header = {"rows": len(table), "ops": OPS, "settings": _SETTINGS, "attributes": stored}
        file.attrs["format"], file.attrs["version"] = _FORMAT, _VERSION
        file.attrs["header"] = json.dumps(header)
        for name, values in _pack(table).items():
            chunks = (max(1, min(_CHUNK, len(values))), *values.shape[1:])
            file.create_dataset(
                name,
                data=values,
                chunks=chunks,
                compression="gzip",
                compression_opts=6,
                shuffle=True,
                fletcher32=True,  # a damaged block is noticed when it is read
            )
    content = sealed(buffer.getvalue(), _FORMAT, _VERSION)
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
    return len(content)


def load_nets(path: str | Path) -> tuple[NetTable, dict[str, Any]]:
    """Read the networks of a compact store and the attributes kept with them.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a compact store, damaged or cut off, or written by a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} not found; write it with graph2nn.deepnets.save_nets, or train without files "
            "on graph2nn.deepnets.EndlessNets"
        )
    check_seal(path, "compact store of networks", "copy or generate it again")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != _FORMAT:
                raise ValueError(
                    f"{path} is not a compact store of networks; a file in the published format "
                    "is read by PublishedNets"
                )
            if file.attrs["version"] > _VERSION:
                raise ValueError(f"{path} was written by a newer version; update this package")
            check_own(file, _ARRAYS)
            header = json.loads(file.attrs["header"])
            packed = {name: file[name][()] for name in _ARRAYS}
            return _unpack(packed, header), header["attributes"]
    except (OSError, KeyError, IndexError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is damaged or cut off ({error}); copy or generate it again"
        ) from error


def _pack(table: NetTable) -> dict[str, np.ndarray]:
    """Three arrays: edges (B, 2, E) one byte each, settings (B, 12) and sizes (B, 7)."""
    settings = [getattr(table, name).astype(np.uint8) for name in _SETTINGS]
    sizes = [table.C, table.fc_dim, *table.concat.T, table.num_nodes, *table.num_params.T]
    return {
        "edges": (table.op << 4 | table.source).astype(np.uint8),
        "settings": np.stack([*settings, *table.steps.T], 1),
        "sizes": np.stack(sizes, 1).astype(np.uint32),
    }


def _unpack(packed: dict[str, np.ndarray], header: dict[str, Any]) -> NetTable:
    edges, settings, sizes = packed["edges"], packed["settings"], packed["sizes"]
    op = np.array([OPS.index(name) for name in header["ops"]], np.uint8)[edges >> 4]
    names = header["settings"]
    return NetTable(
        op=op,
        source=edges & 15,
        steps=settings[:, len(names) :],
        C=sizes[:, 0].astype(np.uint16),
        fc_dim=sizes[:, 1].astype(np.uint16),
        concat=sizes[:, 2:4].astype(np.uint16),
        num_nodes=sizes[:, 4].astype(np.uint16),
        num_params=sizes[:, 5:7].astype(np.int64),
        **{name: settings[:, k] for k, name in enumerate(names)},
    )


@renamed_keywords(imsize="image_size")
class NetStore(NetDataset):
    """A compact store as a data set, with the image size it was written for unless given.

    Args:
        path: File written by `save_nets`.
        image_size, num_classes, in_channels: Side, classes and channels of the images the networks
            are for.
        widths: Whether C and the classifier width are drawn anew at every access in training.

    Raises:
        FileNotFoundError, ValueError: See `load_nets`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        image_size: int | None = None,
        num_classes: int | None = None,
        in_channels: int | None = None,
        widths: WidthRule | None = None,
    ) -> None:
        table, self.attributes = load_nets(path)
        given = {"image_size": image_size, "num_classes": num_classes, "in_channels": in_channels}
        stored = {k: self.attributes.get(_KEYS.get(k, k)) for k in given}
        images = {k: stored[k] if v is None else v for k, v in given.items()}
        super().__init__(table, **images, widths=widths)
