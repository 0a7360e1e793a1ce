"""Do conformal intervals hold as many labels as they promise? On every shipped table.

    python benchmarks/intervals.py --out intervals.csv

A row a table, model and seed: the share of test networks inside of intervals of 68 and 90 % (as
`predict_interval` makes them, and as plus and minus deviations of the model would), and half the
mean width in units of the labels' deviation. Rows that the file already has are not run again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from graph2nn.runs.tables import read_rows, write_rows
from predictors import TABLES, make_predictor, read_table
from predictors.benchmark.protocol import Trial, split_rows
from predictors.tables import Table

FIELDS = (
    *("table", "target", "model", "train", "seed", "held_68", "held_90", "width_68", "width_90"),
    *("plain_68", "plain_90", "seconds"),
)
LEVELS = {"68": (0.68, 0.9945), "90": (0.9, 1.6449)}
LARGE_GROUPS = ("timm_models",)  # of which three times as many are learned from
NO_LABELS = ("nb101_unlabelled", "deepnets_published")


def row(table: Table, target: str, model: str, train: int, seed: int) -> dict[str, object]:
    """Fit, calibrate and count."""
    seen, others = split_rows(table, Trial(table=table, model=model, train=train, seed=seed))
    graphs, labels = table.graphs, table.label(target)
    begin = time.perf_counter()
    predictor = make_predictor(model, seed=seed).fit([graphs[k] for k in seen], labels[seen])
    groups = None if table.group is None else table.group[seen]
    predictor.calibrate(groups=groups, folds=10 if groups is None else min(10, len(set(groups))))
    test, truth = [graphs[k] for k in others], labels[others]
    mean, std = predictor.predict_moments(test)
    found: dict[str, object] = {
        "table": table.name, "target": target, "model": model, "train": train, "seed": seed,
    }  # fmt: skip
    for name, (coverage, deviations) in LEVELS.items():
        lower, upper = predictor.predict_interval(test, coverage)
        found[f"held_{name}"] = round(float(np.mean((lower <= truth) & (truth <= upper))), 4)
        found[f"width_{name}"] = round(float(np.mean(upper - lower) / 2 / truth.std()), 4)
        off = np.abs(truth - mean[:, 0])
        plain = np.nan if std is None else np.mean(off <= deviations * std[:, 0])
        found[f"plain_{name}"] = round(float(plain), 4)
    return {**found, "seconds": round(time.perf_counter() - begin, 1)}


def main(argv: list[str] | None = None) -> None:
    """Add the rows that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    labelled = [name for name in TABLES if name not in NO_LABELS]
    parser.add_argument("--tables", nargs="+", default=labelled)
    parser.add_argument("--models", nargs="+", default=["gp-graph", "ensemble"])
    parser.add_argument("--train", type=int, default=100, help="networks to learn from")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="CSV file")
    config = parser.parse_args(argv)
    rows = [*read_rows(config.out)] if config.out.exists() else []
    done = {(r["table"], r["model"], r["train"], r["seed"]) for r in rows}
    for name in config.tables:
        table = read_table(name)
        asked = config.train * (3 if name in LARGE_GROUPS else 1)
        train = min(asked, len(table.rows()) // 2)
        for model in config.models:
            for seed in range(config.seeds):
                if (name, model, str(train), str(seed)) in done:
                    continue
                made = row(table, table.default, model, train, seed)
                rows.append({key: str(value) for key, value in made.items()})
                write_rows(config.out, rows, FIELDS)
                print(made, flush=True)


if __name__ == "__main__":
    sys.exit(main())
