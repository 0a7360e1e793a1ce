"""Does a hypernetwork see which relational graph is good, without training a network?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ghn import GHN
from ghn.evaluation import network_function
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.families import RelationalNet, relational_net
from graph2nn.names import check_choice
from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.relational.networks.architecture import layers
from graph2nn.relational.networks.counting import EntryTable, count_layers
from graph2nn.training import evaluate
from graph2nn.vision import Batches
from predictors.metrics import kendall_tau
from predictors.studies.relational.sources import Source
from predictors.studies.relational.statistics.control import leave_one_out, quadratic
from predictors.studies.relational.statistics.tests import reliability
from predictors.tables.relational import noise_reference

__all__ = [
    "READ",
    "PredictedScores",
    "TargetTaus",
    "compare_with_labels",
    "label_targets",
    "networks_of",
    "predicted_scores",
]

READ = ("own", "layers", "other")
"""Graphs that a hypernetwork may be given to read, see `predicted_scores`."""

_GRAPHS = "idx_in_n64_52"
_LABELS = {"test_loss": "test loss", "train_loss": "training loss"}
_EARLY = 1  # epoch


@dataclass(frozen=True, eq=False)
class PredictedScores:
    """What networks do whose parameters a hypernetwork predicts.

    Args:
        graph_id: Id of each relational graph.
        error: Top-1 error in percent.
        loss: Cross-entropy in nats.
        degree, width, params: Mean degree of the graph, width of the first stage, and weights
            inside of the masks.

    Shapes:
        Each (G,).
    """

    graph_id: np.ndarray
    error: np.ndarray
    loss: np.ndarray
    degree: np.ndarray
    width: np.ndarray
    params: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class TargetTaus:
    """How well some scores order the graphs by a label of trained networks.

    Args:
        target: Name of the label.
        graphs, seeds: Number of graphs, and of trainings of each.
        reliability: Share of the variance of the labels that is not noise of their seeds.
        perfect: Tau that a perfect predictor would have with these noisy labels, from the
            reliability, were all normal; 0 where the labels hold nothing but noise.
        one_run: Mean tau of one training with the mean of the others; NaN for one seed.
        taus: Kendall's tau of each score with the mean label, positive where the score is right
            about what is better.
        errors: Standard error of each over the choice of graphs (jackknife).
    """

    target: str
    graphs: int
    seeds: int
    reliability: float
    perfect: float
    one_run: float
    taus: Mapping[str, float]
    errors: Mapping[str, float]


def networks_of(
    means: GraphMeans,
    *,
    model: str = "mlp",
    base_dims: tuple[int, ...] = (64,),
    depths: tuple[int, ...] = (3,),
    **images: int,
) -> list[RelationalNet]:
    """Make the blueprints of a sweep's networks, the complete graph's included.

    Args:
        means: Labels of the graphs, which are WS-flex graphs.
        model, base_dims, depths: Family, widths of the dense network whose multiply-adds are
            matched, and blocks of each stage; by default those of the task `mlp_digits`.
        images: Side (`image_size`), `num_classes` and `in_channels` of the images.

    Raises:
        ValueError: The table does not say how its graphs are made, or no widths fit.
    """
    columns = [means.extra.get(name) for name in ("n_nodes", "sparsity", "p", "graph_seed")]
    if any(column is None for column in columns):
        raise ValueError(f"{means.task}: expected the columns n_nodes, sparsity, p and graph_seed")
    kind: dict[str, Any] = {"base_dims": base_dims, "depths": depths, **images}
    return [
        relational_net(model, int(n), int(n) * float(s), float(p), int(seed), **kind)
        for n, s, p, seed in zip(*columns)
    ]


@torch.no_grad()
def predicted_scores(
    ghn: GHN,
    graph_id: np.ndarray,
    nets: Sequence[RelationalNet],
    batches: Batches,
    *,
    read: str = "own",
) -> PredictedScores:
    """Predict the parameters of each network and measure it on images.

    What the hypernetwork makes of relational graphs is tested by what it is given to read: the
    network's own graph, that of its layers alone, or one with the rounds of another network's
    relational graph. The network, with its masks, is the same.

    Args:
        ghn: Hypernetwork, in evaluation mode.
        graph_id: Id of the graph of each network.
        nets: Blueprints of the networks.
        batches: The images; predicted networks normalise by batch.
        read: Graph that the hypernetwork reads: "own", "layers" or "other".

    Shapes: graph_id (G,).

    Raises:
        ValueError: Another `read`.
    """
    check_choice("read", read, READ)
    found = []
    for number, net in enumerate(nets):
        other = nets[(number + len(nets) // 2) % len(nets)]
        parameters = ghn.predict_graphs([_graph_to_read(net, other, read)])[0]
        result = evaluate(network_function(net, parameters), batches)
        entries = EntryTable(net.relational_graph())
        params = count_layers(layers(net.sizes), entries).params
        sizes = (net.degree, net.sizes.dims[0], params)
        found.append((result.top1_error, result.loss, *sizes))
    columns = np.array(found, dtype=np.float64).T
    return PredictedScores(np.asarray(graph_id), *columns)


def _graph_to_read(net: RelationalNet, other: RelationalNet, read: str) -> ArchGraph:
    if read == "layers":
        return trace(net.skeleton(), view="primitives")
    return replace(other, sizes=net.sizes).archgraph() if read == "other" else net.archgraph()


def label_targets(source: Source, task: str) -> dict[str, GraphMeans]:
    """List what is known of a task's trained networks, by name, as `GraphMeans` of less is better.

    That is the final error, and where the table has them the final losses and the error after one
    epoch, whose seeds agree better. Graphs are the published 52 and the complete one.

    Raises:
        ValueError: The source has not the task, or none of these graphs.
    """
    means = source.means(task)
    marked = means.extra.get(_GRAPHS, np.full(len(means), np.nan))
    shared = np.nan_to_num(marked, nan=-1.0) >= 0
    if not shared.any():
        raise ValueError(f"{task}: {source.where} has none of the 52 published graphs of 64 nodes")
    keep = np.flatnonzero(shared | means.is_baseline)
    found = {f"{task}: error": means.take(keep)}
    final, early = source.final.select(task=task), source.by_epoch.select(task=task)
    for column, name in _LABELS.items():
        if column in final and np.isfinite(final[column].astype(float)).all():
            found[f"{task}: {name}"] = _relabelled(final, column, task).take(keep)
    early = early.take(early["epoch"] == _EARLY)
    if early.num_rows == final.num_rows:
        found[f"{task}: error after one epoch"] = _relabelled(early, "top1_error", task).take(keep)
    return found


def _relabelled(table: Mapping[str, np.ndarray], column: str, task: str) -> GraphMeans:
    columns = {name: table[name] for name in table}
    return GraphMeans.from_columns(task, {**columns, "top1_error": table[column].astype(float)})


def compare_with_labels(
    target: str, means: GraphMeans, scores: Mapping[str, PredictedScores]
) -> TargetTaus:
    """Order the graphs by predicted networks and by simple baselines, and by a label.

    Baselines that know no label: the sizes of the network (width and parameters; the sparser the
    graph, the larger), C and minus L. Baselines that learn from the labels of the other graphs,
    leaving one out: quadratic surfaces in (C, L), in log k, and in all three.

    Args:
        target: Name of the label.
        means: The label, less being better, by graph and seed.
        scores: Scores of networks by hypernetwork.

    Raises:
        ValueError: Scores of other graphs.
    """
    label = -means.mean
    orders: dict[str, np.ndarray] = {}
    for name, predicted in scores.items():
        row = {graph: k for k, graph in enumerate(predicted.graph_id)}
        missing = [graph for graph in means.graph_id if graph not in row]
        if missing:
            raise ValueError(
                f"{target}: {name} has no network of {len(missing)} graphs, such as {missing[0]}"
            )
        rows = [row[graph] for graph in means.graph_id]
        orders[f"{name}: accuracy"] = -predicted.error[rows]
        orders[f"{name}: loss"] = -predicted.loss[rows]
        orders |= {"width": predicted.width[rows], "parameters": predicted.params[rows]}
        log_k = np.log(predicted.degree[rows])
    orders |= {
        "C": means.C,
        "-L": -means.L,
    }
    surfaces = {
        "surface C, L": quadratic(means.C, means.L),
        "surface log k": quadratic(log_k),
        "surface C, L, log k": quadratic(means.C, means.L, log_k),
    }
    fitted = {name: leave_one_out(surface, label) for name, surface in surfaces.items()}
    every, share = orders | fitted, reliability(means)
    return TargetTaus(
        target=target,
        graphs=len(means),
        seeds=len(means.seeds),
        reliability=share,
        perfect=2 / np.pi * float(np.arcsin(np.sqrt(np.clip(share, 0, 1)))),
        one_run=_one_run(means),
        taus={name: kendall_tau(label, order) for name, order in every.items()},
        errors={name: _jackknife(label, order) for name, order in every.items()},
    )


def _one_run(means: GraphMeans) -> float:
    graph, seed = np.isfinite(means.runs).nonzero()
    reference = noise_reference(means.runs[graph, seed], graph, seed)
    return float("nan") if reference is None else reference.tau


def _jackknife(label: np.ndarray, order: np.ndarray) -> float:
    """Standard error of tau over graphs, from its values without one of them."""
    n = len(label)
    kept = ~np.eye(n, dtype=bool)
    taus = np.array([kendall_tau(label[rest], order[rest]) for rest in kept])
    return float(np.sqrt((n - 1) / n * ((taus - taus.mean()) ** 2).sum()))
