"""How well are accuracies and costs of whole networks predicted, beside baselines that know codes?

    python benchmarks/real_networks.py --out real_networks.csv

A row a table, target, model, number of labels and seed: Kendall tau, median relative error and CPU
seconds. Baselines that need no graph: `one-hot`, ridge regression on the code of each network, and
for timm `log-linear`, on the logarithms of published parameters, multiply-adds, activations and
image size, whose labels are logarithms for times. Networks of timm are divided by the module that
defines them: labels are those of half of the modules, all networks of the other half are predicted.
Rows that the file already has are not run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeCV

from graph2nn.runs.tables import read_rows, write_rows
from predictors import make_predictor, read_table
from predictors.benchmark.protocol import Trial, split_rows
from predictors.metrics import kendall_tau
from predictors.tables import Table
from predictors.tables.networks.gpts import gpt_sizes
from predictors.tables.published import published_columns

FIELDS = ("table", "target", "model", "train", "seed", "tau", "error", "seconds")
TASKS = (
    *("tnb101_macro:class_scene", "tnb101_macro:jigsaw", "fbnet:silver_4114", "fbnet:1080ti_1"),
    *("hwgpt:perplexity", "hwgpt:lat_a100_ms"),
    *("timm_models:ms_per_image_rtx4090_amp", "timm_models:ms_per_image_i9_10940x_fp32_b1"),
    "timm_models:top1",
)
BASELINES = ("one-hot", "log-linear", "params", "macs")
TESTED = 1000
KNOWN = ("params_m", "gmacs", "activations_m", "img_size")


def one_hot(table: Table) -> np.ndarray:
    """Encode each network's code, (N, F)."""
    if table.name == "fbnet":
        codes = np.array([[int(c) for c in g.name.split("_")] for g in table.graphs])
        return np.eye(9)[codes].reshape(len(codes), -1)
    if table.name == "tnb101_macro":
        names = [graph.name.split("-")[1].ljust(6, "0") for graph in table.graphs]
        return np.eye(5)[[[int(c) for c in name] for name in names]].reshape(len(names), -1)
    rows = []
    for size in gpt_sizes(published_columns("hwgpt")):
        layers = np.zeros((12, 6))
        for k, (heads, ratio) in enumerate(zip(size.heads, size.mlp_ratios)):
            layers[k] = [heads == 4, heads == 8, heads == 12, ratio == 2, ratio == 3, ratio == 4]
        rows.append([*(size.embed_dim == w for w in (192, 384, 768)), size.bias, *layers.ravel()])
    return np.array(rows, dtype=float)


def halves(table: Table, target: str, train: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Deal modules of timm into halves: rows to learn from, (train,), and all of the others."""
    known = [all(np.isfinite(g.attributes.get(n, np.nan)) for n in KNOWN) for g in table.graphs]
    rows = np.flatnonzero(np.isfinite(table.label(target)) & known)
    assert table.group is not None
    rng, modules = np.random.RandomState(seed), np.unique(table.group)
    half = rng.permutation(modules)[: len(modules) // 2]
    seen = np.isin(table.group[rows], half)
    return rng.permutation(rows[seen])[:train], rows[~seen]


def baseline(name: str, table: Table, target: str) -> tuple[np.ndarray, Callable, Callable]:
    """Make a baseline's columns, (N, F), and the way of labels to logarithms and back."""
    if name == "one-hot":
        return one_hot(table), np.asarray, np.asarray
    logs = np.log([[g.attributes.get(n, np.nan) for n in KNOWN] for g in table.graphs])
    if name == "params":
        logs = logs[:, :1]
    elif name == "macs":
        logs = logs[:, 1:2]
    return (logs, np.log, np.exp) if target.startswith("ms_") else (logs, np.asarray, np.asarray)


def row(table: Table, target: str, model: str, train: int, seed: int) -> dict[str, object]:
    """Fit and score."""
    if table.name == "timm_models":
        seen, others = halves(table, target, train, seed)
    else:
        trial = Trial(table=table.name, model="ridge", train=train, test=TESTED, seed=seed)
        seen, others = split_rows(table, trial)
    labels, begin = table.label(target), time.process_time()
    if model in BASELINES:
        columns, there, back = baseline(model, table, target)
        line = RidgeCV(np.logspace(-4, 3, 15)).fit(columns[seen], there(labels[seen]))
        found = back(line.predict(columns[others]))
    else:
        predictor = make_predictor(model, seed=seed)
        predictor.fit([table.graphs[k] for k in seen], labels[seen])
        found = predictor.predict([table.graphs[k] for k in others])
    truth = labels[others]
    return {
        **{"table": table.name, "target": target, "model": model, "train": train, "seed": seed},
        "tau": round(float(kendall_tau(truth, found)), 4),
        "error": round(float(np.median(np.abs(found / truth - 1))), 4),
        "seconds": round(time.process_time() - begin, 1),
    }


def main(argv: list[str] | None = None) -> None:
    """Add the rows that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="tables with targets")
    parser.add_argument("--models", nargs="*", default=("ridge", "gp-graph", "ensemble"))
    parser.add_argument("--train", type=int, nargs="+", default=(100, 400))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("real_networks.csv"))
    args = parser.parse_args(argv)
    rows: list[dict[str, object]] = list(read_rows(args.out)) if args.out.is_file() else []
    keys = [(r["table"], r["target"], r["model"], int(r["train"]), int(r["seed"])) for r in rows]  # type: ignore[call-overload]
    done = set(keys)
    for task in args.tasks:
        name, _, target = task.partition(":")
        table = read_table(name)
        plain = BASELINES[1:] if name == "timm_models" else BASELINES[:1]
        wanted = [(m, n, s) for n in args.train for m in (*plain, *args.models)
                  for s in range(args.seeds)]  # fmt: skip
        for model, train, seed in wanted:
            if (name, target, model, train, seed) not in done:
                rows.append(row(table, target, model, train, seed))
                write_rows(args.out, rows, FIELDS)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"real_networks: {error}")
