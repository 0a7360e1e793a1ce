"""Tables of the cell spaces: NAS-Bench-101 and 201, TransNAS-Bench-101, Macro, EC-NAS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.cells.as_archgraph import macro_network, nb101_cell, nb201_cell, tnb101_cell
from predictors.metrics import kendall_tau
from predictors.tables.making.fields import with_attributes
from predictors.tables.published import (
    PUBLISHED,
    published_columns,
    read_code,
    read_published,
)
from predictors.tables.table import NoiseReference, Table

__all__ = [
    "ec_nas",
    "nas_bench_macro",
    "nb101_500",
    "nb101_unlabelled",
    "nb201",
    "nb201_9x",
    "nb201_latency",
    "tnb101_micro",
]

_FAILED = -1e8


def nb201(folder: Path | None = None) -> Table:
    """Read NAS-Bench-201, complete: accuracies, 13 zero-cost proxies, costs, robustness."""
    table = read_published("nb201", folder)
    columns = table.columns
    keep = ("c10_val", "c100_val", "in16_val", "c10_vis_acc")
    targets = {n: columns[n].copy() for n in columns if n in keep or n[:3] in ("hw_", "rob")}
    for name in targets:
        if name.startswith("hw_"):
            targets[name][targets[name] < 0] = np.nan  # -1 stands for no value
    proxies = {n: columns[n].copy() for n in columns if n.startswith("zc_")}
    for values in proxies.values():
        values[values == _FAILED] = np.nan
    cells = [nb201_cell(read_code(text)) for text in columns["arch"]]
    cost = {n for n in targets if n.endswith(("_latency", "_energy"))}
    return Table(
        name="nb201",
        graphs=with_attributes(cells, proxies),
        targets=targets,
        default="c10_val",
        minimise=frozenset(cost),
        subsets={"valid": columns["valid"]},
        noise={n: NoiseReference(**said) for n, said in table.facts.notes.get("noise", {}).items()},
        source=PUBLISHED["nb201"].cite,
    )


def nb201_latency(folder: Path | None = None) -> Table:
    """Read latencies (ms) of NAS-Bench-201 networks on 27 devices, from HELP (arXiv:2106.08630)."""
    columns = published_columns("nb201_latency", folder)
    targets = {n: c for n, c in columns.items() if n != "arch"}
    return Table(
        name="nb201_latency",
        graphs=[nb201_cell(read_code(text)) for text in columns["arch"]],
        targets=targets,
        default="1080ti_1",
        minimise=frozenset(targets),
        source=PUBLISHED["nb201_latency"].cite,
    )


def nb201_9x(folder: Path | None = None) -> Table:
    """Read 199 NAS-Bench-201 networks on three other data sets."""
    columns = published_columns("nb201_9x", folder)
    return Table(
        name="nb201_9x",
        graphs=[nb201_cell(read_code(text)) for text in columns["arch"]],
        targets={n: columns[n] for n in ("ninapro", "svhn", "scifar100")},
        default="svhn",
        source=PUBLISHED["nb201_9x"].cite,
    )


def tnb101_micro(folder: Path | None = None) -> Table:
    """Read TransNAS-Bench-101, micro space, complete: seven tasks."""
    columns = published_columns("tnb101_micro", folder)
    return Table(
        name="tnb101_micro",
        graphs=[tnb101_cell(read_code(text)) for text in columns["arch"]],
        targets={n: c for n, c in columns.items() if n != "arch"},
        default="class_object",
        source=PUBLISHED["tnb101_micro"].cite,
    )


def nas_bench_macro(folder: Path | None = None) -> Table:
    """Read NAS-Bench-Macro, complete.

    `acc` is the mean test accuracy (percent) of the runs `acc0` to `acc2`.
    """
    columns = published_columns("nas_bench_macro", folder)
    runs = {n: columns[n] for n in ("acc0", "acc1", "acc2")}
    known = {n: columns[n] for n in ("params", "flops")}
    others = [np.mean([runs[m] for m in runs if m != n], axis=0) for n in runs]
    tau = float(np.mean([kendall_tau(runs[n], rest) for n, rest in zip(runs, others)]))
    return Table(
        name="nas_bench_macro",
        graphs=with_attributes([macro_network(text) for text in columns["arch"]], known),
        targets={"acc": np.mean(list(runs.values()), axis=0), **runs},
        default="acc",
        noise={"acc": NoiseReference(tau=tau, meaning="one run against the mean of the others")},
        source=PUBLISHED["nas_bench_macro"].cite,
    )


def nb101_500(folder: Path | None = None) -> Table:
    """Read 500 labelled NAS-Bench-101 cells, as drawn: with nodes off every path; 11 proxies."""
    columns = published_columns("nb101_500", folder)
    known = {f"zc_{n}": c for n, c in columns.items() if n not in ("arch", "val_accuracy")}
    return Table(
        name="nb101_500",
        graphs=with_attributes([_matrix_cell(text) for text in columns["arch"]], known),
        targets={"val_accuracy": columns["val_accuracy"]},
        default="val_accuracy",
        test_size=100,
        source=PUBLISHED["nb101_500"].cite,
    )


def nb101_unlabelled(folder: Path | None = None) -> Table:
    """Read 10 250 NAS-Bench-101 cells without accuracies; the target is the zen proxy."""
    columns = published_columns("nb101_unlabelled", folder)
    return Table(
        name="nb101_unlabelled",
        graphs=[_matrix_cell(text) for text in columns["arch"]],
        targets={"zen": columns["zen"]},
        default="zen",
        source=PUBLISHED["nb101_unlabelled"].cite,
    )


def ec_nas(folder: Path | None = None) -> Table:
    """Read 4 310 NAS-Bench-101 cells with training energy (kWh).

    The number of parameters is a strong baseline.
    """
    columns = published_columns("ec_nas", folder)
    names = (-1, 0, 3, 4, 2, 1)  # their codes 1 to 5 as codes of `NB101_OPS`
    cells = []
    for text in columns["arch"]:
        code = np.array(read_code(text))
        matrix, ops = code[:49].reshape(7, 7), code[49:]
        n = int((ops > 0).sum())
        cells.append(nb101_cell(matrix[:n, :n], [names[c] for c in ops[:n]]))
    return Table(
        name="ec_nas",
        graphs=with_attributes(cells, {"params": columns["params"]}),
        targets={"energy": columns["energy"]},
        default="energy",
        minimise=frozenset({"energy"}),
        source=PUBLISHED["ec_nas"].cite,
    )


def _matrix_cell(text: str) -> ArchGraph:
    values = read_code(text)
    n = int((len(values) + 0.25) ** 0.5)  # n * n + n numbers
    matrix = np.array(values[: n * n]).reshape(n, n)
    return nb101_cell(matrix, values[n * n :])
