"""What tracing leaves behind (nothing), and what it says when a model cannot run."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from graph2nn.archgraph import TraceError, trace
from graph2nn.archgraph.tracing.recording import record


class Caches(nn.Module):
    """Keeps tensors in attributes and counts its calls, as some models do."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.lstm = nn.LSTM(4, 4)
        self.seen: list[torch.Tensor] = []
        self.calls = 0

    def forward(self, x):
        x = self.norm(self.conv(x))
        self.seen.append(x)
        self.last = x
        self.calls += 1
        return self.lstm(x.mean(2).permute(2, 0, 1))[0]


@pytest.mark.parametrize("training", [True, False])
def test_module_is_left_as_it_was(training):
    model = Caches().train(training)
    model.norm.eval()
    params = dict(model.named_parameters())
    buffers = {n: (b, b.clone()) for n, b in model.named_buffers()}
    before = [(m, dict(m.__dict__)) for m in model.modules()]
    trace(model, torch.zeros(2, 3, 8, 8))
    for module, attributes in before:
        assert module.__dict__.keys() == attributes.keys()
        assert all(module.__dict__[k] is v for k, v in attributes.items())
    assert all(p is params[n] for n, p in model.named_parameters())
    for name, buffer in model.named_buffers():
        assert buffer is buffers[name][0] and torch.equal(buffer, buffers[name][1])
    assert (model.seen, model.calls, hasattr(model, "last")) == ([], 0, False)
    assert model.training == training and not model.norm.training
    assert not model(torch.zeros(2, 3, 8, 8)).is_meta


def test_state_is_restored_after_a_failure():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(7, 2)).eval()
    weight = model[0].weight
    with pytest.raises(ValueError):
        trace(model, torch.zeros(2, 3, 8, 8))
    assert model[0].weight is weight and not model[0].training


def test_tracing_needs_no_memory_afterwards():
    model = Caches()
    graph = trace(model, torch.zeros(2, 3, 8, 8))
    alive = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert alive() is None, "the graph must not hold the model"
    finally:
        gc.enable()
    assert graph.num_nodes > 3


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_model_and_input_on_any_devices(device):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).to(device)
    for input in (torch.zeros(2, 4), torch.zeros(2, 4, device="meta")):
        assert trace(model, input, view="ghn2").num_nodes == 5


def test_constants_made_on_another_device_and_moves_are_followed():
    class Moves(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            x = self.fc(x.to("cpu").to(torch.float32))
            mask = torch.triu(torch.ones(4, 4))
            return (x.cpu() @ mask) + torch.arange(4.0)

    graph = trace(Moves(), torch.zeros(2, 4))
    assert graph.note == ""
    assert graph.op_names() == ["input", "to", "to", "linear", "bias", "cpu", "matmul", "add"]


def test_default_input_size():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3 * 16 * 16, 2)

        def forward(self, x):
            return self.fc(x.flatten(1))

    model = Sized()
    model.expected_input_sz = 16
    assert trace(model).num_classes == 2
    model.expected_input_sz = (12, 8, 8)
    assert trace(model).num_nodes == 4
    del model.expected_input_sz
    with pytest.raises(ValueError, match=r"an input of shape \(1, 3, 224, 224\).*'linear'.*'fc'"):
        trace(model)


def test_failing_model_names_the_operation_and_the_module():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Linear(7, 2)))
    with pytest.raises(ValueError, match=r"in operation 'linear': module '1\.1' failed.*input="):
        trace(model, torch.zeros(2, 3, 8, 8))


def test_wrong_channels_are_not_hidden_by_the_shape_rules():
    with pytest.raises(ValueError, match="conv2d.*expected input.*to have 5 channels"):
        trace(nn.Sequential(nn.Conv2d(5, 4, 3)), torch.zeros(2, 3, 8, 8))


def test_model_with_data_dependent_steps_runs_on_real_values():
    class Decides(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.norm = nn.Linear(4, 4), nn.Linear(4, 2), nn.BatchNorm1d(4)

        def forward(self, x):
            x = self.norm(self.a(x))
            n = int((x.abs().sum() > -1).item())
            for _ in range(n):
                x = self.b(x)
            return x

    model = Decides().train()
    mean = model.norm.running_mean.clone()
    graph = trace(model, torch.rand(2, 4), view="primitives")
    assert "real values in eval mode" in graph.note and "item" in graph.note
    assert set(graph.param_shapes) == {n for n, _ in model.named_parameters()}
    assert torch.equal(model.norm.running_mean, mean) and model.training


def test_batch_of_one_and_single_pixels_are_no_obstacle():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.GroupNorm(3, 3))
    assert trace(model, torch.zeros(1, 3, 4, 4)).note == ""


def test_unknown_view():
    with pytest.raises(ValueError, match="unknown view 'ghn5'; choose one of .*primitives"):
        trace(nn.Linear(2, 2), torch.zeros(1, 2), view="ghn5")  # type: ignore[arg-type]


def test_lazy_module():
    with pytest.raises(ValueError, match="lazy module.*run the model on one batch first"):
        trace(nn.Sequential(nn.LazyLinear(3)), torch.zeros(1, 2))


def test_user_hooks_run_and_gradients_stay():
    model = nn.Linear(4, 2)
    calls = []
    model.register_forward_hook(lambda m, a, out: calls.append(out.shape))
    model(torch.zeros(1, 4)).sum().backward()
    grad = model.weight.grad
    trace(model, torch.zeros(3, 4))
    assert calls[-1] == (3, 2) and model.weight.grad is grad


@pytest.mark.parametrize(
    "name",
    "resnet18 densenet121 mobilenet_v3_small vit_b_16 swin_t swin_v2_t convnext_tiny googlenet "
    "efficientnet_b0 squeezenet1_0 maxvit_t".split(),
)
def test_shape_rules_change_nothing(name):
    """The fast recorder equals its plain twin, which runs every meta kernel."""
    torchvision = pytest.importorskip("torchvision")
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, **options)
    fast, plain = record(model), record(model, fast=False)
    assert fast.ops == plain.ops and fast.outputs == plain.outputs


def test_a_failure_names_the_module_that_failed():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(5, 2)))
    with pytest.raises(TraceError, match="module '1.1' failed") as caught:
        trace(net, torch.zeros(1, 3, 8, 8))
    assert caught.value.module == "1.1"
