"""Relational graphs with the errors of the networks made from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.relational.as_archgraph import message_graph
from graph2nn.relational.campaign.results import ResultTable, published_results, read_results
from graph2nn.relational.graphs.generators import ws_flex
from predictors.metrics import kendall_tau
from predictors.tables.published import PUBLISHED
from predictors.tables.table import NoiseReference, Table

__all__ = ["noise_reference", "relational", "relational_sweep"]


def relational(folder: Path | None = None) -> Table:
    """Read the published sweeps: mean top-1 error (percent) over seeds of every graph, by task."""
    results = published_results() if folder is None else read_results(folder / "results.csv.gz")
    return relational_sweep(results, name="relational")


def relational_sweep(results: ResultTable, *, name: str = "relational") -> Table:
    """Make a table of any sweep: its graphs, and a target a task.

    A target is the mean top-1 error over seeds, in percent.

    Args:
        results: Results that `graph2nn.relational.read_results` gives; complete-graph baselines are
            left out.
        name: Name of the table.

    Raises:
        ValueError: No graphs besides baselines.
    """
    rows = results.final().take(~results.final()["is_baseline"].astype(bool))
    if not rows.num_rows:
        raise ValueError(f"table {name}: the results hold baselines only, no relational graphs")
    ids, first, inverse = _in_order(rows["graph_id"])
    errors = rows["top1_error"].astype(float)
    targets, noise = {}, {}
    for task in rows.tasks:
        here = rows["task"] == task
        sums = np.bincount(inverse[here], errors[here], len(ids))
        counts = np.bincount(inverse[here], minlength=len(ids))
        targets[task] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        reference = noise_reference(errors[here], inverse[here], rows["seed"][here])
        if reference is not None:
            noise[task] = reference
    columns = [rows[c][first] for c in ("n_nodes", "sparsity", "p", "graph_seed")]
    graphs = [
        message_graph(ws_flex(int(n), int(n) * float(s), float(p), int(g)))
        for n, s, p, g in zip(*columns)
    ]
    return Table(
        name=name,
        graphs=graphs,
        targets=targets,
        default="mlp_cifar10" if "mlp_cifar10" in targets else next(iter(targets)),
        minimise=frozenset(targets),
        noise=noise,
        source=PUBLISHED["relational"].cite,
    )


def _in_order(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct ids in order of appearance, their first rows, and the number of each row's id."""
    distinct, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return distinct[order], first[order], np.argsort(order)[inverse]


def noise_reference(
    errors: np.ndarray, graph: np.ndarray, seed: np.ndarray
) -> NoiseReference | None:
    """Compute the mean tau between the errors of one seed and the mean errors of the others.

    None with fewer than two seeds. Shapes: errors, graph and seed (R,), one a run.
    """
    numbers = np.unique(seed)
    if len(numbers) < 2:
        return None
    taus = []
    for one in numbers:
        error_of = dict(zip(graph[seed == one], errors[seed == one]))
        rest = seed != one
        total = np.bincount(graph[rest], errors[rest], graph.max() + 1)
        count = np.bincount(graph[rest], minlength=graph.max() + 1)
        both = [g for g in error_of if count[g]]
        if len(both) > 1:
            mean = total[both] / count[both]
            taus.append(kendall_tau(np.array([error_of[g] for g in both]), mean))
    if not taus:
        return None
    return NoiseReference(
        tau=float(np.mean(taus)), meaning="one run against the mean of the others"
    )
