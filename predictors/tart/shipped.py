"""Pre-train the encoders that are shipped with the repository.

python -m predictors.tart.shipped checkpoints/tart_cells.pt --epochs 60 --width 80
python -m predictors.tart.shipped checkpoints/tart_deepnets.pt --space deepnets --epochs 40 \\
    --batch-size 32
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb101_cell
from graph2nn.cells.sampling import enumerate_space, sample_cells
from graph2nn.deepnets import EndlessNets, build_graph
from graph2nn.runs import load_checkpoint, pretrained
from predictors.tart.model import ModelSettings
from predictors.tart.pretraining import KIND, PretrainSettings, pretrain

__all__ = ["SPACES", "add_entry", "cell_spaces", "deepnets_space", "main"]


def cell_spaces(seed: int = 0) -> dict[str, list[ArchGraph]]:
    """Collect unlabelled cells of the benchmarks' spaces, enumerated or drawn.

    No table is read. The cells are NAS-Bench-201 whole (the cells of TransNAS-Bench-101 are among
    them), all of NAS-Bench-Macro, and of NAS-Bench-101 cells as the benchmark has them and matrices
    of any density.
    """
    return {
        "nb201": list(enumerate_space("nb201")),
        "nb101": [*sample_cells("nb101", 4000, seed), *_dense_cells(4000, seed)],
        "nas_bench_macro": list(enumerate_space("nas_bench_macro"))[::3],
    }


def deepnets_space(seed: int = 0, count: int = 1500) -> dict[str, list[ArchGraph]]:
    """Draw unlabelled DeepNets-1M networks of the training split, small ones as for 8x8 images."""
    nets = EndlessNets("train", seed=seed, image_size=8, in_channels=1)
    return {"deepnets": [build_graph(nets[k]) for k in range(count)]}


SPACES: dict[str, Callable[[int], dict[str, list[ArchGraph]]]] = {
    "cells": cell_spaces,
    "deepnets": deepnets_space,
}
"""What the shipped encoders are pre-trained on, by the end of their names."""


def _dense_cells(count: int, seed: int) -> list[ArchGraph]:
    """Cells of seven nodes before pruning, with edges of a random density."""
    rng = np.random.default_rng([seed, 101])
    cells = []
    for _ in range(count):
        matrix = np.triu(rng.random((7, 7)) < rng.uniform(0.25, 0.75), 1).astype(int)
        cells.append(nb101_cell(matrix, [0, *rng.integers(2, 5, 5).tolist(), 1]))
    return cells


def add_entry(path: str | Path, command: Sequence[str] = ()) -> dict[str, Any]:
    """Write the entry of an encoder into the manifest beside it, and return it.

    Raises:
        ValueError: Not a checkpoint of an encoder.
    """
    card = load_checkpoint(path, kind=KIND)["card"]
    card = {**card, "command": " ".join(command)} if command else card
    return pretrained.add_entry(path, kind=KIND, card=card)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the encoders that the command line names and write their files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--space", choices=SPACES, default="cells")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--masked", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    try:
        encoder = pretrain(
            SPACES[args.space](args.seed),
            model=ModelSettings(width=args.width, layers=args.layers, dropout=0.0),
            settings=PretrainSettings(
                epochs=args.epochs, batch_size=args.batch_size, masked=args.masked
            ),
            seed=args.seed,
            progress=True,
        )
        encoder.save(args.file)
        given = [str(a) for a in arguments] if arguments is not None else sys.argv[1:]
        command = ["python -m predictors.tart.shipped", *given]
        print(json.dumps(add_entry(args.file, command)["card"], indent=2))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
