"""Make the shipped graphs of timm's networks again, which takes timm (extra `zoo`) and minutes.

    python -m predictors.tables.networks.timm_graphs --out data/networks/timm_models.h5

Every pair of model and image size of the published table is traced on meta tensors, without weights
and without computing anything. Pairs of equal graphs share one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from graph2nn.archgraph import ArchGraph, structural_hash, trace
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs
from graph2nn.runs.tables import Facts, read_packed, write_packed
from predictors.tables.published import PUBLISHED, published_columns

__all__ = ["main", "read_network_graphs", "trace_timm", "write_network_graphs"]

Network = tuple[ArchGraph, str]
"""A graph, and the module that defines its model."""


def trace_timm(arch: str, img_size: int) -> Network:
    """Trace a model of timm at an image size, in the primitives and in eval mode.

    Args:
        arch: Name for `timm.create_model`.
        img_size: Pixels; models with a table of positions are built for them.

    Returns:
        The graph, whose name is the model's, and the module of timm that defines the model, such as
        `resnet`.

    Raises:
        ImportError: timm is not installed.
        ValueError: An unknown model, or one that does not take such images.
    """
    try:
        import timm
    except ImportError:
        raise ImportError('timm is not installed: pip install "netwright[timm]"') from None
    if not timm.is_model(arch):
        raise ValueError(f"timm {timm.__version__} has no model {arch!r}: pip install -U timm")
    with torch.device("meta"):
        try:
            model = timm.create_model(arch, img_size=img_size)
        except TypeError:  # convolutional models take any size
            model = timm.create_model(arch)
    images = torch.zeros(2, 3, img_size, img_size, device="meta")
    graph = trace(model, images, view="primitives", training=False)
    module = timm.models.model_entrypoint(arch).__module__.rpartition(".")[2]
    return graph.replace(name=arch), module


def write_network_graphs(
    path: str | Path, names: Sequence[tuple[str, int]], networks: Iterable[Network]
) -> Path:
    """Write graphs of models at image sizes, those that are equal once.

    Args:
        path: Path of the file.
        names: Model and image size of each network.
        networks: Their graphs and modules, in the same order.

    Raises:
        OSError: See `write_packed`.
        ValueError: Another number of networks than names.
    """
    distinct: dict[tuple[str, bytes], ArchGraph] = {}
    numbers: dict[tuple[str, bytes], int] = {}
    rows, modules = [], []
    for graph, module in networks:
        values = graph.columns.get("values", np.zeros(0))
        key = structural_hash(graph), np.asarray(values).tobytes()
        distinct.setdefault(key, graph.replace(name="", attributes={}))
        rows.append(numbers.setdefault(key, len(numbers)))
        modules.append(module)
    if len(rows) != len(names):
        raise ValueError(f"expected a network for each of {len(names)} names, got {len(rows)}")
    columns = {
        "arch": np.array([arch for arch, _ in names]),
        "img_size": np.array([size for _, size in names], dtype=np.int64),
        "module": np.array(modules),
        "graph": np.array(rows, dtype=np.int64),
    }
    facts = Facts(
        name="timm_models",
        title="Graphs of timm's networks in 15 primitives, traced without weights",
        source="huggingface/pytorch-image-models, traced by netwright",
        cite=PUBLISHED["timm_models"].cite,
        licence="Apache-2.0",
        units={
            "arch": "name for timm.create_model",
            "img_size": "pixels",
            "module": "module of timm that defines the model",
            "graph": "number of the row's graph",
        },
    )
    return write_packed(path, columns, facts, pack_graphs(list(distinct.values())))


def read_network_graphs(path: str | Path) -> dict[tuple[str, int], Network]:
    """Read graphs by model and image size, with their module.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged.
    """
    packed = read_packed(path)
    graphs = unpack_graphs(packed.arrays)
    rows = zip(*(packed.columns[n].tolist() for n in ("arch", "img_size", "module", "graph")))
    return {
        (arch, size): (graphs[number].replace(name=arch), module)
        for arch, size, module, number in rows
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Trace all networks of the published table and write their graphs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    out = parser.parse_args(argv).out
    columns = published_columns("timm_models")
    names = list(zip(columns["arch"].tolist(), columns["img_size"].tolist()))
    networks = (trace_timm(arch, size) for arch, size in tqdm(names, unit="network"))
    path = write_network_graphs(out, names, networks)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    try:
        main()
    except (ImportError, ValueError, OSError) as error:
        sys.exit(f"timm_graphs: {error}")
