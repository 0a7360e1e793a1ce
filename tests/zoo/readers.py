"""Every reader of files with a file for it: how one is written, and what is read of it."""

from __future__ import annotations

import operator
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ghn import GHN
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.deepnets import PublishedNets, eval_nets, load_nets, save_nets
from graph2nn.deepnets.published import write_published
from graph2nn.ground_truth import read_ground_truth, write_ground_truth
from graph2nn.relational import SweepGrid, read_results, read_sweep, sweep_to_file
from graph2nn.relational.campaign.results import ResultTable, write_results
from graph2nn.runs import (
    RunFolder,
    load_checkpoint,
    read_job,
    read_metrics,
    save_checkpoint,
    write_job,
)
from graph2nn.sparsity import read_sparse_table
from graph2nn.vision.readers import read_cifar_python, read_idx, read_npz
from graph2nn.wirings.campaign.start import read_edges

__all__ = ["CASES", "Case"]

ROOT = Path(__file__).parents[2]
TENSORS = {"a": torch.arange(64.0), "b": torch.ones(4, 4, dtype=torch.int64)}


def _checkpoint(folder: Path) -> Path:
    return save_checkpoint(folder / "own.pt", {"kind": "fuzz", "step": 3, "state_dict": TENSORS})


def _legacy(folder: Path) -> Path:
    path = folder / "legacy.pt"
    torch.save({"state_dict": TENSORS}, path, _use_new_zipfile_serialization=False)
    return path


def _zipped(folder: Path) -> Path:
    path = folder / "zipped.pt"
    torch.save({"state_dict": TENSORS}, path)
    return path


def _ghn(folder: Path) -> Path:
    from ghn import GHNConfig

    torch.manual_seed(0)
    return GHN(GHNConfig(num_classes=10, hid=4, max_shape=(4, 4, 3, 3))).save(folder / "ghn.pt")


def _read_ghn(path: Path) -> Any:
    return dict(GHN.load(path).state_dict())


def _published(folder: Path) -> Path:
    path, _ = write_published(
        folder / "deepnets1m_eval.hdf5", {"val": eval_nets("val", 3)}, overwrite=True
    )
    return path


def _read_published(path: Path) -> Any:
    nets = PublishedNets(path.with_suffix(".hdf5"), "val")
    return [
        [repr(config), graph.edges, graph.op_names(), graph.params, graph.distances(50)]
        for config, graph in (nets[k] for k in range(len(nets)))
    ]


def _published_json(folder: Path) -> Path:
    path = _published(folder)
    return path.with_name(f"{path.stem}_meta.json")


def _read_published_json(path: Path) -> Any:
    return _read_published(path.with_name("deepnets1m_eval.hdf5"))


def _store(folder: Path) -> Path:
    path = folder / "nets.h5"
    save_nets(eval_nets("val", 20).table, path, overwrite=True, split="val")
    return path


def _read_store(path: Path) -> Any:
    table, attributes = load_nets(path)
    return [attributes, {k: np.asarray(v) for k, v in vars(table).items()}]


def _truth(folder: Path) -> Path:
    path = folder / "truth.h5"
    write_ground_truth(read_ground_truth("deepnets_cifar10"), path)
    return path


def _read_truth(path: Path) -> Any:
    truth = read_ground_truth(path)
    own = {k: v for k, v in vars(truth).items() if k not in ("configs", "settings")}
    return [repr(truth.settings), [repr(c) for c in truth.configs], own]


def _sweep(folder: Path) -> Path:
    grid = SweepGrid(nodes=16, k_min=2, k_max=15, degrees=6, probabilities=6, seeds=2)
    path = folder / "sweep.h5"
    path.unlink(missing_ok=True)
    return sweep_to_file(path, 16, grid=grid, figure=False, progress=False).path


def _read_sweep(path: Path) -> Any:
    found = read_sweep(path)
    return [repr(found.sweep.grid), repr(found.rule), found.sweep.C, found.sweep.L,
            vars(found.thinned)]  # fmt: skip


def _results(folder: Path) -> Path:
    table = read_results("mlp_digits_52").take(np.arange(20))
    return write_results(folder / "results.csv", table)


def _read_results(path: Path) -> Any:
    table: ResultTable = read_results(path)
    return dict(table)


def _sparse(folder: Path) -> Path:
    for path in (ROOT / "data" / "sparse").glob("digits*.csv*"):
        shutil.copy(path, folder)
    return folder / "digits.csv"


def _metrics(folder: Path) -> Path:
    run = RunFolder(folder / "run", {"lr": 0.1}, resume=True)
    if not run.metrics():
        for step in range(1, 11):
            run.log(step, loss=1 / step, top1=None, name="a")
    run.close()
    return run.path / "metrics.jsonl"


def _job(folder: Path) -> Path:
    return write_job(folder / "job.jsonl", "job", [{"n": n, "x": 0.5} for n in range(10)])


def _graph(folder: Path) -> Path:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    return trace(model, torch.rand(1, 4)).save(folder / "graph.json")


def _relational(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        import networkx as nx

        path = folder / f"graph{suffix}"
        getattr(nx, f"write_{suffix[1:]}")(nx.watts_strogatz_graph(8, 4, 0.3, seed=0), path)
        return path

    return write


def _cifar(folder: Path) -> Path:
    images = np.arange(4 * 3072, dtype=np.int64).astype(np.uint8).reshape(4, 3072)
    path = folder / "data_batch_1"
    path.write_bytes(pickle.dumps({b"data": images, b"labels": [0, 1, 2, 3]}, protocol=2))
    return path


def _read_cifar(path: Path) -> Any:
    return read_cifar_python(lambda name: path.open("rb"), [path.name], b"labels")


def _idx(folder: Path) -> Path:
    path = folder / "images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array([2, 4, 4], ">u4").tobytes() + bytes(range(32)))
    return path


def _npz(folder: Path) -> Path:
    path = folder / "cifar10.npz"
    images, labels = np.arange(3072, dtype=np.uint8).reshape(1, 3, 32, 32), np.zeros(1, np.int64)
    np.savez(path, train_images=images, train_labels=labels)
    return path


def _config(folder: Path) -> Path:
    run = RunFolder(folder / "settings", {"lr": 0.1, "name": "x"}, resume=True)
    run.close()
    return run.path / "config.json"


def _as_logged(found: list, right: list) -> bool:
    """Lines that a crash cuts, or that are lost whole, are missing; the others are right."""
    rest = iter(right)
    return all(any(row == other for other in rest) for row in found)


@dataclass(frozen=True)
class Case:
    """A reader and a file for it.

    Args:
        write: Function from a folder to the path of the file.
        read: Function from the path to all that is read.
        sealed: Whether the file carries a checksum, so that no other content is ever read of it.
        same: Function that tells whether what was read is right.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    sealed: bool = True
    same: Callable[[Any, Any], bool] = operator.eq


def _read_edges(path: Path) -> Any:
    return sorted(read_edges(str(path)).edges)


CASES = {
    "checkpoint": Case(_checkpoint, load_checkpoint),
    "legacy checkpoint": Case(_legacy, load_checkpoint, sealed=False),
    "zipped checkpoint": Case(_zipped, load_checkpoint),
    "hypernetwork": Case(_ghn, _read_ghn),
    "published networks": Case(_published, _read_published),
    "published metadata": Case(_published_json, _read_published_json),
    "store of networks": Case(_store, _read_store),
    "ground truth": Case(_truth, _read_truth),
    "sweep": Case(_sweep, _read_sweep),
    "results.csv": Case(_results, _read_results),
    "sparse table": Case(_sparse, lambda path: dict(read_sparse_table(path))),
    "metrics.jsonl": Case(_metrics, lambda path: read_metrics(path.parent), same=_as_logged),
    "job": Case(_job, read_job),
    "graph": Case(_graph, lambda path: vars(ArchGraph.load(path))),
    "graphml": Case(_relational(".graphml"), _read_edges, sealed=False),
    "gml": Case(_relational(".gml"), _read_edges, sealed=False),
    "CIFAR batch": Case(_cifar, _read_cifar, sealed=False),
    "IDX": Case(_idx, read_idx, sealed=False),
    "npz": Case(_npz, lambda path: list(read_npz(path, "train"))),
}
"""Cases by name."""
