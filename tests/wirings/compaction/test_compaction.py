"""Compacted networks give the same outputs, whatever has died, and say what went."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graph2nn.wirings.compaction.compact import compact, compact_macs
from graph2nn.wirings.compaction.compacted import CompactMobileNetV1, CompactStatic, WiredLayers
from graph2nn.wirings.compaction.execution import set_execution
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import MobileNetV1, WiredMobileNetV1
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.resnet import SparseResNet50
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

SMALL = {"nodes": 60, "inputs": 8, "outputs": 12, "layers": 4, "keep": 0.2, "image_size": 16}


def disturb(model: nn.Module, seed: int, dead: float = 0.2) -> None:
    """Statistics and shifts of any value, and some rows and columns of wirings without edges."""
    generator = torch.Generator().manual_seed(seed)

    def draw(like: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(draw(module.bias, -0.5, 0.5))
                module.running_var.copy_(draw(module.bias, 0.3, 2))
                module.weight.copy_(draw(module.bias, 0.3, 1.5))
                module.bias.copy_(draw(module.bias, -0.5, 0.5))
        if hasattr(model, "norm_bias"):
            model.norm_weight.copy_(draw(model.norm_weight, 0.3, 1.5))
            model.norm_bias.copy_(draw(model.norm_bias, -0.5, 0.5))
        for _, layer in wired_layers(model):
            mask = layer.edges().clone()
            mask[draw(mask[:, 0, 0, 0], 0, 1) < dead] = False
            mask[:, draw(mask[0, :, 0, 0], 0, 1) < dead] = False
            layer.wiring.set_mask(mask)
    model.eval()


def agree(model: nn.Module, images: torch.Tensor, **how) -> nn.Module:
    with torch.no_grad():
        expected = model(images)
    found = compact(model, **how)
    for execution in ("dense", "csr"):
        logits = set_execution(found, execution)(images)
        assert logits.shape == expected.shape and expected.std() > 1e-2
        assert (logits - expected).abs().max() < 1e-5
    return found


def images(model: nn.Module, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.randn(batch, *model.expected_input_sz, generator=generator)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_mobilenet_with_any_statistics(seed: int, small: bool) -> None:
    model = WiredMobileNetV1("random", small_head=small, image_size=16, seed=seed)
    disturb(model, seed)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = agree(model, images(model, 1 + seed))
    report = found.report
    assert report.nodes[1] < 0.9 * report.nodes[0] and report.folded > 50
    assert report.edges[1] < report.edges[0]
    assert report.dense_macs[1] < 0.8 * report.dense_macs[0]
    assert report.sparse_macs[1] < report.sparse_macs[0] < report.dense_macs[1]
    assert report.published[1].params < report.published[0].params
    assert report.published[1].macs < report.published[0].macs
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("dead", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_static_with_any_shifts(seed: int, dead: float) -> None:
    model = StaticWiring("random", seed=seed, **SMALL)
    disturb(model, seed, dead)
    report = agree(model, images(model, 1 + seed % 2)).report
    assert report.nodes[1] <= 60 and report.edges[1] <= report.edges[0]
    assert dead == 0 or report.nodes[1] < 60


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [DiscreteTimeWiring, ContinuousTimeWiring])
def test_rounds_with_any_shifts(kind: type, seed: int) -> None:
    how = {"solver": Solver(method="rk4", steps=2)} if kind is ContinuousTimeWiring else {}
    model = kind("random", seed=seed, **SMALL, **how)
    disturb(model, seed, 0.5)
    found = agree(model, images(model, 1 + seed % 2))
    assert found.report.nodes[1] < 60 and found.report.folded > 0
    assert found.nfe == (8 if how else 0)


@pytest.mark.parametrize("kind", ["dnw", "complete", "td", "rigl"])
@pytest.mark.parametrize("prune", [False, True])
def test_kinds(kind: str, prune: bool) -> None:
    model = StaticWiring(kind, **SMALL).eval()
    found = agree(model, images(model), prune=prune)
    assert prune or found.report.nodes == (60, 60)
    assert sum(len(p.values) for p in found.products) == found.report.edges[1]


def test_published_budget() -> None:
    """Edges in slots that the network does not use are not executed."""
    model = StaticWiring("dnw", legacy_budget=True).eval()
    report = agree(model, images(model, 1)).report
    assert report.edges[0] < 15_000 and report.edges[1] <= report.edges[0]


def dead_last(model: WiredMobileNetV1) -> None:
    """No edge to the output nodes, so that logits depend on constants alone."""
    block = model.wired_blocks[-1]
    mask = block.wires.edges().clone()
    mask[-block.outputs :] = False
    block.wires.wiring.set_mask(mask)


@pytest.mark.parametrize("small", [False, True])
def test_nothing_left(small: bool) -> None:
    model = WiredMobileNetV1("random", small_head=small, image_size=8)
    disturb(model, 0)
    dead_last(model)
    found = agree(model, images(model))
    assert found.report.nodes[1] == 0 and found.report.edges[1] == 0
    assert found.report.folded >= 400


def test_tiny_with_nothing_left() -> None:
    for kind in (StaticWiring, DiscreteTimeWiring):
        model = kind("random", **SMALL)
        disturb(model, 0)
        mask = model.wires.edges().clone()
        mask[-model.outputs :] = False
        model.wires.wiring.set_mask(mask)
        found = agree(model, images(model))
        assert found.report.nodes[1] == 0


def chain(bias: float, centred: bool = False) -> WiredMobileNetV1:
    """A network whose first block receives only from its first input node, and one node of the
    second block's middle layer that receives nothing and sends to that block's first output."""
    model = WiredMobileNetV1("random", image_size=16)
    disturb(model, 3, 0.0)
    block = model.wired_blocks[1]
    mask = block.wires.edges().clone()
    mask[5] = False  # node 5 of the middle layer receives nothing
    mask[:, block.inputs + 5] = False
    mask[block.outputs, block.inputs + 5] = True
    block.wires.wiring.set_mask(mask)
    norm = block.norms[1]
    with torch.no_grad():
        norm.bias[5] = (
            bias + norm.running_mean[5] * norm.weight[5] / (norm.running_var[5] + norm.eps).sqrt()
        )
        if centred:
            filters = block.depthwise.weight[block.inputs + 5, 0]
            centre = filters[1, 1].clone()
            filters.zero_()[1, 1] = centre
    return model


def kept_in_second_block(found: nn.Module) -> int:
    assert isinstance(found, CompactMobileNetV1)
    block = found.blocks[1]
    assert isinstance(block, WiredLayers)
    return len(block.senders[1].filters.weight)


def test_constants_stay_where_zeros_around_the_map_change_them() -> None:
    """A node that receives nothing sends a constant with another border: not folded."""
    silent, framed = agree(chain(-1.0), one := images(chain(0.0))), agree(chain(1.0), one)
    assert kept_in_second_block(framed) == kept_in_second_block(silent) + 1
    constant = agree(chain(1.0, centred=True), one)
    assert kept_in_second_block(constant) == kept_in_second_block(silent)
    assert constant.report.folded == framed.report.folded + 1
    assert silent.report.folded == framed.report.folded


def test_scale_of_zero_is_a_dead_input() -> None:
    model = WiredMobileNetV1("random", image_size=8)
    disturb(model, 0, 0.0)
    before = agree(model, images(model)).report
    with torch.no_grad():
        model.wired_blocks[2].norms[1].weight.zero_()
    after = agree(model, images(model)).report
    assert after.edges[1] < before.edges[1]


def test_multiply_adds_are_those_executed() -> None:
    model = StaticWiring("random", **SMALL)
    disturb(model, 0)
    found = compact(model)
    assert isinstance(found, CompactStatic)
    dense, sparse = compact_macs(found)
    first, second, third = found.layers.products
    area = 64
    spared = sum(area * (p.shape[0] * p.shape[1] - len(p.values)) for p in (first, second, third))
    spared += found.outputs.shape[0] * found.outputs.shape[1] - len(found.outputs.values)
    assert dense - sparse == spared > 0
    assert (dense, sparse) == (found.report.dense_macs[1], found.report.sparse_macs[1])
    assert "multiply-adds, dense" in str(found.report)


def test_rounds_multiply_each_round() -> None:
    model = DiscreteTimeWiring("random", **SMALL)
    disturb(model, 0, 0.0)
    dense, sparse = compact_macs(found := compact(model))
    slots = found.wires.shape[0] ** 2
    assert dense - sparse == 4 * 64 * (slots - len(found.wires.values))


def test_state_dict_does_not_depend_on_the_execution() -> None:
    model = StaticWiring("random", **SMALL)
    disturb(model, 0)
    dense, csr = compact(model, execution="dense"), compact(model, execution="csr")
    with torch.no_grad():
        for value in csr.parameters():
            value.mul_(0.5)
    dense.load_state_dict(csr.state_dict())
    one = images(model)
    assert (dense(one) - csr(one)).abs().max() < 1e-6


def test_bad_input() -> None:
    for model in (MobileNetV1(), SparseResNet50(num_classes=10)):
        with pytest.raises(ValueError, match="expected one of WiredMobileNetV1, StaticWiring"):
            compact(model)
    with pytest.raises(ValueError, match="unknown execution 'coo'; choose one of dense, csr"):
        compact(StaticWiring("random", **SMALL), execution="coo")
    found = compact(StaticWiring("random", **SMALL))
    with pytest.raises(ValueError, match="is for evaluation"):
        found.train()


def test_an_adaptive_solver_keeps_its_nodes() -> None:
    """It chooses its steps by the error of all nodes, dead ones too."""
    pytest.importorskip("torchdiffeq")
    model = ContinuousTimeWiring("random", **SMALL)
    disturb(model, 1, 0.0)
    found = agree(model, images(model))
    assert found.report.nodes == (60, 60) and found.nfe == model.nfe > 6
    assert found.report.dense_macs[1] > 6 * 60**2 * 4**2
    disturb(model, 1, 0.5)
    with pytest.raises(ValueError, match="solver dopri5 chooses its steps.* dead ones"):
        compact(model)
    assert agree(model, images(model), prune=False).report.nodes == (60, 60)


def test_fixed_steps_with_the_adjoint() -> None:
    pytest.importorskip("torchdiffeq")
    solver = Solver(method="rk4", steps=2, adjoint=True)
    model = ContinuousTimeWiring("random", solver=solver, **SMALL)
    disturb(model, 0, 0.5)
    assert agree(model, images(model)).report.nodes[1] < 60


@pytest.mark.parametrize("execution", ["dense", "csr"])
def test_half_precision_and_double(execution: str) -> None:
    model = StaticWiring("random", **SMALL)
    disturb(model, 2)
    found = compact(model, execution=execution)
    expected = found(images(model))
    with torch.autocast("cpu", torch.bfloat16):
        half = found(images(model))
    assert (half - expected).abs().max() < 0.1 * expected.abs().max()
    double = compact(model.double(), execution=execution)
    assert (double(images(model)) - expected).abs().max() < 1e-6
