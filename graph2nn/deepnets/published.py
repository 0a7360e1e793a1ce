"""The published files of DeepNets-1M (HDF5 and JSON): read as they are, and written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from graph2nn.archgraph.graph import PRIMITIVE_ID, PRIMITIVES, ArchGraph, shape4d
from graph2nn.archgraph.paths import path_lengths
from graph2nn.deepnets.as_archgraph import build_graph
from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.config_table import NetTable
from graph2nn.deepnets.graphs.counts import table_params
from graph2nn.deepnets.graphs.sampling import draw_widths
from graph2nn.deepnets.graphs.splits import WidthRule
from graph2nn.deprecated import renamed_keywords
from graph2nn.runs.checkpoint import replacing, sha256_file
from graph2nn.runs.seals import SEAL, check_own, check_seal, seal_file

__all__ = ["PublishedNets", "parameter_name", "write_published"]

_STORED_CUTOFF = 250
_AGAIN = "copy or generate both files again"
_META = "metadata_sha256"  # attribute of files of ours
_MERGING = ("concat", "sum", "cse")  # may have several inputs
_NORMS = (PRIMITIVE_ID["bn"], PRIMITIVE_ID["ln"])
_SETTINGS = (
    *("stem_type", "stem_pool", "norm", "preproc", "fc_layers", "glob_avg", "n_cells", "ks"),
    *("C_mult", "fc_dim", "C"),
)


def parameter_name(stored: str, cell: int) -> str:
    """Find the qualified parameter name behind a name in the file, whose versions differ.

    `_ops.1.ln1.weight` in cell 3 is `cells.3._ops.1.ln1.weight`; old files leave out `op.` behind
    an operation's number and end in `to_out.0.`. Stems, positional encodings and classifiers
    belong to no cell.
    """
    if stored.startswith("classifier"):
        return stored
    for start in ("stem", "pos_enc"):
        if start in stored:
            return stored[stored.index(start) :]
    if stored.endswith("to_out.0."):
        return f"cells.{cell}.{stored}weight"
    parts = stored.split(".")
    if len(parts) > 2 and parts[0] == "_ops" and parts[2].isdigit():
        parts.insert(2, "op")
    return f"cells.{cell}.{'.'.join(parts)}"


def _primitive(stored: str) -> str:
    """One of the 15 primitives from an extended one of the file (with its kernel size)."""
    if stored.startswith("conv_"):
        return "conv"
    if "conv_" in stored or "pool_" in stored:
        return stored[:-4]
    return "bias" if stored == "fc-b" else stored


@renamed_keywords(imsize="image_size")
class PublishedNets(Sequence[tuple[NetConfig, ArchGraph]]):
    """Networks and graphs of a published file; `nets[i]` is (config, graph), i an int or string.

    The graph has the edges and path lengths of the file and the parameters of `Network(config)`.
    Graphs generated with recent PyTorch releases list their nodes cell by cell but number the
    adjacency in another topological order; `rebuild=True` replaces the stored graph by
    `build_graph(config)`, in which both agree.

    Args:
        path: The HDF5 file, or the folder of the published files. The metadata lie beside it.
        split: One of the file's splits; needed if it has several.
        cutoff: Longest virtual edge kept by `graph.distances(cutoff)`.
        fix_stored: The corrections of GHN-3's reader: the second input of cell 1 starts at the
            end of the ImageNet-style stem, and only `concat`, `sum` and `cse` have several inputs.
        rebuild: Whether analytic graphs take the place of the stored ones.
        image_size, num_classes, in_channels: Side, classes and channels of the images the networks
            are for.
        widths: Rule by which `item(index, rng)` draws C and the classifier width, as in training
            (the published training split has none of its own: there C is 32).

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A damaged file, unknown split, or names that do not fit the configuration.
    """

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        *,
        cutoff: int = 50,
        fix_stored: bool = False,
        rebuild: bool = False,
        image_size: int = 32,
        num_classes: int = 10,
        in_channels: int = 3,
        widths: WidthRule | None = None,
    ) -> None:
        self.path = _data_file(Path(path), split)
        self.split, entries = _metadata(self.path, split)
        self.cutoff, self.fix_stored, self.rebuild = cutoff, fix_stored, rebuild
        self.images = {
            "image_size": image_size,
            "num_classes": num_classes,
            "in_channels": in_channels,
        }
        self.widths = widths
        try:
            self.nets: list[dict[str, Any]] = entries["nets"]
            vocabularies = (entries["meta"]["primitives_ext"], entries["meta"]["unique_op_names"])
            self._primitives, self._names = (
                [v[str(i)] for i in range(len(v))] for v in vocabularies
            )
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"metadata of {self.path} lack {error}; copy or generate the pair of files again"
            ) from error
        self._file: h5py.File | None = None
        self._pid = -1

    def __len__(self) -> int:
        return len(self.nets)

    def __getitem__(self, index: Any) -> Any:
        return self.item(index)

    def item(
        self, index: int | str, rng: np.random.Generator | None = None
    ) -> tuple[NetConfig, ArchGraph]:
        """Return network `index` and its graph, with widths drawn if there is a rule for it."""
        row = self._row(index)
        config = self.config(row)
        if self.widths is not None and rng is not None:
            key = "imagenet" if config.imagenet_input else "cifar10"
            config = draw_widths(config, self.nets[row]["num_params"][key], rng, self.widths)
        if self.rebuild:
            return config, build_graph(config)
        return config, self._graph(row, config)

    def config(self, index: int | str) -> NetConfig:
        """Return network `index` without its graph."""
        entry = self.nets[self._row(index)]
        config = NetConfig.from_json(entry, **self.images)
        if self.split == "wide":
            config = config.with_(C=config.C * (2 if config.imagenet_input else 4))
        return config

    def num_nodes(self, index: int | str) -> int:
        """Count the nodes of the stored graph of network `index`."""
        return int(self.nets[self._row(index)]["num_nodes"])

    def _row(self, index: int | str) -> int:
        row = int(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"index {index} of {len(self)} networks in split {self.split!r}")
        return row % len(self)

    def _arrays(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Stored adjacency and nodes. A forked process opens the file anew."""
        try:
            if self._file is None or self._pid != os.getpid():
                self._file, self._pid = h5py.File(self.path, "r"), os.getpid()
            place = f"{self.split}/{row}"
            check_own(self._file, (self.split, place, f"{place}/adj", f"{place}/nodes"))
            group = self._file[place]
            return group["adj"][()], group["nodes"][()]
        except (OSError, KeyError) as error:
            raise ValueError(
                f"{self.path}: cannot read network {row} of split {self.split!r} ({error}); the "
                "file is damaged or cut off, or its metadata are of another file: copy or "
                "generate both again"
            ) from error

    def _graph(self, row: int, config: NetConfig) -> ArchGraph:
        adjacency, nodes = self._arrays(row)
        where = f"{self.path}, split {self.split!r}, network {row}"
        ext = [self._primitives[i] for i in nodes[:, 0].tolist()]
        stored = [self._names[i] for i in nodes[:, 2].tolist()]
        kinds = [_primitive(name) for name in ext]
        unknown = sorted(set(kinds) - set(PRIMITIVES))
        if unknown or adjacency.shape != (len(nodes), len(nodes)):
            raise ValueError(
                f"{where}: adjacency {adjacency.shape} for {len(nodes)} nodes, "
                f"unknown primitives {unknown}; copy or generate the file again"
            )
        if self.fix_stored:
            adjacency = _fixed(adjacency, ext, stored, config)
        op = np.array([PRIMITIVE_ID[kind] for kind in kinds])
        cells = nodes[:, 1].astype(np.int64)
        shapes = build_graph(config).param_shapes
        params = _resolve(op, stored, cells.tolist(), shapes, where)
        shape = np.zeros((len(op), 4), np.int64)
        for node, names in enumerate(params):
            if names:
                shape[node] = shape4d(shapes[names[0]])
            elif kinds[node] in ("max_pool", "avg_pool"):
                shape[node] = (1, 1, 3, 3)
        edges = np.array(np.nonzero(adjacency == 1))
        if (edges[0] >= edges[1]).any():
            raise ValueError(f"{where}: edges against the order of nodes; {_AGAIN}")
        graph = ArchGraph(
            op=op,
            shape=shape,
            edges=edges,
            params=tuple(params),
            param_shapes={name: shapes[name] for names in params for name in names},
            cell=cells,
            name=f"{self.split}-{row}",
            num_classes=config.num_classes,
        )
        if not self.fix_stored and self.cutoff <= _STORED_CUTOFF:
            kept = np.where(adjacency > self.cutoff, 0, adjacency)
            graph.remember(("distances", self.cutoff), lambda: kept.astype(np.int16))
        return graph

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def _data_file(path: Path, split: str | None) -> Path:
    if path.is_dir():
        part = split if split in ("train", "search") else "eval"
        path = path / f"deepnets1m_{part}.hdf5"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} not found; generate it with graph2nn.deepnets.write_published, get it from "
            "the authors of DeepNets-1M (arXiv:2110.13100), or train without files on "
            "graph2nn.deepnets.EndlessNets"
        )
    return path


def _metadata(path: Path, split: str | None) -> tuple[str, Any]:
    """The split's name and its part of the JSON file."""
    meta_path = path.with_name(f"{path.stem}_meta.json")
    if not meta_path.is_file():
        raise FileNotFoundError(f"{meta_path} not found; it belongs beside {path}")
    if check_seal(path, "file of DeepNets-1M", _AGAIN) is not None:
        with h5py.File(path, "r") as file:
            stated = file.attrs.get(_META)
        if stated != sha256_file(meta_path):
            raise ValueError(f"{meta_path} is altered, or belongs to another file; {_AGAIN}")
    try:
        meta = json.loads(meta_path.read_text())
    except ValueError as error:
        raise ValueError(f"{meta_path} is damaged ({error}); copy or generate it again") from error
    if split is None and len(meta) == 1:
        split = next(iter(meta))
    if split is None or split not in meta:
        raise ValueError(f"{meta_path} has no split {split!r}; expected one of {', '.join(meta)}")
    return split, meta[split]


def _resolve(
    op: np.ndarray,
    stored: list[str],
    cells: list[int],
    shapes: Mapping[str, tuple[int, ...]],
    where: str,
) -> list[tuple[str, ...]]:
    """Names of the parameters of every node: a norm has weight and bias."""
    params: list[tuple[str, ...]] = []
    for kind, name, cell in zip(op.tolist(), stored, cells):
        if name in PRIMITIVES or name in ("", "input"):
            params.append(())
            continue
        full = parameter_name(name, cell)
        full = full if full in shapes else f"{full}.weight"
        if full not in shapes:
            raise ValueError(
                f"{where}: node {name!r} of cell {cell} is no parameter of the network its "
                "metadata describe; the two files do not belong together"
            )
        params.append((full, f"{full[:-6]}bias") if kind in _NORMS else (full,))
    return params


def _fixed(
    adjacency: np.ndarray, ext: list[str], stored: list[str], config: NetConfig
) -> np.ndarray:
    """The corrections of GHN-3 (arXiv:2303.04143); path lengths are computed anew."""
    real = adjacency == 1
    if config.stem_type == 1 and not config.vit:
        ends = [
            max(i for i, name in enumerate(stored) if name.startswith(stem))
            for stem in ("stem0", "stem1")
            if any(name.startswith(stem) for name in stored)
        ]
        targets = [np.flatnonzero(real[end]) for end in ends]
        if len(ends) == 2 and len(targets[1]) == 1 and len(targets[0]) > 1:
            last, previous = targets[0][-1], targets[0][-2]
            if last - previous > 1:  # else both halves of one factorized reduction
                real[ends[0], last], real[ends[1], last] = False, True
    for node in np.flatnonzero(real.sum(0) > 1):
        if ext[node] not in _MERGING:
            real[np.flatnonzero(real[:, node])[1:], node] = False
    return path_lengths(np.array(np.nonzero(real)), len(real), _STORED_CUTOFF)


def write_published(
    path: str | Path,
    splits: Mapping[str, Iterable[NetConfig]],
    *,
    overwrite: bool = False,
) -> tuple[Path, Path]:
    """Write networks in the published format and return the HDF5 and the metadata file.

    Files named `deepnets1m_train.hdf5` (a split train), `deepnets1m_search.hdf5` or
    `deepnets1m_eval.hdf5` (all others) are found by ppuda's loader. The format has no place for
    image size and number of classes.

    Args:
        path: Path of the HDF5 file; the metadata go to `<name>_meta.json` beside it.
        splits: Networks by split.
        overwrite: Whether existing files are replaced.

    Raises:
        FileExistsError, OSError: As `save_nets`; no file is left.
        ValueError: A network of split `wide` whose width is not a multiple of the factor.
    """
    path = Path(path)
    meta_path = path.with_name(f"{path.stem}_meta.json")
    meta: dict[str, Any] = {}
    with (
        replacing(meta_path, overwrite=overwrite) as meta_temporary,
        replacing(path, overwrite=overwrite) as temporary,
    ):
        with h5py.File(temporary, "w", userblock_size=SEAL) as file:
            file.attrs["title"] = "DeepNets-1M"
            for split, configs in splits.items():
                meta[split] = _write_split(file.create_group(split), split, configs)
            meta_temporary.write_text(json.dumps(meta))
            file.attrs[_META] = sha256_file(meta_temporary)
        seal_file(temporary, "DeepNets-1M", 1)
    return path, meta_path


def _write_split(group: h5py.Group, split: str, configs: Iterable[NetConfig]) -> dict[str, Any]:
    primitives: dict[str, int] = {}
    names: dict[str, int] = {}
    entries = []
    for index, config in enumerate(configs):
        graph = build_graph(config)
        nodes = np.empty((graph.num_nodes, 3), np.uint16)
        for node, (kind, params) in enumerate(zip(graph.op_names(), graph.params)):
            name = params[0] if params else kind
            if name.startswith("cells."):
                name = name.split(".", 2)[2]
            if kind == "conv" and tuple(graph.shape[node, 2:]) == (1, 1):
                kind = "conv_1x1"
            ids = primitives.setdefault(kind, len(primitives)), names.setdefault(name, len(names))
            nodes[node] = ids[0], graph.cell[node], ids[1]
        group.create_dataset(f"{index}/adj", data=graph.distances(_STORED_CUTOFF).astype(np.uint8))
        group.create_dataset(f"{index}/nodes", data=nodes)
        entries.append(_entry(config, split, graph.num_nodes))
    meta = {
        "primitives_ext": {str(i): name for name, i in primitives.items()},
        "unique_op_names": {str(i): name for name, i in names.items()},
    }
    return {"nets": entries, "meta": meta}


def _entry(config: NetConfig, split: str, nodes: int) -> dict[str, Any]:
    """A network's metadata; parameters are counted at the published reference widths."""
    args = config.to_json()
    entry = {name: args[name] for name in _SETTINGS}
    if split == "wide":
        factor = 2 if config.imagenet_input else 4
        if config.C % factor:
            raise ValueError(f"split wide: expected a width divisible by {factor}, got {config.C}")
        entry["C"] = config.C // factor
    table = NetTable.of([config.with_(C=32, fc_dim=256)])
    counts = [int(table_params(table, image_size=size)[0]) for size in (32, 224)]
    entry["num_nodes"] = nodes
    entry["num_params"] = dict(zip(("cifar10", "imagenet"), counts))
    entry["genotype"] = args["genotype"]
    return entry
