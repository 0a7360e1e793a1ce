"""Steps of other optimisers, clipped gradients and auxiliary outputs, against torch alone."""

from __future__ import annotations

import copy
from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.training import Recipe
from graph2nn.training.loop.learner import Single

Outputs = namedtuple("Outputs", "logits aux")


class TwoHeads(nn.Module):
    """As torchvision's: a named tuple while training, whose second entry may be None."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh())
        self.classifiers = nn.ModuleList(nn.Linear(8, 3) for _ in range(heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor | Outputs:
        x = self.body(x)
        logits = [classifier(x) for classifier in self.classifiers]
        return Outputs(logits[0], (*logits[1:], None)[0]) if self.training else logits[0]


def one_step(network: nn.Module, recipe: Recipe, batches: list) -> Single:
    learner = Single("net", network, recipe, torch.device("cpu"))
    learner.train()
    for images, labels in batches:
        learner.train_step(images, labels, 0.5)
    return learner


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"optimizer": "adamw"}, lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1)),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, 0.05, weight_decay=0.1)),
        ({"nesterov": False}, lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.1)),
    ],
)
@pytest.mark.parametrize("clip", [0.0, 0.1])
def test_steps_equal_torch(heads: int, settings: dict, make, clip: float, generator) -> None:
    batches = [
        (torch.randn(6, 3, 2, 2, generator=generator), torch.randint(3, (6,), generator=generator))
        for _ in range(3)
    ]
    ours = TwoHeads(heads)
    theirs = copy.deepcopy(ours).train()
    recipe = Recipe(lr=0.1, weight_decay=0.1, grad_clip=clip, auxiliary_weight=0.3, **settings)
    learner = one_step(ours, recipe, batches)
    optimizer, losses = make(theirs.parameters()), []
    for images, labels in batches:
        found = theirs(images)
        loss = F.cross_entropy(found.logits, labels)
        losses.append(loss.item())
        if found.aux is not None:
            loss = loss + 0.3 * F.cross_entropy(found.aux, labels)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            norm = nn.utils.clip_grad_norm_(theirs.parameters(), clip)
            assert norm > clip
        optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert learner.errors.means()[0][0] == pytest.approx(sum(losses) / 3), "without auxiliary"


def test_settings_of_older_runs_are_unchanged() -> None:
    later = {"optimizer", "grad_clip", "auxiliary_weight"}
    assert later.isdisjoint(Recipe().settings())
    assert Recipe(grad_clip=5.0, optimizer="adam").settings()["grad_clip"] == 5.0
    with pytest.raises(ValueError, match="grad_clip"):
        Recipe(grad_clip=-1.0)
    with pytest.raises(ValueError, match="Recipe.optimizer: expected one of"):
        Recipe(optimizer="lion")
