"""A multiply-add counts as one, and all who count agree."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graph2nn.deepnets import Network, eval_nets
from graph2nn.ground_truth import count_flops, read_ground_truth
from graph2nn.relational import build_model, count_module
from graph2nn.training import count_parameters, latencies, multiply_adds
from graph2nn.training.costs import sample_multiply_adds
from graph2nn.wirings import StaticWiring, count_wiring
from predictors.proxies import compute_proxies


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (nn.Linear(3, 5), (2, 3), 2 * 3 * 5),
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), (1, 4, 8, 8), 64 * 6 * 2 * 9),
        (nn.BatchNorm2d(4), (2, 4, 8, 8), 0),
        (nn.MultiheadAttention(8, 2), (5, 1, 8), 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8),
    ],
)
def test_layers(layer: nn.Module, shape: tuple[int, ...], count: int) -> None:
    x = torch.zeros(shape)
    inputs = (x, x, x) if isinstance(layer, nn.MultiheadAttention) else (x,)
    assert multiply_adds(lambda: layer(*inputs)) == count


def by_proxy(model: nn.Module, images: torch.Tensor) -> int:
    labels = torch.arange(len(images)) % 2
    return round(1e6 * compute_proxies(model, images, labels, names=["flops"])["flops"])


def test_all_who_count_agree() -> None:
    images = torch.zeros(2, 3, 32, 32)
    config = eval_nets("val", 1, 0, image_size=32, num_classes=10)[0]
    net = Network(config)
    assert multiply_adds(lambda: net(images)) == 2 * count_flops(config)
    assert by_proxy(net, images) == count_flops(config)
    for name in ("mlp", "cnn6"):
        dense = build_model(name, None, num_classes=10, image_size=32, seed=0)
        counts = count_module(dense, 32)
        assert counts.flops == multiply_adds(lambda dense=dense: dense(images)) // 2
        assert counts.params == count_parameters(dense)
        assert by_proxy(dense, images) == counts.flops
    wiring = StaticWiring("dnw").eval()
    counts = count_wiring(wiring)
    assert counts.dense_macs == multiply_adds(lambda: wiring(images)) // 2
    assert counts.stored == count_parameters(wiring)


def test_shared_parameters_count_once() -> None:
    layer = nn.Linear(4, 4)
    assert count_parameters(nn.Sequential(layer, nn.ReLU(), layer)) == 20


def test_networks_are_timed_in_turns_in_evaluation_mode_and_left_in_theirs() -> None:
    calls: list[tuple[str, bool]] = []

    class Heard(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name, self.inner = name, nn.Dropout()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append((self.name, self.inner.training))
            return x

    first, second = Heard("a"), Heard("b").eval()
    second.inner.train()
    times = latencies([first, second], torch.zeros(1), rounds=2)
    assert times.shape == (2, 2) and (times > 0).all()
    assert [name for name, _ in calls] == list("aabbaabb")
    assert not any(training for _, training in calls)
    assert first.training and first.inner.training
    assert not second.training and second.inner.training


@pytest.mark.parametrize(("models", "rounds"), [([], 1), ([nn.Identity()], 0)])
def test_nothing_to_time(models: list[nn.Module], rounds: int) -> None:
    with pytest.raises(ValueError, match="at least one network and one round"):
        latencies(models, torch.zeros(1), rounds=rounds)


def test_names_are_not_networks() -> None:
    with pytest.raises(ValueError, match="got str; of a dictionary pass list"):
        latencies({"a": nn.Linear(2, 2)}, torch.zeros(1, 2))  # type: ignore[arg-type]


def test_modes_come_back_after_a_failed_pass() -> None:
    layer = nn.Linear(3, 3)
    with pytest.raises(RuntimeError):
        latencies([layer], torch.zeros(1, 4))
    assert layer.training


@pytest.mark.parametrize(
    ("model", "input", "count"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), torch.zeros(5, 4, 8, 8), 64 * 6 * 4 * 9),
        (nn.Linear(3, 5), {"input": torch.zeros(7, 3)}, 15),
        (nn.MultiheadAttention(8, 2, batch_first=True), (torch.zeros(3, 5, 8),) * 3, 1680),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.zeros(3, 5, 8), 5 * 592),
    ],
)
def test_of_one_sample(model: nn.Module, input: object, count: int) -> None:
    """The fast path of attention, one operation that would count as none, is left out."""
    before = torch.backends.mha.get_fastpath_enabled()
    assert sample_multiply_adds(model, input) == count
    assert model.training and not next(model.parameters()).is_meta
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_shipped_tables_hold_the_counts_of_today() -> None:
    """Also of networks with attention, and of the proxy, which runs on a CPU."""
    truth = read_ground_truth("deepnets_digits")
    attending = [row for row, config in enumerate(truth.configs) if "msa" in str(config)]
    for row in (0, *attending[:3]):
        count, config = int(truth.facts["flops"][row]), truth.configs[row]
        assert count_flops(config) == count
        images = torch.rand(2, config.in_channels, config.image_size, config.image_size)
        assert by_proxy(Network(config), images) == count
        assert round(1e6 * truth.attributes["zc_flops"][row]) == count
