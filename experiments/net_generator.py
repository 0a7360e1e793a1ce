"""Generate networks of a DeepNets-1M split into one file.

    python experiments/net_generator.py train 1000000 ./data
    python experiments/net_generator.py eval 500 ./data --format published

`eval` stands for all evaluation splits. Formats: `compact` (some 20 bytes a network, read by
`graph2nn.deepnets.NetStore`) or `published` (HDF5 with adjacency matrices and JSON, some 45 kB a
network, read by `PublishedNets` and by ppuda). A summary is printed and drawn beside the file.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from graph2nn.deepnets import (
    EVAL_SPLITS,
    OPS,
    SPLITS,
    NetDataset,
    NetTable,
    num_nodes,
    save_nets,
    split_rules,
    write_published,
)
from graph2nn.deepnets.dataset import EVAL_CHUNK, eval_chunk
from graph2nn.runs import parallel_map, run_script
from graph2nn.runs.figures import canvas, save_figure


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "split", type=str.lower, choices=[*SPLITS, "eval"], help="split whose rules networks follow"
    )
    parser.add_argument("n", type=int, help="networks to generate (of each split for eval)")
    parser.add_argument("folder", type=Path, help="folder of the file; made if missing")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the networks; default: %(default)s"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes, -1 for one a core")
    formats = ("compact", "published")
    parser.add_argument("--format", choices=formats, default="compact", help="format of the file")
    parser.add_argument("--imsize", type=int, default=32, help="side of the images in pixels")
    parser.add_argument("--num-classes", type=int, default=10, help="classes of the images")
    parser.add_argument("--in-channels", type=int, default=3, help="channels of the images")
    limits = ("MIN", "MAX")
    parser.add_argument("--cells", type=int, nargs=2, metavar=limits, help="cells of a network")
    parser.add_argument("--max-nodes", type=int, help="nodes of a network at most")
    parser.add_argument("--max-size", type=int, help="parameters of a network at most")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--no-figure", action="store_true", help="do not draw the summary")
    args = parser.parse_args(argv)
    if args.n < 1:
        parser.error(f"n: expected at least 1 network, got {args.n}")
    if args.jobs == 0:
        parser.error("--jobs: expected a number of processes, or -1 for one a core, got 0")
    if args.format == "published" and args.n > 1 and args.imsize not in (32, 224):
        parser.error("--format published: expected --imsize 32 or 224")
    return args


def chunk_with_nodes(chunk: int, *, split: str, seed: int, rules: dict, images: dict) -> NetTable:
    """One chunk of networks with the number of nodes of each."""
    table = eval_chunk(split, chunk, seed, rules=rules, **images)
    if not table.num_nodes.all():
        nodes = [num_nodes(table.config(row, **images)) for row in range(len(table))]
        table.num_nodes = np.array(nodes, np.uint16)
    return table


def generate(args: argparse.Namespace, split: str) -> NetTable:
    """The networks of a split, in parallel."""
    changes: dict[str, Any] = {"cells": tuple(args.cells) if args.cells else None}
    changes |= {"max_nodes": args.max_nodes, "max_size": args.max_size}
    rules = {name: value for name, value in changes.items() if value is not None}
    split_rules(split, image_size=args.imsize, **rules)  # complain before any work
    work = partial(chunk_with_nodes, split=split, seed=args.seed, rules=rules, images=images(args))
    chunks = range(math.ceil(args.n / EVAL_CHUNK))
    tables = list(parallel_map(work, chunks, jobs=args.jobs, description=f"{split} (chunks)"))
    return NetTable.join(tables).take(slice(args.n))


def images(args: argparse.Namespace) -> dict[str, Any]:
    """What the networks are for."""
    return {
        "image_size": args.imsize,
        "num_classes": args.num_classes,
        "in_channels": args.in_channels,
    }


def out_file(args: argparse.Namespace) -> Path:
    """The file to write; ends the program if it exists and must not be replaced."""
    names = {"compact": "deepnets_{}.h5", "published": "deepnets1m_{}.hdf5"}
    path = args.folder / names[args.format].format(args.split)
    if path.exists() and not args.overwrite:
        sys.exit(f"{path} exists; choose another folder or pass --overwrite")
    return path


def write(args: argparse.Namespace, tables: dict[str, NetTable], path: Path) -> list[Path]:
    """Write the networks; `eval` in compact form is one file a split."""
    if args.format == "published":
        sets = {
            split: tqdm(NetDataset(table, **images(args)), desc=f"writing {split}")
            for split, table in tables.items()
        }
        return list(write_published(path, sets, overwrite=args.overwrite))
    paths = []
    for split, table in tables.items():
        one = path if split == args.split else path.with_name(f"deepnets_{split}.h5")
        facts = {"split": split, "seed": args.seed, **images(args)}
        save_nets(table, one, overwrite=args.overwrite, **facts)
        paths.append(one)
    return paths


def summary(split: str, table: NetTable) -> str:
    """Ranges and means of the networks, and how often each operation occurs."""
    used = np.arange(table.op.shape[2]) < 2 * table.steps[:, :, None]
    counts = Counter(table.op[used].tolist())
    total = sum(counts.values())
    lines = [f"{split}: {len(table)} networks"]
    millions = table.num_params / 1e6
    for name, values in (
        ("cells", table.n_cells),
        ("nodes", table.num_nodes),
        ("M parameters (C=32, 32x32)", millions[:, 0]),
        ("width C", table.C),
    ):
        low, high = values.min(), values.max()
        spread = f"mean {values.mean():.2f} std {values.std():.2f}"
        lines.append(f"  {name}: {low:.4g} to {high:.4g}, {spread}")
    shares = ", ".join(f"{OPS[op]} {count / total:.1%}" for op, count in counts.most_common())
    return "\n".join([*lines, f"  operations: {shares}"])


def draw(tables: dict[str, NetTable], path: Path) -> None:
    """Histograms of cells, nodes, parameters and operations of every split."""
    figure, axes = canvas(16, 3.5, 1, 4)
    for split, table in tables.items():
        used = np.arange(table.op.shape[2]) < 2 * table.steps[:, :, None]
        style = {"density": True, "histtype": "step", "label": split}
        axes[0].hist(table.n_cells, bins=np.arange(3.5, 37.5), **style)
        axes[1].hist(table.num_nodes, bins=40, **style)
        axes[2].hist(np.log10(table.num_params[:, 0]), bins=40, **style)
        axes[3].hist(table.op[used], bins=np.arange(len(OPS) + 1) - 0.5, **style)
    for axis, title in zip(axes, ("cells", "nodes", "log10 parameters at C = 32", "operations")):
        axis.set_title(title)
    axes[3].set_xticks(range(len(OPS)), OPS, rotation=90, fontsize=7)
    axes[0].legend(fontsize=8)
    save_figure(figure, path, dpi=120)


def main(argv: list[str] | None = None) -> None:
    """Generate, write, report."""
    args = parse(argv)
    splits = EVAL_SPLITS if args.split == "eval" else (args.split,)
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
        path = out_file(args)
        begin = time.perf_counter()
        tables = {split: generate(args, split) for split in splits}
        seconds = time.perf_counter() - begin
        paths = write(args, tables, path)
    except (OSError, ValueError) as error:
        sys.exit(f"net_generator: {error}")
    for split, table in tables.items():
        print(summary(split, table))
    total, size = sum(map(len, tables.values())), sum(p.stat().st_size for p in paths)
    print(f"{total / seconds:.0f} networks/s, {size / total:.0f} bytes a network")
    if not args.no_figure:
        figure = path.with_suffix(".png")
        draw(tables, figure)
        paths.append(figure)
    print("wrote", ", ".join(map(str, paths)))


if __name__ == "__main__":
    run_script(main)
