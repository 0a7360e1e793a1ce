"""Relational graphs ordered by networks of predicted parameters, beside labels and baselines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ghn import GHN
from ghn.evaluation import evaluation_batches
from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.vision import load_images
from predictors.studies.relational.predicted import (
    PredictedScores,
    compare_with_labels,
    label_targets,
    networks_of,
    predicted_scores,
)
from predictors.studies.relational.sources import open_source

KIND = {"image_size": 8, "num_classes": 10, "in_channels": 3}


@pytest.fixture(scope="module")
def targets() -> dict[str, GraphMeans]:
    return label_targets(open_source("mlp_digits_52"), "mlp_digits")


@pytest.fixture
def means(targets) -> GraphMeans:
    return targets["mlp_digits: error"]


def made_up(means: GraphMeans, error: np.ndarray) -> PredictedScores:
    return PredictedScores(
        means.graph_id, error, error, means.extra["k_degree"], means.extra["dim0"], error
    )


def test_labels_of_our_table(targets):
    kinds = ["error", "test loss", "training loss", "error after one epoch"]
    assert list(targets) == [f"mlp_digits: {kind}" for kind in kinds]
    assert all(len(means) == 53 and means.runs.shape == (53, 5) for means in targets.values())
    assert 2.4 < targets["mlp_digits: error"].mean.min() < 3.0
    assert targets["mlp_digits: error after one epoch"].mean.mean() > 15


def test_published_tasks_are_cut_to_the_52_graphs():
    source = open_source("published")
    assert {len(m) for m in label_targets(source, "mlp_cifar10").values()} == {53}
    with pytest.raises(ValueError, match="none of the 52 published graphs"):
        label_targets(source, "efficient_imagenet")


def test_networks_are_those_of_the_table(means):
    nets = networks_of(means, **KIND)
    assert [net.sizes.dims[0] for net in nets] == means.extra["dim0"].tolist()
    assert [net.degree for net in nets] == pytest.approx(means.extra["k_degree"], abs=1e-3)
    names = [net.relational_graph().name for net in nets]
    assert names[1:] == means.graph_id[1:].tolist() and means.graph_id[0] == "complete"
    with pytest.raises(ValueError, match="expected the columns n_nodes"):
        networks_of(replace(means, extra={}), **KIND)


def test_scores_of_a_hypernetwork(means):
    torch.manual_seed(0)
    ghn = GHN(hid=8, max_shape=(8, 8, 3, 3)).eval()
    some = means.take(np.arange(3))
    data = load_images("digits", split="test", channels=3)
    nets = networks_of(some, **KIND)
    scores = predicted_scores(ghn, some.graph_id, nets, evaluation_batches(data, limit=64))
    assert scores.error.shape == scores.loss.shape == (3,) and (scores.loss > 0).all()
    assert len(set(scores.loss.tolist())) == 3, "graphs are seen"
    others = {
        read: predicted_scores(
            ghn, some.graph_id, nets, evaluation_batches(data, limit=64), read=read
        )
        for read in ("layers", "other")
    }
    assert (others["layers"].loss != scores.loss).all()
    assert (others["other"].loss != scores.loss).all()
    with pytest.raises(ValueError, match="read: expected one of own, layers, other"):
        predicted_scores(ghn, some.graph_id, nets, evaluation_batches(data), read="none")
    masks = [
        sum(int(m.sum()) for n, m in net.skeleton().named_buffers() if "mask" in n) for net in nets
    ]
    dense = 64 * 3 * 64 + 2 * 64 + 10
    assert scores.params.tolist() == [
        pytest.approx(dense + mask + 6 * width + 10 * width, abs=2)
        for mask, width in zip(masks, scores.width)
    ]


def test_a_perfect_predictor_has_tau_one(means):
    found = compare_with_labels("error", means, {"mine": made_up(means, means.mean)})
    assert found.taus["mine: accuracy"] == pytest.approx(1)
    assert found.errors["mine: accuracy"] == pytest.approx(0, abs=1e-9)
    assert (found.graphs, found.seeds) == (53, 5)
    worst = compare_with_labels("error", means, {"mine": made_up(means, -means.mean)})
    assert worst.taus["mine: loss"] == pytest.approx(-1)
    assert found.taus["C"] == worst.taus["C"] < 0


def test_what_noise_allows(targets):
    """Final errors on digits hold nothing but noise, losses on training images do."""
    some = {name: targets[f"mlp_digits: {name}"] for name in ("error", "training loss")}
    error, loss = (
        compare_with_labels(name, means, {"mine": made_up(means, means.mean)})
        for name, means in some.items()
    )
    assert error.reliability < 0 and error.perfect == 0 and abs(error.one_run) < 0.1
    assert loss.perfect == pytest.approx(0.59, abs=0.02) and loss.one_run > 0.3
    assert loss.taus["surface C, L"] > 0.5 > abs(error.taus["surface C, L"])
    single = replace(some["error"], runs=some["error"].runs[:, :1], seeds=np.array([1]))
    alone = compare_with_labels("one", single, {"mine": made_up(single, single.mean)})
    assert np.isnan(alone.one_run) and np.isnan(alone.reliability)


def test_scores_of_other_graphs(means):
    scores = made_up(means.take(np.arange(5)), means.mean[:5])
    with pytest.raises(ValueError, match="mine has no network of 48 graphs, such as n64"):
        compare_with_labels("error", means, {"mine": scores})
