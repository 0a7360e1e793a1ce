"""Scores against plain twins of the papers' formulas, densities against the published tables."""

from __future__ import annotations

from collections import defaultdict
from math import prod

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from published import published_rows
from torch import Tensor, nn
from torch.func import functional_call

from graph2nn.sparsity.networks.models import build
from graph2nn.sparsity.networks.pruning.allocation import (
    erdos_renyi_densities,
    published_er_densities,
)
from graph2nn.sparsity.networks.pruning.prune import prune, scores
from graph2nn.sparsity.networks.pruning.selection import keep_ceil, keep_ties, keep_unremoved
from graph2nn.training.probe import prunable

CLASSES = {"CIFAR-10": 10, "CIFAR-100": 100, "tinyimagenet": 200}


def tiny(norm: bool = True) -> nn.Module:
    """Smooth, in double precision, so that differences of the loss are derivatives."""
    layers = [nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3) if norm else nn.Identity()]
    layers += [nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(*layers).double().requires_grad_()


def batches(count: int, size: int = 12) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, size, 2, 4, 4, generator=generator, dtype=torch.float64)
    return [(x, torch.arange(size) % 3) for x in images]


def masked(model: nn.Module, ones: dict[str, Tensor]) -> dict[str, Tensor]:
    """All parameters, the prunable ones multiplied by masks."""
    found = {n: p.detach().clone() for n, p in model.named_parameters()}
    return {n: p * ones[n] if n in ones else p for n, p in found.items()}


def ones_like(model: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(w).requires_grad_() for name, w in prunable(model).items()}


def loss(model: nn.Module, values: dict[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    model = model.train()
    return F.cross_entropy(functional_call(model, values, (batch[0],)), batch[1])


def by_differences(function, ones: dict[str, Tensor], step: float = 1e-5) -> dict[str, Tensor]:
    """Central differences of a function of the masks, one entry at a time."""
    found = {}
    for name, mask in ones.items():
        grad = torch.zeros_like(mask)
        for i in range(mask.numel()):
            around = []
            for sign in (1, -1):
                moved = {n: m.detach().clone() for n, m in ones.items()}
                moved[name].view(-1)[i] += sign * step
                around.append(float(function(moved).detach()))
            grad.detach().view(-1)[i] = (around[0] - around[1]) / (2 * step)
        found[name] = grad.detach()
    return found


def close(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-7) -> None:
    assert list(found) == list(wanted)
    for name in found:
        torch.testing.assert_close(found[name], wanted[name], rtol=tolerance, atol=tolerance / 10)


def test_snip_is_the_change_of_the_loss_with_the_mask():
    model, (batch,) = tiny(), batches(1)
    wanted = by_differences(lambda ones: loss(model, masked(model, ones), batch), ones_like(model))
    found = scores(model, "snip", batch)
    close(found, {name: grad.abs() for name, grad in wanted.items()}, 1e-6)
    assert min(float(score.max()) for score in found.values()) > 1e-3


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_grasp_is_the_hessian_times_the_gradient(parts: int):
    model, (batch,) = tiny(norm=False), batches(1)
    names = list(prunable(model))
    start = [prunable(model)[name].detach() for name in names]

    def of(*weights: Tensor) -> Tensor:
        values = {**dict(model.named_parameters()), **dict(zip(names, weights))}
        return F.cross_entropy(functional_call(model, values, (batch[0],)) / 5, batch[1])

    grads = torch.autograd.functional.jacobian(of, tuple(start))
    _, products = torch.autograd.functional.hvp(of, tuple(start), tuple(grads))
    wanted = {n: w * h for n, w, h in zip(names, start, products)}
    how = {"samples_per_class": 4, "temperature": 5.0, "parts": parts}
    close(scores(model, "grasp", batch, **how), wanted, 1e-9)


def test_grasp_keeps_the_norm_of_the_gradient():
    """What the score estimates: how |g|² changes when a weight shrinks."""
    model, (batch,) = tiny(norm=False), batches(1)

    def norm(ones: dict[str, Tensor]) -> Tensor:
        leaves = {n: v.detach().requires_grad_() for n, v in masked(model, ones).items()}
        wanted = [leaves[name] for name in ones]
        grads = torch.autograd.grad(loss(model, leaves, batch), wanted)
        return sum((g**2).sum() for g in grads) / 2

    wanted = by_differences(norm, ones_like(model))
    how = {"samples_per_class": 4, "temperature": 1.0, "parts": 1}
    close(scores(model, "grasp", batch, **how), wanted, 1e-6)


def trained(model, ones, data, lr: float, momentum: float, cut: bool = False) -> Tensor:
    """The last batch's loss after a step of SGD on each other batch, with the graph of it all."""
    values = masked(model, ones)
    values = {n: v if v.requires_grad else v.requires_grad_() for n, v in values.items()}
    velocity = None
    for batch in data[:-1]:
        grads = torch.autograd.grad(
            loss(model, values, batch), list(values.values()), create_graph=True
        )
        if velocity is None:
            velocity = [g.detach() if cut and momentum else g for g in grads]
        else:
            velocity = [momentum * v + g for v, g in zip(velocity, grads)]
        values = {n: w - lr * v for (n, w), v in zip(values.items(), velocity)}
    return loss(model, values, data[-1])


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_prospr_is_the_gradient_through_training(momentum: float, cut: bool):
    model, data, ones = tiny(), batches(4), ones_like(tiny())
    final = trained(model, ones, data, 0.3, momentum, cut)
    grads = torch.autograd.grad(final, list(ones.values()))
    wanted = {name: grad.abs() for name, grad in zip(ones, grads)}
    how = {"lr": 0.3, "momentum": momentum, "compat": cut}
    close(scores(model, "prospr", data, **how), wanted, 1e-9)
    snip = scores(model, "snip", data[-1])
    assert not torch.allclose(snip["0.weight"], wanted["0.weight"], rtol=0.1)


def test_prospr_is_the_change_of_the_final_loss_with_the_mask():
    model, data = tiny(), batches(4)
    wanted = by_differences(lambda m: trained(model, m, data, 0.3, 0.9), ones_like(model))
    found = scores(model, "prospr", data, lr=0.3)
    close(found, {name: grad.abs() for name, grad in wanted.items()}, 1e-6)


def test_first_order_prospr_is_the_final_gradient_times_the_first_weights():
    model, data, ones = tiny(), batches(3), ones_like(tiny())
    values = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer_values = {n: v.clone().requires_grad_() for n, v in values.items()}
    optimizer = torch.optim.SGD(list(optimizer_values.values()), lr=0.3, momentum=0.9)
    for batch in data[:-1]:
        optimizer.zero_grad()
        loss(model, optimizer_values, batch).backward()
        optimizer.step()
    grads = torch.autograd.grad(
        loss(model, optimizer_values, data[-1]), [optimizer_values[name] for name in ones]
    )
    wanted = {name: (values[name] * grad).abs() for name, grad in zip(ones, grads)}
    close(scores(model, "prospr", data, lr=0.3, steps=2, first_order=True), wanted, 1e-9)


def linear_net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(8, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False)
        ).double()


def flow(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the weights a (first layer) and b (second) in closed form: 1ᵀ |b| |a| 1."""
    a, b = np.abs(a), np.abs(b)
    return a * b.sum(0)[:, None], b * a.sum(1)[None, :]


def test_synflow_of_a_linear_network_in_closed_form():
    model = linear_net()
    weights = [w.detach().numpy().copy() for w in prunable(model).values()]
    found = scores(model, "synflow", input_shape=(2, 2, 2))
    for score, wanted in zip(found.values(), flow(*weights)):
        np.testing.assert_allclose(score.numpy(), wanted, rtol=1e-12)
    totals = [float(score.sum()) for score in found.values()]
    assert totals[0] == pytest.approx(totals[1])  # what goes in comes out


def test_synflow_step_by_step():
    model = linear_net()
    weights = [w.detach().numpy().copy() for w in prunable(model).values()]
    count, keep, steps = 66, 33, 10  # sparser, the two weights of a single path have equal scores
    for step in range(1, steps + 1):
        left = round(count * (keep / count) ** (step / steps))
        both = np.concatenate([score.ravel() for score in flow(*weights)])
        border = np.sort(both)[-left]
        weights = [w * (s >= border) for w, s in zip(weights, flow(*weights))]
    masks = prune(model, "synflow", sparsity=0.5, input_shape=(2, 2, 2), steps=steps)
    for mask, weight in zip(masks.values(), weights):
        assert np.array_equal(mask.numpy(), weight != 0)
    assert not masks.collapsed()


def test_synflow_leaves_out_running_means_and_statistics_of_the_image():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)
    )
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    plain[0].load_state_dict(model[0].state_dict())
    plain[2].load_state_dict(model[4].state_dict())
    wanted = list(scores(plain, "synflow", input_shape=(4,)).values())
    with torch.no_grad():
        model[1].running_mean.fill_(1e3)
        model[1].running_var.fill_(0.25 - model[1].eps)
    found = list(scores(model, "synflow", input_shape=(4,)).values())
    torch.testing.assert_close(found[0], 2 * wanted[0])


def test_synflow_passes_saturating_activations():
    def network(activation: nn.Module) -> nn.Module:
        model = nn.Sequential(nn.Linear(4, 4), activation, nn.Linear(4, 2))
        with torch.no_grad():
            for i, layer in enumerate((model[0], model[2])):
                values = torch.linspace(20, 40, layer.weight.numel()) * (-1) ** i
                layer.weight.copy_(values.view(layer.weight.shape))
                layer.bias.zero_()
        return model

    model = network(nn.ReLU6(inplace=True))
    wanted = scores(network(nn.ReLU()), "synflow", input_shape=(4,))
    close(scores(model, "synflow", input_shape=(4,)), wanted)
    outputs = model(torch.ones(1, 4)).detach()
    assert float(outputs.abs().max()) < 6 * 4 * 40  # the network itself still saturates


def test_published_synflow_prunes_biases_first():
    model = nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 20))
    for layer in (model[0], model[2]):
        nn.init.zeros_(layer.bias)
    exact = prune(model, "synflow", sparsity=0.6, input_shape=(40,))
    published = prune(model, "synflow", sparsity=0.6, input_shape=(40,), compat=True)
    assert exact.num_kept == 2400  # 0.4 of 6000 weights
    assert published.num_kept == pytest.approx(0.4 * 6120, abs=10)  # no bias is left


def test_published_synflow_keeps_what_overflows():
    model = nn.Sequential(nn.Linear(20, 10, bias=False), nn.ReLU(), nn.Linear(10, 10, bias=False))
    nn.init.constant_(model[0].weight, 3e37)  # 20 of them are beyond float32, but in the head only
    nn.init.constant_(model[2].weight, 0.1)
    how = {"sparsity": 0.25, "input_shape": (20,), "steps": 1}
    published = prune(model, "synflow", compat=True, **how)
    assert published["2.weight"].all() and int(published["0.weight"].sum()) == 125
    exact = prune(model, "synflow", **how)
    assert exact.num_kept == 225 and exact["2.weight"].all()  # fewer weights share the same flow
    with pytest.raises(ValueError, match="scores of synflow of 2.weight are infinite"):
        prune(model, "synflow", dtype=torch.float32, **how)


def test_published_rules_of_choice():
    values = torch.tensor([5.0, 3.0, 3.0, 3.0, 1.0, 0.0])
    assert keep_ties(values, 0.6).tolist() == [True, True, True, True, False, False]  # int(2.4)
    assert int(keep_ceil(values, 0.6).sum()) == 3
    # int(6 · 0.6) = 3 are removed, but not what equals the third of them
    assert keep_unremoved(values, 0.6).tolist() == [True, True, True, True, False, False]
    assert keep_unremoved(values, 0.0).all()
    with pytest.raises(ValueError, match="rounds the weights to keep down to none"):
        keep_ties(values, 0.9)


def test_published_uniform_has_biases_in_its_pool():
    model = nn.Sequential(nn.Linear(50, 40), nn.Linear(40, 30))
    pool = 2000 + 40 + 1200 + 30
    counts = [
        prune(model, "uniform", sparsity=0.5, seed=seed, compat=True).num_kept for seed in range(20)
    ]
    assert len(set(counts)) > 3
    assert np.mean(counts) == pytest.approx(3200 * 0.5, abs=5)
    assert all(abs(count - 1600) <= pool - 3200 for count in counts)


def published_counts(pruning: str) -> dict[tuple, dict[str, tuple[float, float]]]:
    """(weights kept, weights) of each layer, by (model, data set, sparsity, seed)."""
    found: dict[tuple, dict[str, tuple[float, float]]] = defaultdict(dict)
    for row in published_rows("sparse_layers"):
        if row["pruning"] == pruning:
            key = (row["model"], row["dataset"], row["sparsity"], row["seed"])
            found[key][f"{row['layer_name']}.weight"] = row["nnz"], row["numel"]
    return found


@pytest.mark.parametrize("pruning", ["uniform", "er", "erk"])
def test_densities_of_the_published_masks(pruning: str):
    """Counts of all layers of 180 published networks lie around those that we expect."""
    shapes = {
        (model, data): {n: tuple(w.shape) for n, w in prunable(build(model, classes)).items()}
        for model in ("CONV-6", "Resnet-20", "Resnet-32", "Wide-Resnet-28-2")
        for data, classes in CLASSES.items()
    }
    layers, totals, full = [], [], 0
    networks = published_counts(pruning)
    assert len(networks) == 180
    for (model, data, sparsity, _), counts in networks.items():
        own = shapes[model, data]
        assert {name: prod(shape) for name, shape in own.items()} == {
            name: numel for name, (_, numel) in counts.items()
        }
        keep = (1 - sparsity) * sum(numel for _, numel in counts.values())
        densities = dict.fromkeys(own, 1 - sparsity)
        if pruning != "uniform":
            choose = published_er_densities if pruning == "er" else erdos_renyi_densities
            densities = choose(own, keep)
        off, variance = 0.0, 0.0
        for name, (nnz, numel) in counts.items():
            p = min(densities[name], 1.0)
            spread = p * (1 - p) * numel
            off, variance = off + nnz - p * numel, variance + spread
            if spread:
                layers.append((nnz - p * numel) / spread**0.5)
            else:
                full += 1
                assert nnz == numel
        totals.append(off / variance**0.5)
    assert abs(np.mean(layers)) < 0.05 and 0.9 < np.std(layers) < 1.05
    assert np.abs(layers).max() < 4.5
    assert np.abs(totals).max() < (0.1 if pruning == "uniform" else 3.0)
    assert full == {"uniform": 0, "er": 567, "erk": 573}[pruning]
