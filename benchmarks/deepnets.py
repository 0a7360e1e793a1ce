"""Generating, storing and reading DeepNets-1M networks, on one thread.

    python benchmarks/deepnets.py --reference path/to/ppuda

Generation includes the node count and the parameter counts of every network, and writing the
file. Reading yields the graph with its virtual edges up to 50, from the published format (the same
file for both) and from our compact store.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    cpu_seconds,
    load_reference,
    parser,
    quiet,
    ratio,
    report,
    side_by_side,
    start,
    table,
)

from graph2nn.deepnets import (
    NetDataset,
    NetStore,
    NetTable,
    PublishedNets,
    num_nodes,
    save_nets,
    write_published,
)
from graph2nn.deepnets.dataset import EVAL_CHUNK, eval_chunk

CUTOFF = 50


def generate_ours(n: int, folder: Path) -> tuple[NetTable, Path]:
    """Networks of the training split in a compact store."""
    tables = [eval_chunk("train", k) for k in range(-(-n // EVAL_CHUNK))]
    nets = NetTable.join(tables).take(slice(n))
    if not nets.num_nodes.all():
        nets.num_nodes = np.array([num_nodes(nets.config(k)) for k in range(n)], np.uint16)
    path = folder / "compact.h5"
    save_nets(nets, path, overwrite=True, split="train", seed=0)
    return nets, path


def generate_theirs(args: argparse.Namespace, folder: Path) -> Path:
    """The original's own script, in this process."""
    script = args.reference / "experiments" / "net_generator.py"
    if not script.is_file():
        sys.exit(f"--reference: {script} is missing; unpack the whole repository")
    before, sys.argv = sys.argv, [str(script), "train", str(args.their_nets), str(folder)]
    try:
        with quiet():
            runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = before
    return folder / "deepnets1m_train.hdf5"


def size(path: Path) -> int:
    """Bytes of a published pair of files."""
    return path.stat().st_size + path.with_name(f"{path.stem}_meta.json").stat().st_size


def read_all(nets: Any, n: int) -> Callable[[], None]:
    def read() -> None:
        for index in range(n):
            nets.item(index)[1].distances(CUTOFF)

    return read


def read_theirs(folder: Path, n: int) -> Callable[[], None]:
    from ppuda.deepnets1m.loader import DeepNets1M

    nets = DeepNets1M(split="train", nets_dir=str(folder), virtual_edges=CUTOFF)

    def read() -> None:
        for index in range(n):
            nets[index]

    return read


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures: networks a second, bytes a network."""
    kept: list[Any] = []
    seconds = cpu_seconds(lambda: kept.extend(generate_ours(args.nets, folder)))
    nets, compact = kept
    found = {"generation": {"ours": args.nets / seconds, "theirs": None}}
    found["bytes"] = {"ours": compact.stat().st_size / args.nets, "theirs": None}
    n, shared = args.their_nets, folder / "deepnets1m_train.hdf5"
    if args.reference:
        import ppuda.deepnets1m.net  # noqa: F401  (imports are not generation)

        seconds = cpu_seconds(lambda: generate_theirs(args, folder))
        found["generation"]["theirs"] = n / seconds
        found["bytes"]["theirs"] = size(shared) / n
    else:
        write_published(shared, {"train": NetDataset(nets.take(slice(n)))})
    ours = folder / "ours.hdf5"
    write_published(ours, {"train": NetDataset(nets.take(slice(n)))})
    found["published bytes"] = {"ours": size(ours) / n, "theirs": found["bytes"]["theirs"]}
    return found | reading(args, folder, shared, compact)


def reading(
    args: argparse.Namespace, folder: Path, shared: Path, compact: Path
) -> dict[str, dict[str, float | None]]:
    """Networks read a second."""
    n = args.their_nets
    actions = {
        "published": read_all(PublishedNets(shared, "train", cutoff=CUTOFF), n),
        "compact": read_all(NetStore(compact), min(n, args.nets)),
    }
    if args.reference:
        actions["theirs"] = read_theirs(folder, n)
    taken = side_by_side(actions, args.repeats)
    old = n / taken["theirs"] if "theirs" in taken else None
    return {
        "reading published": {"ours": n / taken["published"], "theirs": old},
        "reading compact": {"ours": min(n, args.nets) / taken["compact"], "theirs": old},
    }


def rows_of(found: dict[str, Any]) -> list[list[Any]]:
    """Table rows; for bytes the ratio is theirs over ours, for speeds the other way round."""
    names = {
        "generation": "generation, networks/s",
        "bytes": "store, bytes/network",
        "published bytes": "published format, bytes/network",
        "reading published": "reading the published file, networks/s",
        "reading compact": "reading the compact store, networks/s",
    }
    rows = []
    for key, label in names.items():
        old, new = found[key]["theirs"], found[key]["ours"]
        better = ratio(old, new) if "bytes" in label else "-" if old is None else ratio(new, old)
        rows.append([label, old, new, better])
    return rows


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__)
    found.add_argument("--nets", type=int, default=20000, help="ours; default: %(default)s")
    found.add_argument("--their-nets", type=int, default=100, help="theirs; default: %(default)s")
    args = found.parse_args(argv)
    if args.quick:
        args.nets, args.their_nets, args.repeats = 20, 4, 1
    start(args)
    load_reference(args.reference)
    with tempfile.TemporaryDirectory() as name:
        figures = measure(args, Path(name))
    header = ["DeepNets-1M, training split", "theirs", "ours", "ratio"]
    report(args, [table(header, rows_of(figures))], figures)


if __name__ == "__main__":
    main()
