"""Training of sparse networks: zeros stay zero, also after a kill; recipes; wrong masks."""

from __future__ import annotations

import gc
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.sparsity.campaign.masked_training import (
    find_recipe,
    mask_gradients,
    published_recipe,
    train_sparse,
)
from graph2nn.sparsity.masks import Masks
from graph2nn.training import Recipe
from graph2nn.training.probe import prunable
from graph2nn.vision import ImageData, load_images

RECIPE = Recipe(epochs=2, batch_size=64, lr=0.1, weight_decay=1e-2, precise_bn=0)


@pytest.fixture(scope="module")
def digits() -> tuple[ImageData, ImageData]:
    train = load_images("digits", split="train", channels=1)
    return train.subset(torch.arange(320)), load_images("digits", split="test", channels=1)


def network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )


def half(model: nn.Module, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    return Masks(
        {n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in prunable(model).items()}
    )


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adamw"])
def test_pruned_weights_stay_exactly_zero(optimizer, generator) -> None:
    model = network()
    masks = half(model)
    masks.apply_(model)
    before = {name: weight.detach().clone() for name, weight in prunable(model).items()}
    made = {
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
        "nesterov": lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.1, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    }[optimizer](model.parameters())
    images = torch.randn((64, 1, 8, 8), generator=generator)
    with mask_gradients(model, masks):
        for _ in range(5):
            made.zero_grad()
            F.cross_entropy(model(images), torch.arange(64) % 10).backward()
            made.step()
    for name, weight in prunable(model).items():
        assert not weight[~masks[name]].any(), name
        assert (weight[masks[name]] != before[name][masks[name]]).all(), name


@pytest.mark.parametrize("kind", ["sgd", "nesterov", "adamw"])
def test_momentum_from_before_pruning_moves_nothing(kind: str, generator) -> None:
    model, bystander = network(), nn.Linear(2, 2)
    masks = half(model)
    parameters = [*model.parameters(), *bystander.parameters()]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(parameters, 0.1, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD(parameters, 0.1, 0.9, nesterov=True),
        "adamw": lambda: torch.optim.AdamW(parameters, 0.1),
    }[kind]()
    images, labels = torch.randn((64, 1, 8, 8), generator=generator), torch.arange(64) % 10

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    step()
    masks.apply_(model)
    with mask_gradients(model, masks):
        for _ in range(3):
            step()
            for name, weight in prunable(model).items():
                assert not weight[~masks[name]].any(), name
                assert weight[masks[name]].all(), name
    step()  # the hooks are gone: what the optimiser remembers moves them again
    assert any(weight[~masks[name]].any() for name, weight in prunable(model).items())


def test_no_hook_outlives_the_handle_or_the_network() -> None:
    from torch.optim.optimizer import _global_optimizer_post_hooks as hooks

    before = dict(hooks)
    model = network()
    masks = half(model)
    masks.apply_(model)
    with mask_gradients(model, masks):
        assert len(hooks) == len(before) + 1
    assert hooks == before
    mask_gradients(model, masks)  # who drops the handle keeps the hooks
    assert len(hooks) == len(before) + 1
    del model
    gc.collect()
    assert hooks == before


def test_gradients_equal_those_of_the_network_where_kept(generator) -> None:
    images, labels = torch.randn((16, 1, 8, 8), generator=generator), torch.arange(16) % 10
    plain, masked = network(), network()
    masks = half(plain)
    for model in (plain, masked):
        masks.apply_(model)
    F.cross_entropy(plain(images), labels).backward()
    with mask_gradients(masked, dict(masks)):
        F.cross_entropy(masked(images), labels).backward()
    for name, weight in prunable(masked).items():
        assert torch.equal(weight.grad, prunable(plain)[name].grad * masks[name])


def test_an_infinite_gradient_of_a_pruned_weight_counts_nothing() -> None:
    model = nn.Linear(2, 1, bias=False)
    masks = Masks({"weight": torch.tensor([[True, False]])})
    masks.apply_(model)
    with mask_gradients(model, masks):
        (model.weight * torch.tensor([[2.0, math.inf]])).sum().backward()
    assert model.weight.grad.tolist() == [[2.0, 0.0]]


def test_frozen_biases_stay_and_the_handle_undoes_everything(digits) -> None:
    model = network()
    masks = half(model)
    with torch.no_grad():
        model[0].bias.fill_(0.5)
    train_sparse(model, masks, *digits, RECIPE, seed=1, progress=False)
    assert (model[0].bias == 0.5).all() and model[1].bias.any()  # normalisation learns its own
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not model[0].weight._backward_hooks
    handle = mask_gradients(model, masks, freeze_bias=True)
    assert not model[4].bias.requires_grad
    handle.remove()
    handle.remove()  # twice is once
    assert model[4].bias.requires_grad and not model[0].weight._backward_hooks


def test_killed_and_resumed_training_ends_in_the_same_sparse_network(
    digits, tmp_path, monkeypatch
) -> None:
    masks = half(network())
    whole = network()
    records = train_sparse(whole, masks, *digits, RECIPE, seed=3, progress=False)
    assert records[-1]["top1_error"] < records[0]["top1_error"]
    steps = [0]
    step = torch.optim.SGD.step

    def dying(self, *args, **how):
        steps[0] += 1
        if steps[0] == 8:
            raise KeyboardInterrupt
        return step(self, *args, **how)

    how = {"seed": 3, "folder": tmp_path, "save_seconds": 0.0, "progress": False}
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", dying)
        with pytest.raises(KeyboardInterrupt):
            train_sparse(network(), masks, *digits, RECIPE, **how)
    again = network(seed=5)  # the checkpoint overrides what it begins with
    train_sparse(again, masks, *digits, RECIPE, **how)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert Masks.of(again) == masks


def test_recipes() -> None:
    recipe = published_recipe("Resnet-20", "cifar10")
    factor = recipe.lr_schedule(1)
    assert (recipe.epochs, recipe.batch_size, recipe.weight_decay) == (160, 128, 1e-4)
    rates = [0.1, 0.1, 0.01, 0.01, 0.001]
    assert [recipe.lr * factor(epoch) for epoch in (0, 79, 80, 119, 120)] == pytest.approx(rates)
    assert published_recipe("Wide-Resnet-28-2", "cifar100").weight_decay == 5e-4
    assert published_recipe("CONV-6", "tiny_imagenet").milestones == (20, 60, 80)
    assert find_recipe("published", "Resnet-32", "tiny_imagenet").milestones == (30, 60, 80)
    assert find_recipe("short", "Resnet-20", "digits").epochs == 10


def test_bad_input(digits) -> None:
    model = network()
    masks = half(model)
    with pytest.raises(ValueError, match=r"0\.weight has pruned weights that are not zero"):
        mask_gradients(model, masks)
    with pytest.raises(ValueError, match="masks do not fit"):
        mask_gradients(model, Masks({"0.weight": masks["0.weight"]}))
    with pytest.raises(ValueError, match="stacked networks have no masks"):
        train_sparse(model, masks, *digits, RECIPE, seed=0, stacked=len)
    with pytest.raises(ValueError, match="expected published or short, got 'long'"):
        find_recipe("long", "Resnet-20", "digits")
    with pytest.raises(ValueError, match="no short one for imagenet, only for digits"):
        find_recipe("short", "Resnet-20", "imagenet")
