"""Several classifiers of one network: alone, together, and how much they differ."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ghn.ensembles import Ensemble, evaluate_members, evaluate_samples, evaluate_trained
from ghn.evaluation import evaluate_nets, evaluation_batches
from ghn.training.networks import evaluation_nets
from graph2nn.training import Recipe
from graph2nn.vision import load_images

KIND = {"image_size": 8, "num_classes": 10, "in_channels": 1}


@pytest.fixture(scope="module")
def batches():
    data = load_images("digits", split="test", channels=1)
    return evaluation_batches(data, 64, limit=100)


def says(*classes: int, sure: float = 1.0):
    """A classifier that says, of image k, class k of these, round about."""

    def member(images: Tensor) -> Tensor:
        wanted = torch.tensor(classes)[torch.arange(len(images)) % len(classes)]
        return sure * torch.nn.functional.one_hot(wanted, 10).float()

    return member


def test_members_against_what_they_say() -> None:
    """Four images of classes 0 to 3, three members."""
    data = load_images("digits", split="test", channels=1)
    rows = torch.tensor([int((data.labels == c).nonzero()[0]) for c in range(4)])
    four = evaluation_batches(data.subset(rows), 4)
    assert [labels.tolist() for _, labels in four] == [[0, 1, 2, 3]]
    members = [says(0, 1, 2, 3), says(0, 1, 5, 6), says(0, 7, 5, 3, sure=9.0)]
    alone, together, apart = evaluate_members(members, four)
    assert alone == [100, 50, 50]
    assert together == 50, "the surest one decides where they differ"
    assert apart == pytest.approx(100 * (2 + 2 + 2) / 3 / 4)
    assert evaluate_members(members[:1], four) == ([100], 100, 0)
    broken = says(0, 1, 2, 3, sure=torch.nan)
    assert evaluate_members([broken], four)[0] == [0], "no finite logits, no answer"
    assert evaluate_members([broken, members[0]], four)[:2] == ([0, 100], 100)
    with pytest.raises(ValueError, match="members: expected at least one classifier, got none"):
        evaluate_members([], four)


def test_samples_of_a_hypernetwork(tiny, batches) -> None:
    ghn = tiny(noise=4, max_shape=(8, 8, 11, 11), in_channels=1).train()
    nets, state = evaluation_nets("test", 2, **KIND), torch.get_rng_state()
    found = evaluate_samples(ghn, nets, batches, 3, progress=False)
    assert ghn.training and torch.equal(torch.get_rng_state(), state)
    assert found == evaluate_samples(ghn, nets, batches, 3, progress=False)
    assert found != evaluate_samples(ghn, nets, batches, 3, seed=9, progress=False)
    means = [r.top1 for r in evaluate_nets(ghn, nets, batches, progress=False)]
    for ensemble, mean in zip(found, means, strict=True):
        assert len(ensemble.members) == 3 and len(set(ensemble.members)) > 1
        assert ensemble.mean == pytest.approx(mean)
        assert 0 < ensemble.disagreement <= 100 and 0 < ensemble.likeness < 1
    with torch.no_grad():
        ghn.noise.weight.zero_()
    (same,) = evaluate_samples(ghn, nets[:1], batches, 2, progress=False)
    assert same.members == (same.mean,) * 2 and same.together == same.mean
    assert same.disagreement == 0 and same.likeness == pytest.approx(1)


def test_trained_networks(batches) -> None:
    ((config, _),) = evaluation_nets("test", 1, **KIND)
    train = load_images("digits", channels=1).subset(torch.arange(96))
    recipe = Recipe(epochs=1, batch_size=48, lr=0.01, precise_bn=0)
    found = evaluate_trained(config, train, batches, 2, recipe=recipe, progress=False)
    assert isinstance(found, Ensemble) and found.mean is None and len(found.members) == 2
    assert abs(found.likeness) < 0.5, "of different seeds"
    assert found == evaluate_trained(config, train, batches, 2, recipe=recipe, progress=False)


def test_bad_input(tiny, batches) -> None:
    nets = evaluation_nets("test", 1, **KIND)
    with pytest.raises(ValueError, match="no noise to draw from"):
        evaluate_samples(tiny(max_shape=(8, 8, 11, 11)), nets, batches, 2, progress=False)
    with pytest.raises(ValueError, match="count: expected at least 1 sample, got 0"):
        evaluate_samples(tiny(noise=4), nets, batches, 0, progress=False)
