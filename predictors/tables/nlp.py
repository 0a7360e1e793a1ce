"""NAS-Bench-NLP: recurrent cells on WikiText-2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.cells.as_archgraph import cell_graph
from predictors.tables.published import PUBLISHED, published_columns
from predictors.tables.table import Table

__all__ = ["NLP_OPS", "nb_nlp"]

NLP_OPS = (
    "input",
    "hidden",
    "output",
    "linear",
    "blend",
    "elementwise_prod",
    "elementwise_sum",
    "activation_tanh",
    "activation_sigm",
    "activation_leaky_relu",
)
"""Operations of NAS-Bench-NLP; `hidden` is a state of the step before."""


def nb_nlp(folder: Path | None = None) -> Table:
    """Read 345 recurrent cells; targets are losses, NaN where training diverged.

    `val_loss` and `test_loss` are the least cross-entropies over 50 epochs. Rows of one recipe
    share a group.
    """
    columns = published_columns("nb_nlp", folder)
    recipes = [json.loads(text) for text in columns["recipe"]]
    trained = columns["status"] == "OK"
    targets = {
        name: np.where(trained, np.fmin.reduce(columns[f"{name}es"], axis=1), np.nan)
        for name in ("val_loss", "test_loss")
    }
    groups = [json.dumps(recipe, sort_keys=True) for recipe in recipes]
    return Table(
        name="nb_nlp",
        graphs=[_cell(key, recipe) for key, recipe in zip(columns["id"], recipes)],
        targets=targets,
        default="val_loss",
        minimise=frozenset(targets),
        group=np.unique(groups, return_inverse=True)[1],
        source=PUBLISHED["nb_nlp"].cite,
    )


def _cell(key: int, recipe: dict[str, dict[str, Any]]) -> ArchGraph:
    names = sorted({n for node in recipe.values() for n in node["input"]} - set(recipe))
    ops = {name: "input" if name == "x" else "hidden" for name in names}
    waiting = dict(recipe)
    while waiting:
        ready = [n for n, node in waiting.items() if all(i in ops for i in node["input"])]
        if not ready:
            raise ValueError(f"nb_nlp: recipe {key} has a cycle; copy the file again")
        for name in ready:
            ops[name] = waiting.pop(name)["op"]
    number = {name: k for k, name in enumerate(ops)}
    edges = [(number[i], number[n]) for n, node in recipe.items() for i in node["input"]]
    edges += [(number[n], len(ops)) for n in ops if n.startswith("h_new")]
    labels = [*ops.values(), "output"]
    return cell_graph(labels, edges, vocabulary=NLP_OPS, name=f"nb_nlp {key}")
