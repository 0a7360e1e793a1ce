"""`netwright accuracy`: how good a network will be, from its graph alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graph2nn.archgraph import PRIMITIVES, ArchGraph
from graph2nn.runs import option
from netwright.command.inputs import INPUT_HELP
from netwright.command.targets import graph_of

if TYPE_CHECKING:
    from predictors import ArchPredictor, Table

__all__ = ["AccuracyCommand", "show_accuracy"]


@dataclass(frozen=True, kw_only=True)
class AccuracyCommand:
    """Predict the accuracy of a network, or another target, from its graph.

    A predictor learns from a table (names: netwright data), is read from a file, or is the second
    output of a hypernetwork that was trained with accuracies. Beside the prediction stands how
    wrong it was on networks of the table that it had not seen.

    Examples:
        netwright accuracy torchvision.models:resnet50 --table timm_models
        netwright accuracy timm:create_model model_name=resnet18d --table timm_models --model ridge
        netwright accuracy models.py:small --table mine.h5 --save predictor.safetensors
        netwright accuracy models.py:small --predictor predictor.safetensors
        netwright accuracy models.py:small --checkpoint my_ghn.pt
    """

    target: str = option(positional=True, help="MODULE:FUNCTION, FILE.py:FUNCTION, graph or ONNX")
    keywords: tuple[str, ...] = option((), positional=True, help="arguments: num_classes=10 ...")
    table: str | None = option(None, help="table to learn from: a name, or a file of Table.save")
    predictor: str | None = option(None, help="fitted predictor to use: a file of save")
    checkpoint: str | None = option(None, help="hypernetwork to use, with a head for accuracies")
    quantity: str | None = option(None, help="target of the table; none for its default")
    model: str = option("rf-graph", help="predictor that learns, a name of predictors.MODELS")
    train: int = option(400, help="networks of the table to learn from, at most")
    view: Literal["auto", "full", "primitives", "ghn2", "ghn3"] = option(
        "auto", help="kind of graph; auto for that of the table"
    )
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    seed: int = option(0, help="seed of the choice of networks and of the predictor")
    save: str | None = option(None, help="file to write the fitted predictor to")

    def __post_init__(self) -> None:
        ways = [self.table, self.predictor, self.checkpoint]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                "expected one of --table (timm_models, say), --predictor and --checkpoint"
            )
        if self.train < 4:
            raise ValueError(f"--train: expected at least 4 networks, got {self.train}")
        if self.save is not None and self.table is None:
            raise ValueError("--save: only what has learned from a --table is saved")


def show_accuracy(config: AccuracyCommand) -> str:
    """Predict and return what to print.

    Raises:
        ValueError, OSError, ImportError: The network, table, predictor or hypernetwork cannot be
            had, or they do not fit.
    """
    if config.checkpoint is not None:
        return _by_hypernetwork(config, config.checkpoint)
    if config.table is not None:
        return _by_table(config, config.table)
    return _by_predictor(config, str(config.predictor))


def _by_predictor(config: AccuracyCommand, path: str) -> str:
    """With a fitted predictor; which kind of graph it learned from shows in what it knows."""
    from predictors import load
    from predictors.features.operations import UnknownOperationWarning

    model = load(path)
    views = ("primitives", "full") if config.view == "auto" else (config.view,)
    for view in views:
        graph = _graph(config, view)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            try:
                value, std = _prediction(model, graph)
            except ValueError:
                if view == views[-1]:
                    raise
                continue
        strange = [w for w in found if issubclass(w.category, UnknownOperationWarning)]
        if not strange or view == views[-1]:
            break
    said = f"{graph.name}: {_with_error(value, std)}, predicted by {path}"
    return "\n".join([said, *(f"note: {w.message}" for w in strange[:1])])


def _by_hypernetwork(config: AccuracyCommand, name: str) -> str:
    from ghn import from_pretrained

    ghn = from_pretrained(name)
    graph = _graph(config, ghn.view)
    mean, std = ghn.predict_accuracy(graph)
    return f"{graph.name}: {_with_error(float(mean), float(std))}, predicted by {name}"


def _by_table(config: AccuracyCommand, name: str) -> str:
    from predictors import make_predictor, read_table
    from predictors.metrics import kendall_tau

    table = read_table(name)
    target = config.quantity or table.default
    graph = _graph(config, _view_of(table))
    _check_family(table, graph)
    rows, labels = np.asarray(table.rows(target, None)), table.label(target)

    def learned(seen: np.ndarray) -> ArchPredictor:
        model = make_predictor(config.model, seed=config.seed)
        return model.fit([table.graphs[k] for k in seen], labels[seen])

    order = np.random.default_rng(config.seed).permutation(rows)
    model = learned(order[: config.train])
    value, std = _prediction(model, graph)
    seen, others = _divided(table, order, config.train)
    tested = learned(seen).predict([table.graphs[k] for k in others])
    error, tau = np.abs(tested - labels[others]).mean(), kendall_tau(labels[others], tested)
    said = [
        f"{graph.name}: {target} {_with_error(value, std)}, predicted by {config.model} from "
        f"{min(config.train, len(order))} networks of {name}",
        f"the same from {len(seen)} networks, on {len(others)} others of the table: mean absolute "
        f"error {error:.4g}, Kendall tau {tau:.2f}; labels from {labels[rows].min():.4g} to "
        f"{labels[rows].max():.4g}",
    ]
    if config.save is not None:
        said.append(f"{model.save(config.save)} holds the predictor")
    return "\n".join(said)


def _divided(table: Table, order: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and others to test on, 200 at most; no group is in both."""
    groups = np.arange(len(table.graphs)) if table.group is None else np.asarray(table.group)
    first = dict.fromkeys(groups[order].tolist())
    place = {group: k for k, group in enumerate(first)}
    sorted_rows = order[np.argsort([place[g] for g in groups[order].tolist()], kind="stable")]
    cut = min(most, len(order) * 4 // 5)
    last = groups[sorted_rows[cut - 1]]
    own = sorted_rows[:cut]
    others = [k for k in sorted_rows[cut:] if groups[k] != last][:200]
    return own, np.array(others or sorted_rows[cut:][:200])


def _graph(config: AccuracyCommand, view: Any) -> ArchGraph:
    chosen = view if config.view == "auto" else config.view
    return graph_of(config.target, config.keywords, view=chosen, input=config.input)


def _view_of(table: Table) -> str:
    """The view of any network that has the vocabulary of the table's graphs."""
    if table.name.startswith("deepnets"):
        return "ghn2"
    return "primitives" if table.graphs[0].ops == PRIMITIVES else "full"


def _check_family(table: Table, graph: ArchGraph) -> None:
    """Networks of another vocabulary are nothing that a predictor of this table can know."""
    known = {name for one in table.graphs[:500] for name in one.ops}
    foreign = set(graph.op_names()) - known
    if len(foreign) > len(set(graph.op_names())) // 2:
        raise ValueError(
            f"the graphs of {table.name} are made of {', '.join(sorted(known)[:8])}, and "
            f"{graph.name} of {', '.join(sorted(foreign)[:8])}: no network of this kind is in the "
            "table; timm_models has networks of any kind"
        )


def _prediction(model: ArchPredictor, graph: ArchGraph) -> tuple[float, float | None]:
    means, stds = model.predict_moments([graph])
    return float(means[0, 0]), None if stds is None else float(stds[0, 0])


def _with_error(value: float, std: float | None) -> str:
    return f"{value:.4g}" if std is None or not np.isfinite(std) else f"{value:.4g} ± {std:.2g}"
