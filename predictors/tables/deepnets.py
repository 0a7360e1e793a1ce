"""DeepNets-1M networks with the published results of training them (ppuda, TART)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import NetConfig, PublishedNets, count_params
from predictors.metrics import kendall_tau
from predictors.tables.published import PUBLISHED, published_columns
from predictors.tables.table import NoiseReference, Table

__all__ = ["deepnets_published", "published_records"]

_RECORDS = "deepnets1m_cifar10_extended"
_TARGETS = ("val_acc", "val_acc_noise", "time", "converge_time")


def published_records(folder: Path | None = None) -> dict[str, list[dict[str, Any]]]:
    """Read the published CIFAR-10 results with learning curves.

    By split, records are in order of the index.

    Args:
        folder: Path of a folder with the original file; None for what comes with the package.

    Raises:
        FileNotFoundError: `results_cifar10_extended.json.gz` is not in the folder.
        ValueError: It is damaged.

    Examples:
        >>> published_records()["val"][0]["params"]
        2841946
    """
    columns = published_columns(_RECORDS, folder)
    values = {name: v.tolist() for name, v in columns.items() if name not in ("split", "index")}
    records: dict[str, list[dict[str, Any]]] = {}
    for split, row in zip(columns["split"].tolist(), zip(*values.values())):
        records.setdefault(split, []).append(dict(zip(values, row)))
    return records


def deepnets_published(folder: Path) -> Table:
    """Read 500 `val` networks to learn from and 500 `test` ones.

    As in property prediction by ppuda (arXiv:2110.13100, section 4.3) and TART (arXiv:2501.02007,
    table 1). The records name networks by their row in the published `deepnets1m_eval.hdf5`, so
    this needs that file and `deepnets1m_eval_meta.json` in the folder; the records, which come with
    the package, hold no architectures. Targets are final values, in percent and in the units of the
    publication.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: The networks of the file are not those of the records.
    """
    own = (folder / PUBLISHED[_RECORDS].file).is_file()
    records = published_records(folder if own else None)
    rows = [*records["val"], *records["test"]]
    nets = [(split, PublishedNets(folder, split)) for split in ("val", "test")]
    for split, found in nets:
        if len(found) != len(records[split]):
            raise ValueError(_other_nets(folder, f"{len(found)} networks in split {split}"))
    items = [found.item(k) for _, found in nets for k in range(len(found))]
    _check_params(folder, items, rows)
    graphs = [graph for _, graph in items]
    targets = {name: np.array([_final(row[name]) for row in rows]) for name in _TARGETS}
    tests = np.array([_final(row["test_acc"]) for row in rows])
    tau = kendall_tau(targets["val_acc"], tests)
    return Table(
        name="deepnets_published",
        graphs=[g.replace(attributes=_attributes(row)) for g, row in zip(graphs, rows)],
        targets=targets,
        default="val_acc",
        minimise=frozenset({"time", "converge_time"}),
        split=np.arange(len(rows)) < len(records["val"]),
        noise={"val_acc": NoiseReference(tau=tau, meaning="validation against test accuracy")},
        source=PUBLISHED[_RECORDS].cite,
    )


def _final(value: Any) -> float:
    return float(value[-1] if isinstance(value, list) else value)


def _attributes(row: dict[str, Any]) -> dict[str, float]:
    """Parameters, and accuracies under predicted parameters, on validation images."""
    names = [n for n in row if n.startswith(("ghn", "mlp")) and "_val_" in n]
    return {"params": float(row["params"]), **{n: float(row[n]) for n in names}}


def _check_params(
    folder: Path, items: Sequence[tuple[NetConfig, ArchGraph]], rows: Sequence[dict]
) -> None:
    """The published counts may include operations that a network never uses."""
    wrong = sum(
        row["params"] not in (graph.num_params(), count_params(config))
        for (config, graph), row in zip(items, rows)
    )
    if wrong:
        raise ValueError(_other_nets(folder, f"{wrong} of {len(rows)} parameter counts differ"))


def _other_nets(folder: Path, what: str) -> str:
    return (
        f"{folder}: deepnets1m_eval.hdf5 does not hold the networks that the published results are "
        f"about ({what}); take the file that ppuda publishes, its networks cannot be regenerated"
    )
