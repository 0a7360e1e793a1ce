"""Parameters and multiply-adds: the published table, and what is executed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graph2nn.wirings.campaign.config import build_network
from graph2nn.wirings.campaign.published import CONFIGS
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.slots import Rectangle, Slots
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.counts import count_wiring, executed_macs, published_profile
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.resnet import SparseResNet50
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

ALIVE = {0: 32, 1: 192, 2: 384, 3: 2816, 4: 1536}


@pytest.mark.parametrize(
    ("name", "alive", "params", "macs"),
    [
        # Nodes without an edge out of them, at the start of the measured runs: 2 input nodes at
        # a width of .225; at .15 eleven of them, eleven of the second block, one of the third.
        ("dnw_small_x15", {0: 21, 1: 181, 2: 383}, 269_238, "35.28"),
        ("dnw_small_x225", {0: 30}, 434_770, "54.91"),
        ("dnw_x225", {0: 30}, 1_228_371, "55.71"),
        ("random_graph_x225", {0: 30}, 1_228_371, "55.71"),
        ("dnw_x3", {}, 1_352_064, "77.85"),
        ("dnw_x49", {}, 1_823_315, "158.83"),
        ("random_graph_x49", {}, 1_886_107, "169.62"),
    ],
)
def test_published_table(name, alive, params, macs):
    model = build_network(CONFIGS[f"large/mobilenetv1_{name}"])
    profile = published_profile(model, alive={**ALIVE, **alive})
    assert profile.params == params and f"{profile.macs / 1e6:.2f}" == macs
    # Another seed leaves other nodes without edges: at most 36 parameters each.
    own = published_profile(model)
    assert abs(own.params - params) < 600 and abs(own.macs - profile.macs) < 3e6


def test_profile_counts_what_the_mask_leaves():
    model = WiredMobileNetV1("random", width=0.225, num_classes=1000, image_size=224)
    before = published_profile(model)
    block = model.blocks[1].wires
    column = int(block.edges().any(0).flatten().nonzero()[-1])
    mask = block.edges().clone()
    mask[:, column] = False
    block.wiring.set_mask(mask)
    after = published_profile(model)
    assert before.params - after.params == 9 and before.macs - after.macs == 9 * 56**2


def by_hand(model: StaticWiring) -> int:
    """Multiply-adds of the static network on 32 x 32 images, block by block."""
    macs = 27 * 16 * 256 + 9 * 16 * 64 + 16 * 32 * 64 + 100 * 10
    sizes, start = model.blocks, 0
    for k, size in enumerate(sizes):
        start += size
        last = k == len(sizes) - 1
        rows = 100 if last else model.nodes - start
        macs += 9 * size * (4 if last else 64) + rows * size * (1 if last else 64)
    return macs


def test_executed_by_the_static_network():
    model = StaticWiring("dnw")
    counts = count_wiring(model)
    assert counts.dense_macs == executed_macs(model) == by_hand(model)
    real = model.wires.edges()[:, :, 0, 0]
    spared = (264_960 - 19_200) - int(real[:, :608].sum())
    spared = spared * 64 + 19_200 - int(real[:, 608:].sum())
    assert counts.sparse_macs == counts.dense_macs - spared
    assert (counts.slots, counts.legal_slots) == (640_000, 264_960)


def test_executed_by_rounds():
    counts = count_wiring(DiscreteTimeWiring("random"))
    assert counts.dense_macs - counts.sparse_macs == 5 * 64 * (640_000 - 32_000)
    model = ContinuousTimeWiring("random", solver=Solver(method="rk4", steps=2))
    stem_and_head = 27 * 16 * 256 + 9 * 16 * 64 + 16 * 32 * 64 + 1000
    rounds = [found.dense_macs - stem_and_head for found in (counts, count_wiring(model))]
    assert rounds == [5 * 64 * (640_000 + 7_200), 8 * 64 * (640_000 + 7_200)]


def test_executed_by_mobilenet():
    model = WiredMobileNetV1("dnw", width=0.225, num_classes=1000, image_size=224)
    counts = count_wiring(model)
    # The published count leaves out nothing but dead nodes' filters, and adds the pooling.
    nominal = published_profile(model, alive=ALIVE).macs
    assert abs(counts.sparse_macs - (nominal - 49 * 1024)) < 20_000  # budgets are rounded up
    assert counts.effective == counts.stored - 12_044_288 + 158_944


def test_executed_by_resnet():
    model = SparseResNet50("random", keep=0.1)
    counts = count_wiring(model)
    assert abs(counts.dense_macs / 4.0893e9 - 1) < 1e-3  # ResNet-50 v1.5
    assert abs(counts.sparse_macs / counts.dense_macs - 0.1) < 1e-3


def test_legacy_budget_shows():
    counts = count_wiring(StaticWiring("dnw", legacy_budget=True))
    assert counts.edges == 32_000 and counts.used_edges < 14_000
    assert counts.effective == 11_058 + counts.used_edges


def test_counting_leaves_the_model_alone():
    model = StaticWiring("dnw").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_wiring(model)
    assert model.training and not model._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_bad_input():
    with pytest.raises(ValueError, match="found none in Linear"):
        count_wiring(nn.Linear(2, 2))


def test_layers_that_are_applied_as_they_are():
    slots = Slots((4, 4, 1, 1), [Rectangle(0, 2, 0, 2), Rectangle(2, 4, 2, 4)])
    layer = WiredConv(4, 4, keep=3, slots=slots)
    counts = count_wiring(layer, (4, 5, 5))
    assert (counts.dense_macs, counts.sparse_macs) == (16 * 25, 3 * 25)
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    counts = count_wiring(twice, [4, 5, 5])
    assert (counts.dense_macs, counts.sparse_macs) == (2 * 16 * 25, 2 * 3 * 25)
    with pytest.raises(ValueError, match="WiredConv does not say how large .* pass input_shape"):
        count_wiring(layer)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype):
    model = StaticWiring("dnw").to(dtype)
    assert count_wiring(model).dense_macs == by_hand(model)


def test_profile_of_given_edges_and_of_all():
    few = WiredMobileNetV1("random", width=0.1)
    masks = tuple(block.wires.edges() for block in few.wired_blocks)
    given = published_profile(WiredMobileNetV1("given", masks=masks))
    assert 0 <= given.params - published_profile(few).params <= 5  # budgets are rounded up
    whole = WiredMobileNetV1("complete", small_head=True)
    filters = 9 * (32 + 192 + 384 + 2816 + 1536) + 27 * 32
    assert published_profile(whole).params == 12_044_288 + filters + 10_240
