"""Every pruning method on many kinds of networks: exact, deterministic, nothing touched."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.pruning.allocation import erdos_renyi_densities, largest_remainder
from graph2nn.sparsity.networks.pruning.prune import PRUNERS, CollapsedWarning, prune, scores
from graph2nn.sparsity.networks.pruning.selection import best, masks_from_scores
from graph2nn.training.probe import prunable
from graph2nn.vision import ImageData

METHODS = [name for name in PRUNERS if name != "dense"]
SCORED = ["snip", "grasp", "prospr", "synflow", "magnitude"]
WITH_DATA = ["snip", "grasp", "prospr"]
RANDOM = ["uniform", "er", "erk"]


class Residual(nn.Module):
    """Pre-activation, an identity skip, a strided shortcut, dropout, a depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.same = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8, bias=False)
        self.point = nn.Conv2d(8, 16, 1)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        x = x + self.same(self.norm(x).relu())
        x = self.point(self.depthwise(x.relu())) + self.shortcut(x)
        return self.head(self.dropout(x.relu().mean((2, 3))))


class Shared(nn.Module):
    """One weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.again = nn.Linear(48, 48), nn.Linear(48, 48)
        self.again.weight = self.inner.weight
        self.head = nn.Linear(48, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.again(self.inner(images.flatten(1)).relu())
        return self.head(x), x


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, stride=2)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.block(self.embed(images).flatten(2).mT).mean(1))


def mlp() -> nn.Module:
    layers = [nn.Flatten(), nn.Linear(48, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Linear(12, 4)]
    return nn.Sequential(*layers)


def grouped() -> nn.Module:
    convolutions = [nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU()]
    convolutions += [nn.Conv2d(8, 8, 3, dilation=2, padding=2, groups=4), nn.ReLU()]
    pooling = [nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*convolutions, *pooling, nn.Linear(8, 4))


def one_dimensional() -> nn.Module:
    layers = [nn.Flatten(2), nn.Conv1d(3, 6, 5), nn.InstanceNorm1d(6), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool1d(2), nn.Flatten(), nn.Linear(12, 4))


ZOO: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "shared": Shared,
    "attention": Attention,
    "mlp": mlp,
    "grouped": grouped,
    "one_dimensional": one_dimensional,
}


def make(name: str, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ZOO[name]()


def batch(count: int = 16, seed: int = 0, size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, size, size, generator=generator), torch.arange(count) % 4


def run(model: nn.Module, method: str, sparsity: float = 0.5, **how: Any) -> Masks:
    how.setdefault("data", batch())
    if method == "grasp":
        how.setdefault("samples_per_class", 4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*removes every weight of")
        return prune(model, method, sparsity=sparsity, **how)


def snapshot(model: nn.Module) -> dict[str, Any]:
    tensors = {name: t.clone() for name, t in model.state_dict().items()}
    grads = {name: None if p.grad is None else p.grad.clone() for name, p in named(model)}
    asks = {name: p.requires_grad for name, p in named(model)}
    modes = {name: m.training for name, m in model.named_modules()}
    hooks = {name: len(m._forward_hooks) for name, m in model.named_modules()}
    return {"tensors": tensors, "grads": grads, "asks": asks, "modes": modes, "hooks": hooks}


def named(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return model.named_parameters()


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, Tensor) else a == b


@pytest.mark.parametrize("network", ZOO)
@pytest.mark.parametrize("method", METHODS)
def test_exact_deterministic_and_untouched(method: str, network: str):
    model = make(network)
    next(model.parameters()).grad = torch.ones_like(next(model.parameters()))
    next(model.children()).eval()
    list(model.parameters())[-1].requires_grad_(False)
    before, rng = snapshot(model), torch.get_rng_state()

    for sparsity in (0.5, 0.83):
        masks = run(model, method, sparsity)
        count = sum(w.numel() for w in prunable(model).values())
        assert masks.num_kept == round((1 - sparsity) * count)
        masks.check(model)
        with torch.no_grad():
            assert run(copy.deepcopy(model).train(), method, sparsity) == masks

    assert same(before, snapshot(model)) and torch.equal(rng, torch.get_rng_state())
    if method in RANDOM:
        assert run(model, method, seed=1) != run(model, method)


@pytest.mark.parametrize("method", METHODS)
def test_published_behaviour_runs_on_any_network(method: str):
    for network in ("residual", "shared", "mlp"):
        model = make(network)
        before = snapshot(model)
        masks = run(model, method, 0.5, compat=True)
        masks.check(model)
        assert 0.3 < masks.density < 0.7
        assert same(before, snapshot(model))


@pytest.mark.parametrize("method", METHODS)
def test_no_sparsity_keeps_everything(method: str):
    assert run(make("mlp"), method, 0.0).density == 1


@pytest.mark.parametrize("method", RANDOM)
def test_random_masks_need_no_values_and_no_device(method: str):
    model = make("residual")
    assert run(copy.deepcopy(model).to("meta"), method, data=None) == run(model, method, data=None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", METHODS)
def test_masks_on_a_gpu_agree(method: str):
    model = make("residual").double()  # in single precision near ties fall either way
    state = torch.cuda.get_rng_state()
    assert run(copy.deepcopy(model).cuda(), method) == run(model, method)
    assert run(model, method, device="cuda") == run(model, method)
    assert torch.equal(state, torch.cuda.get_rng_state())


def test_frozen_half_precision_and_inference_weights_are_scored():
    model = make("residual").requires_grad_(False)
    wanted = {method: run(model, method) for method in METHODS}
    assert wanted["snip"] == run(make("residual"), "snip")
    with torch.inference_mode():
        model = copy.deepcopy(model)
        for method in METHODS:
            assert run(model, method) == wanted[method]
            assert run(make("residual").bfloat16(), method).density == pytest.approx(0.5, abs=0.01)


def test_excluded_layers_stay_dense_and_count():
    model = make("residual")
    count = sum(w.numel() for w in prunable(model).values())
    for method in METHODS:
        masks = run(model, method, 0.6, exclude=["head.*", "stem.weight"])
        assert masks["head.weight"].all() and masks["stem.weight"].all()
        assert masks.num_kept == round(0.4 * count)
    assert run(model, "erk", 0.6, exclude="head.weight")["head.weight"].all()


def test_scope_layer_gives_all_layers_the_same_density():
    masks = run(make("residual"), "uniform", 0.75, scope="layer")
    for name, mask in masks.items():
        assert abs(int(mask.sum()) - 0.25 * mask.numel()) < 1, name
    assert masks.num_kept == round(0.25 * masks.num_weights)


def test_data_of_every_kind():
    model = make("mlp")
    images, labels = batch(64)
    pairs = TensorDataset(images, labels)
    loader = DataLoader(pairs, 16, shuffle=True, generator=torch.Generator())
    parts = [(images[i : i + 16], labels[i : i + 16]) for i in range(0, 64, 16)]
    pixels = (images * 20 + 128).clamp(0, 255).to(torch.uint8)
    data = ImageData(
        images=pixels,
        labels=labels,
        mean=(0.5,) * 3,
        std=(0.1,) * 3,
        num_classes=4,
        name="toy",
        split="train",
    )
    rng = torch.get_rng_state()
    for method in WITH_DATA:
        count = run(model, method, data=parts).num_kept
        assert run(model, method, data=parts) == run(model, method, data=iter(parts))
        for kind in (data, loader, [images, labels]):
            assert run(model, method, data=kind).num_kept == count
        assert run(model, method, data=data) == run(model, method, data=data)
        assert run(model, method, data=data) != run(model, method, data=data, seed=1)
    assert torch.equal(rng, torch.get_rng_state())
    assert run(model, "snip", data=parts) == run(model, "snip", data=parts[0])
    for kind in (data, loader, parts):
        run(model, "synflow", data=kind)
    assert run(model, "synflow", data=None, input_shape=(3, 4, 4)) == run(model, "synflow")


def test_grasp_takes_the_first_images_of_each_class_in_turns():
    model, (images, labels) = make("mlp"), batch(40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    images, labels = images[order], labels[order]
    first = torch.cat([(labels == label).nonzero().flatten()[:3] for label in range(4)])
    turns = first.view(4, 3).T.flatten()
    kept = run(model, "grasp", data=(images, labels), samples_per_class=3)
    assert kept == run(model, "grasp", data=(images[turns], labels[turns]), samples_per_class=3)
    sorted_by_class = (images[first], labels[first])
    assert kept == run(model, "grasp", data=sorted_by_class, samples_per_class=3)


def test_prospr_takes_a_batch_a_step_and_starts_anew():
    model = make("mlp")
    a, b = batch(16, 1), batch(16, 2)
    assert run(model, "prospr", data=[a, b]) == run(model, "prospr", data=[a, b, a, b])
    assert run(model, "prospr", data=[a, b]) != run(model, "prospr", data=[a, a])
    steps = {"steps": 0, "data": a}
    assert run(model, "prospr", **steps) == run(model, "snip", data=a)


def test_collapsed_layers_are_reported():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 4))
    with torch.no_grad():
        model[3].weight.mul_(1e-6)
    with pytest.warns(CollapsedWarning, match="removes every weight of 3.weight: no signal passes"):
        masks = prune(model, "magnitude", sparsity=0.9)
    assert masks.collapsed() == ("3.weight",)


def test_ties_are_drawn_by_the_seed():
    model = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20))
    for weight in prunable(model).values():
        nn.init.ones_(weight)
    masks = prune(model, "magnitude", sparsity=0.5)
    assert masks.num_kept == 400 and masks == prune(model, "magnitude", sparsity=0.5)
    assert masks != prune(model, "magnitude", sparsity=0.5, seed=1)
    assert all(0.4 < density < 0.6 for density in masks.layer_densities().values())


def test_scores_are_what_masks_are_made_of():
    model = make("residual")
    for method in SCORED:
        options = {"samples_per_class": 4} if method == "grasp" else {}
        found = scores(model, method, batch(), **options)
        assert list(found) == list(prunable(model))
        assert {n: s.shape for n, s in found.items()} == {
            n: w.shape for n, w in prunable(model).items()
        }
        if method != "synflow":  # which takes many steps
            assert masks_from_scores(found, 0.5) == run(model, method)


def test_masks_from_scores_are_exact():
    some = {"a": torch.tensor([[5.0, 1.0], [4.0, 0.0]]), "b": torch.tensor([3.0, 2.0])}
    masks = masks_from_scores(some, 0.5)
    assert masks["a"].tolist() == [[True, False], [True, False]]
    assert masks["b"].tolist() == [True, False]
    masks = masks_from_scores(some, 0.5, scope="layer")
    assert [int(mask.sum()) for mask in masks.values()] == [2, 1]


def test_best_equals_sorting():
    generator = torch.Generator().manual_seed(0)
    for n in (1, 2, 7, 50):
        values = torch.randint(0, 6, (n,), generator=generator).double()
        for keep in range(n + 1):
            chosen = best(values, keep, torch.Generator().manual_seed(1))
            assert int(chosen.sum()) == keep
            wanted = values.sort(descending=True).values[:keep]
            assert torch.equal(values[chosen].sort(descending=True).values, wanted)


def test_counts_of_layers():
    assert largest_remainder([0.4, 0.4, 0.2], [1, 1, 1], 1) == [1, 0, 0]
    assert largest_remainder([1.9, 0.1], [2, 2], 2) == [2, 0]
    assert largest_remainder([2.0, 2.0], [2, 2], 4) == [2, 2]
    densities = erdos_renyi_densities({"a": (2, 1, 3, 3), "b": (20, 20, 3, 3)}, 1000)
    assert densities["a"] == 1.0
    assert 18 + densities["b"] * 3600 == pytest.approx(1000)
    assert erdos_renyi_densities({"a": (2, 2)}, 4) == {"a": 1.0}


def test_dense_is_for_comparison():
    model = make("mlp")
    assert prune(model, "dense", sparsity=0) == Masks.dense(model)
    with pytest.raises(ValueError, match="dense keeps all weights: expected sparsity 0, got 0.5"):
        prune(model, "dense", sparsity=0.5)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"sparsity": 1.0}, r"sparsity must be in \[0, 1\), got 1.0"),
        ({"sparsity": -0.1}, r"sparsity must be in \[0, 1\), got -0.1"),
        ({"sparsity": float("nan")}, r"sparsity must be in \[0, 1\), got nan"),
        ({"sparsity": "0.5"}, r"must be a number in \[0, 1\), got '0.5'"),
        ({"sparsity": True}, "must be a number"),
        ({"sparsity": 0.9999}, "keeps none of 624 weights; use 0.998397 at most"),
        ({"sparsity": 0.9, "exclude": ["1.*"]}, "keeps 62 of 624 weights, but 576 are in layers"),
        ({"exclude": ["*"]}, "exclude leaves nothing to prune"),
        ({"exclude": ["fc.*"]}, "no weight is called 'fc.\\*'; there are 1.weight, 4.weight"),
        (
            {"method": "spin"},
            "unknown pruning method 'spin'; choose one of .*snip",
        ),
        ({"steps": 3}, "snip has no option steps; it has batch_size"),
        ({"method": "erk", "scope": "layer"}, "erk sets its own layer densities"),
        ({"scope": "channel"}, "scope: expected one of global, layer, got 'channel'"),
        ({"compat": True, "exclude": ["4.*"]}, "without exclude or scope"),
        ({"data": None}, "looks at labelled images: pass data="),
        ({"data": torch.ones(2, 3, 4, 4)}, "data must be an ImageData, a batch .* got Tensor"),
        ({"data": []}, "data has no batches"),
        ({"data": [torch.ones(2, 3, 4, 4)]}, r"expected batches \(images, labels\).*got Tensor"),
        ({"data": (batch()[0], batch()[1][:3])}, "class number for each of 16 images, got labels"),
        ({"data": (batch()[0], batch()[1] + 1)}, "labels run to 4, but the network has 4 outputs"),
        ({"data": (batch()[0], batch()[1] - 1)}, "labels start at -1"),
        ({"data": (batch()[0].byte(), batch()[1])}, "images are torch.uint8, expected normalised"),
        ({"data": batch(size=5)}, r"does not take images of shape \(16, 3, 5, 5\)"),
        ({"method": "grasp", "samples_per_class": 5}, "expected 5 images of each class, got 4 of"),
        ({"method": "grasp", "samples_per_class": 0}, "samples_per_class must be at least 1"),
        ({"method": "grasp", "temperature": 0}, "grasp needs temperature > 0"),
        ({"method": "prospr", "lr": 0.0}, "prospr needs steps >= 0, lr > 0"),
        ({"method": "synflow", "data": None}, r"pass input_shape=\(channels, height, width\)"),
        ({"method": "synflow", "steps": 0}, "at least one step, got steps=0"),
    ],
)
def test_bad_input(how: dict[str, Any], message: str):
    how = {"method": "snip", "sparsity": 0.5, "data": batch(), **how}
    with pytest.raises(ValueError, match=message):
        prune(make("mlp"), **how)


def test_grasp_names_how_many_images_to_ask_for():
    images, labels = batch()
    with pytest.raises(ValueError, match="got 3 of class 0; .*samples_per_class=3"):
        run(make("mlp"), "grasp", data=(images[1:], labels[1:]), samples_per_class=4)
    with pytest.raises(ValueError, match=r"too few of 3 more\)"):
        run(make("mlp"), "grasp", samples_per_class=9)


def test_nothing_to_prune():
    with pytest.raises(ValueError, match="Sequential has no convolution or linear layer"):
        prune(nn.Sequential(nn.ReLU()), "erk", sparsity=0.5)
    with pytest.raises(ValueError, match="there are no scores"):
        masks_from_scores({}, 0.5)


@pytest.mark.parametrize("method", SCORED)
def test_scores_that_are_not_finite_are_named(method: str):
    model = make("mlp")
    with torch.no_grad():
        model[4].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"scores of \w+ of [14].weight are NaN \(\d+ of \d+\)"):
        run(model, method)
    with pytest.raises(ValueError, match="these scores of a are infinite"):
        masks_from_scores({"a": torch.tensor([1.0, float("inf")])}, 0.5)


def test_methods_without_scores_say_so():
    with pytest.raises(ValueError, match="erk has no scores of weights"):
        scores(make("mlp"), "erk")
    with pytest.raises(ValueError, match="is on the meta device and has no values"):
        prune(make("mlp").to("meta"), "magnitude", sparsity=0.5)


def test_outputs_that_are_no_logits():
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ValueError, match=r"expected logits of shape \(16, classes\).*\(16, 4, 2"):
        prune(model, "snip", sparsity=0.5, data=batch())
    assert prune(model, "synflow", sparsity=0.5, data=batch()).density == 0.5
