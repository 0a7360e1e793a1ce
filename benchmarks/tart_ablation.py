"""What the token transformer owes to each of its parts, on NAS-Bench-201.

    python benchmarks/tart_ablation.py --out docs/results/predictors_ablation.csv

Kendall tau on 4 000 test networks, by part, number of training networks and seed. Rows that the
file already has are not run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archtokens.tokenizer import GraphTokenizer
from graph2nn.cells.sampling import enumerate_space
from graph2nn.runs.tables import read_rows, write_rows
from predictors.metrics import kendall_tau
from predictors.tables import load_table
from predictors.tart.model import ModelSettings
from predictors.tart.pretraining import PretrainedEncoder, PretrainSettings, pretrain
from predictors.tart.tart import TART

FIELDS = ("part", "setting", "train", "seed", "tau", "cpu_seconds")
SCRATCH: dict[str, dict[str, Any]] = {
    "from scratch": {},
    "form: pruned, identities kept": {"form": "pruned"},
    "form: as given": {"form": "raw"},
    "tokens: nodes and edges": {"tokens": "dag"},
    "attention: no structural bias": {"bias": "none"},
    "attention: no bias, edge tokens": {"bias": "none", "tokens": "dag"},
    "identifiers: none": {"identifiers": "none"},
    "identifiers: Laplacian": {"identifiers": "laplacian"},
    "identifiers: magnetic Laplacian": {"identifiers": "magnetic"},
    "identifiers: orthogonal random": {"identifiers": "orf"},
    "TokenGT: Laplacian, edges, no bias": {"bias": "none", "tokens": "tokengt-lap"},
    "TokenGT, form as given": {"bias": "none", "tokens": "tokengt-lap", "form": "raw"},
    "loss: squared error on ranks": {"loss": "mse"},
    "loss: soft Kendall": {"loss": "diff_kendall"},
    "published recipe": {"preset": "published"},
}
HEADS: dict[str, dict[str, Any]] = {
    "pre-trained: network and process": {},
    "pre-trained: fine-tuned network": {"head": "net"},
    "pre-trained: Gaussian process": {"head": "gp"},
    "pre-trained: ridge": {"head": "linear"},
    "pre-trained: network, hinge": {"head": "net", "loss": "hinge"},
}
TASKS: dict[str, dict[str, Any]] = {
    "task: analytic, as given": {"form": "raw"},
    "task: hidden operations": {"settings": {"analytic": 0.0, "masked": 1.0}},
    "task: analytic, hidden operations": {"settings": {"masked": 1.0}},
    "task: analytic": {},
}


def own_encoder(epochs: int, *, form: str = "canonical", settings: Any = None) -> PretrainedEncoder:
    """An encoder of all NAS-Bench-201 cells, without labels."""
    return pretrain(
        list(enumerate_space("nb201")),
        tokenizer=GraphTokenizer.preset("dag-nodes"),
        model=ModelSettings(dropout=0.0),
        settings=PretrainSettings(epochs=epochs, **(settings or {})),
        form=form,
    )


def settings_of(part: str, name: str, epochs: int) -> dict[str, Any]:
    """Constructor arguments of a row."""
    if part == "scratch":
        options = SCRATCH[name]
        return options if "preset" in options else {"preset": "scratch", **options}
    if part == "pre-training":
        return {"encoder": own_encoder(epochs, **TASKS[name]), "head": "gp"}
    return HEADS[name]


def run(args: argparse.Namespace) -> None:
    graphs, labels = load_table("nb201", target="c10_val")
    found: list[dict[str, Any]] = [*read_rows(args.out)] if args.out.is_file() else []
    done = {tuple(row[f] for f in FIELDS[:4]) for row in found}
    parts = {"head": HEADS, "scratch": SCRATCH, "pre-training": TASKS}
    for part in args.parts or parts:
        for name in parts[part]:
            wanted = [(n, s) for n in args.train for s in range(args.seeds)]
            todo = [w for w in wanted if (part, name, *map(str, w)) not in done]
            options = settings_of(part, name, args.epochs) if todo else {}
            for n, seed in todo:
                order = np.random.RandomState(seed).permutation(len(labels))
                train, test = order[:n], order[n : n + 4000]
                begin = time.process_time()
                model = TART(seed=seed, **options).fit([graphs[k] for k in train], labels[train])
                spent = time.process_time() - begin
                tau = kendall_tau(labels[test], model.predict([graphs[k] for k in test]))
                row = (part, name, n, seed, f"{tau:.4f}", f"{spent:.1f}")
                found.append(dict(zip(FIELDS, row)))
                write_rows(args.out, found, FIELDS)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--train", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--epochs", type=int, default=20, help="epochs of pre-training on one space"
    )
    parser.add_argument("--parts", nargs="+", choices=("scratch", "head", "pre-training"))
    args = parser.parse_args(arguments)
    if not args.out.parent.is_dir():
        sys.exit(f"--out: the folder {args.out.parent} does not exist; create it first")
    torch.set_num_threads(1)
    run(args)


if __name__ == "__main__":
    main()
