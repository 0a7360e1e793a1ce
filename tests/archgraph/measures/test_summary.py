"""Summaries by module."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import summary


class Shared(nn.Module):
    """A layer that is used twice, one that is registered twice, one whose weight is tied."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.body = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.again = self.body[0]
        self.head = nn.Linear(8, 50, bias=True)
        self.head.weight = self.table.weight
        self.scale = nn.Parameter(torch.ones(8))
        self.spare = nn.Linear(2, 2)
        self.register_buffer("mask", torch.zeros(4, dtype=torch.bool))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens)
        for _ in range(3):
            x = torch.relu(self.body[0](x))
        return self.head(self.again(self.body[1](x)) * self.scale)


TOKENS = torch.zeros((2, 5), dtype=torch.long)


def test_each_parameter_counts_once_and_each_call_counts() -> None:
    model = Shared()
    found = summary(model, TOKENS)
    rows = {module.path: module for module in found.modules}
    assert [row.path for row in found.modules] == [
        *("", "table", "body", "body.0", "body.1", "again", "head", "spare"),
    ]
    assert found.total.parameters == sum(p.numel() for p in model.parameters())
    counts = {path: row.parameters for path, row in rows.items() if path}
    assert counts == {
        **{"table": 400, "body": 144, "body.0": 72, "body.1": 72},
        **{"again": 0, "head": 50, "spare": 6},
    }
    calls = {path: row.calls for path, row in rows.items()}
    assert calls == {
        **{"": 1, "table": 1, "body": 0, "body.0": 4, "body.1": 1},
        **{"again": 0, "head": 1, "spare": 0},
    }
    assert rows["again"].same_as == "body.0" and rows["again"].output_shape == (2, 5, 8)
    assert rows["head"].tied == {"weight": "table.weight"}
    assert rows["body.0"].multiply_adds == 4 * 10 * 64 and rows["body"].multiply_adds == 5 * 640
    assert found.total.multiply_adds == 5 * 640 + 10 * 8 * 50
    assert found.total.buffer_bytes == 4 and found.input_bytes == 10 * 8


def test_the_text() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 2, 1)))
    model[0].requires_grad_(False)
    text = str(summary(model, torch.zeros(1, 3, 8, 8), depth=1))
    assert text.splitlines() == [
        "module      kind        output         parameters  multiply-adds  activations",
        "─" * 89,
        "Sequential  Sequential  1 x 2 x 6 x 6         122          4,176      1.44 kB  112 frozen",
        "  0         Conv2d      1 x 4 x 6 x 6         112          3,888        576 B  frozen",
        "  1         Sequential  1 x 2 x 6 x 6          10            288        864 B",
        "─" * 89,
        "parameters     122 (488 B), 10 trained, 112 frozen; buffers 0 B",
        "multiply-adds  4,176; floating-point operations 8,712",
        "activations    1.44 kB in all, at most 1.92 kB at once; input 768 B",
    ]
    assert repr(summary(model, torch.zeros(1, 3, 8, 8), depth=None)).count("Conv2d") == 2
    said = str(summary(Shared(), TOKENS))
    for note in ("called 4 times", "the same as body.0", "weight is table.weight"):
        assert note in said


def test_the_dictionary_is_json_and_complete() -> None:
    found = summary(Shared(), TOKENS, depth=0)
    read = json.loads(json.dumps(found.as_dict()))
    assert read["name"] == "Shared" and len(read["modules"]) == 8
    assert read["parameters"] == found.total.parameters
    assert read["modules"][6]["tied"] == {"weight": "table.weight"}
    assert read["peak_bytes"] == found.peak_bytes > read["input_bytes"] == 80


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization is deprecated")
@pytest.mark.filterwarnings("ignore:.*TypedStorage is deprecated")
def test_quantised_layers_hold_their_weights() -> None:
    """They have the numbers of the layers that they stand for, in a quarter of the bytes."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(8, 16, 2, bidirectional=True), nn.Linear(32, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x)[0])

    model, x = Reader().eval(), torch.zeros(5, 2, 8)
    packed = torch.ao.quantization.quantize_dynamic(model, {nn.LSTM, nn.Linear})
    plain, found = summary(model, x).total, summary(packed, x)
    assert found.total.parameters == found.total.quantised == plain.parameters
    assert found.total.multiply_adds == plain.multiply_adds
    biases = sum(p.numel() for name, p in model.named_parameters() if "bias" in name)
    assert found.total.parameter_bytes == plain.parameters + 3 * biases
    assert (found.total.trainable, found.total.frozen) == (0, 0)
    assert f"0 trained, 0 frozen, {plain.parameters:,} quantised" in str(found)


def test_the_network_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    hooks = [dict(vars(module)) for module in model.modules()]
    x = torch.rand(4, 3)
    summary(model, x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [dict(vars(module)) for module in model.modules()] == hooks and model.training


def test_sums_of_modules() -> None:
    """Work of the parts is that of the whole, in a network where each function is in a module."""
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        resnet18 = models.resnet18()
    found = summary(resnet18)
    inner = [module for module in found.modules if module.depth == 1]
    assert found.total.parameters == 11_689_512 and found.total.multiply_adds == 1_814_073_344
    assert sum(module.multiply_adds for module in inner) == found.total.multiply_adds
    assert sum(module.parameters for module in inner) == found.total.parameters


def test_a_module_that_calls_itself() -> None:
    class Halving(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor, times: int = 3) -> Tensor:
            return x if times == 0 else self(self.layer(x), times - 1)

    found = summary(Halving(), torch.zeros(2, 4))
    assert [(m.calls, m.multiply_adds) for m in found.modules] == [(4, 3 * 32), (3, 3 * 32)]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="depth: expected None or a number from 0 on, got -1"):
        summary(nn.Linear(3, 5), torch.zeros(1, 3), depth=-1)
    with pytest.raises(ValueError, match="cannot trace Linear on the given input"):
        summary(nn.Linear(3, 5), torch.zeros(1, 4))
