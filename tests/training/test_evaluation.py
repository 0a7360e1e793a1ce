"""One evaluation of classifiers: against plain counting, what is not finite, and no images."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from graph2nn.training import Recipe, evaluate, topk_correct, train_networks
from graph2nn.training.evaluation import RunningErrors, mean_losses
from graph2nn.vision import Batches, load_images


@pytest.fixture
def scored(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of 50 images in 8 classes, and their labels."""
    logits = torch.randn(50, 8, generator=generator)
    return logits, torch.randint(8, (50,), generator=generator)


def test_counts_and_loss_of_plain_loops(scored) -> None:
    logits, labels = scored
    parts = list(zip(logits.split(20), labels.split(20)))  # the last is smaller
    found = evaluate(lambda x: x, parts)
    ranks = [sorted(row, reverse=True).index(row[y]) for row, y in zip(logits.tolist(), labels)]
    assert (found.images, found.top1) == (50, sum(rank == 0 for rank in ranks))
    assert found.top5 == sum(rank < 5 for rank in ranks)
    assert found.top1_error == 100 * (50 - found.top1) / 50
    assert found.top5_error == 100 * (50 - found.top5) / 50
    assert found.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert found.seconds > 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_counts_as_wrong_where_asked(scored, value: float) -> None:
    logits, _ = scored
    labels = logits.argmax(1)
    logits[0, 3] = value
    most = evaluate(lambda x: (x, None), [(logits, labels)], loss=False, finite_only=True)
    assert most.top1 == most.top5 == 49 and math.isnan(most.loss)
    if value == -math.inf:
        labels[0] = logits[0].argmax()
        assert evaluate(lambda x: x, [(logits, labels)]).top1 == 50


def test_labels_without_a_logit_are_wrong(scored) -> None:
    logits, _ = scored
    found = evaluate(lambda x: x[:, :3], [(logits, torch.full((50,), 7))], loss=False)
    assert found.top1 == found.top5 == 0


def test_half_precision_is_widened(scored) -> None:
    logits, labels = scored
    half = evaluate(lambda x: x.bfloat16(), [(logits, labels)])
    assert half.loss == evaluate(lambda x: x.bfloat16().float(), [(logits, labels)]).loss


def test_many_networks_are_as_one_by_one(scored) -> None:
    logits, labels = scored
    errors = RunningErrors(2, logits.device)
    both = torch.stack([logits, -logits])
    errors.add(mean_losses(both, labels), *topk_correct(both, labels), len(labels))
    for (loss, top1, top5), sign in zip(errors.means(), (1, -1)):
        alone = evaluate(lambda x, sign=sign: sign * x, [(logits, labels)])
        assert (loss, top1, top5) == (alone.loss, alone.top1_error, alone.top5_error)


def test_the_trainer_records_the_same(generator) -> None:
    train = load_images("digits", split="train", channels=1).subset(torch.arange(64))
    test = load_images("digits", split="test", channels=1).subset(torch.arange(90))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    recipe = Recipe(epochs=1, batch_size=32, precise_bn=0, test_batch_size=40)
    record = train_networks({"net": net}, train, test, recipe, seed=0, progress=False)[-1]
    found = evaluate(net, Batches(test, 40, train=False))
    assert record["top1_error"] == found.top1_error and record["top5_error"] == found.top5_error
    assert record["test_loss"] == found.loss


def test_no_images() -> None:
    with pytest.raises(ValueError, match="expected at least one image, got none"):
        evaluate(lambda x: x, [])
