"""Networks that classify something else, or nothing: which layer is meant, what is predicted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import trace

VECTORS, SIGNALS, IMAGES = torch.rand(2, 4), torch.rand(2, 3, 9), torch.rand(2, 3, 8, 8)


def sized(model: nn.Module, *size: int) -> nn.Module:
    model.expected_input_sz = size  # type: ignore[assignment]
    return model


class Detector(nn.Module):
    """Boxes of places whose score is high, as many as there are: values are needed."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.box = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.body(x).flatten(2).transpose(1, 2)[0]
        places = [k for k, score in enumerate(y.mean(1).tolist()) if score > -10]
        return {"boxes": self.box(y[places])}


class Matrix(nn.Module):
    """A head whose matrix stands on the right, (in, out)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body, self.w = nn.Linear(4, 6), nn.Parameter(torch.zeros(6, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) @ self.w


CONV1D = nn.Conv1d(3, 4, 3), nn.ReLU()
CONV2D = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
# network, input, name and size of what does not fit (None: nothing is refused), what False keeps
ANY: dict[str, tuple[nn.Module, Any, str | None, int, set[str]]] = {
    "one output channel": (
        nn.Sequential(*CONV1D, nn.Conv1d(4, 1, 3)), SIGNALS, "2.weight", 1, {"2.weight", "2.bias"}
    ),
    "many output channels": (
        nn.Sequential(*CONV1D, nn.Conv1d(4, 21, 3)), SIGNALS, "2.weight", 21,
        {"2.weight", "2.bias"},
    ),
    "no bias": (
        nn.Sequential(*CONV1D, nn.Conv1d(4, 1, 3, bias=False)), SIGNALS, None, 0, {"2.weight"}
    ),
    "transposed": (
        nn.Sequential(nn.ConvTranspose1d(3, 8, 3), nn.ConvTranspose1d(8, 2, 7)), SIGNALS,
        "1.weight", 8, {"1.weight", "1.bias"},
    ),
    "regressor": (
        nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 1)), VECTORS, "2.weight", 1,
        {"2.weight", "2.bias"},
    ),
    "backbone": (
        nn.Sequential(*CONV2D, nn.AdaptiveAvgPool2d(1), nn.Flatten()), IMAGES, "the output", 8,
        set(),
    ),
    "feature map": (nn.Sequential(*CONV2D, nn.ReLU()), IMAGES, "0.weight", 8, set()),
    "segmenter": (
        nn.Sequential(*CONV2D, nn.ReLU(), nn.Conv2d(8, 5, 1)), IMAGES, "3.weight", 5,
        {"3.weight", "3.bias"},
    ),
    "detector": (Detector(), IMAGES[:1], "box.weight", 4, {"box.weight", "box.bias"}),
    "matrix on the right": (Matrix(7), VECTORS, "the output", 7, {"w"}),
    "vectors expected": (
        sized(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), 4), None, "1.weight", 3,
        {"1.weight", "1.bias"},
    ),
    "signals expected": (
        sized(nn.Sequential(nn.Conv1d(5, 4, 3), nn.Flatten(), nn.Linear(28, 10)), 5, 9), None,
        None, 0, {"2.weight", "2.bias"},
    ),
    "four channels": (
        nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 4, 1)), torch.rand(2, 4, 8, 8), None, 0,
        {"1.weight", "1.bias"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
@pytest.mark.parametrize("name", ANY)
def test_any_network_is_predicted_when_asked_for(tiny, name: str, hypernet: str) -> None:
    """All parameters with their shapes, and `ghn(model)` writes what `predict` returns."""
    model, example, *_ = ANY[name]
    ghn = tiny(hypernet=hypernet)
    with torch.no_grad():
        predicted = ghn.predict(model, example, predict_class_layers="auto")
    shapes = {n: p.shape for n, p in model.named_parameters()}
    assert {n: p.shape for n, p in predicted.items()} == shapes
    ghn(model, example, predict_class_layers="auto", bn_train=False)
    torch.testing.assert_close(dict(model.named_parameters()), predicted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
@pytest.mark.parametrize("name", [n for n, case in ANY.items() if case[2]])
def test_the_message_says_which_layer_and_what_to_pass(tiny, name: str, hypernet: str) -> None:
    model, example, where, size, _ = ANY[name]
    before = [p.detach().clone() for p in model.parameters()]
    message = (
        rf"for 10 classes, but {where} of the network \w+ has {size}: build .* or pass "
        r"predict_class_layers=False to keep its last layer, predict_class_layers=\"auto\" to"
    )
    ghn = tiny(hypernet=hypernet)
    for call in (ghn, ghn.predict):
        with pytest.raises(ValueError, match=message):
            call(model, example)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
@pytest.mark.parametrize("name", [n for n in ANY if n != "four channels"])
def test_the_last_layer_alone_is_kept(tiny, name: str, hypernet: str) -> None:
    """Nothing of backbones, which have none."""
    model, example, *_, kept = ANY[name]
    predicted = tiny(hypernet=hypernet).predict(model, example, predict_class_layers=False)
    assert {n for n, _ in model.named_parameters()} - predicted.keys() == kept


@pytest.mark.parametrize("name", ["regressor", "segmenter", "backbone"])
def test_from_graphs_alone(tiny, name: str) -> None:
    """As of the network itself, where the graph has all of it."""
    model, example, where, _, kept = ANY[name]
    ghn, graph = tiny(), trace(model, example, view="ghn2")
    (found,) = ghn.predict_graphs([graph], predict_class_layers="auto")
    torch.testing.assert_close(found, ghn.predict(model, example, predict_class_layers="auto"))
    (found,) = ghn.predict_graphs([graph], predict_class_layers=False)
    assert {n for n, _ in model.named_parameters()} - found.keys() == kept
    with pytest.raises(ValueError, match=f"for 10 classes, but {where} of the network"):
        ghn.predict_graphs([graph])


def test_other_channels(tiny) -> None:
    model, example, *_ = ANY["four channels"]
    message = r'images of 3 channels, but .* 4: give .* or pass predict_class_layers="auto"'
    with pytest.raises(ValueError, match=message):
        tiny().predict(model, example)


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer", "tokens"])
@pytest.mark.parametrize("classes", [10, 3])
def test_a_layer_of_as_many_classes_is_predicted_as_ever(
    tiny, convnet, classes: int, hypernet: str
) -> None:
    ghn, model = tiny(num_classes=classes, hypernet=hypernet), convnet(num_classes=classes)
    auto = ghn.predict(model, IMAGES, predict_class_layers="auto")
    torch.testing.assert_close(auto, ghn.predict(model, IMAGES), rtol=0, atol=0)


def test_a_matrix_on_the_right_is_a_classifier(tiny) -> None:
    """As wide as the block of classes or not; it was decoded as one before, where it fitted."""
    for width in (6, 20):
        model = Matrix(10)
        model.body, model.w = nn.Linear(4, width), nn.Parameter(torch.zeros(width, 10))
        assert tiny().predict(model, VECTORS)["w"].shape == (width, 10)


def test_another_answer(tiny, convnet) -> None:
    for call in (tiny(), tiny().predict):
        with pytest.raises(ValueError, match="predict_class_layers: expected one of .*got 'all'"):
            call(convnet(), IMAGES, predict_class_layers="all")
    with pytest.raises(ValueError, match="training: expected one of True, False, both, got 'all'"):
        tiny().predict(convnet(), IMAGES, training="all")


def test_several_outputs(tiny) -> None:
    """Features first, logits last, boxes beside them: the logits are those of the classes."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.fc, self.box = nn.Linear(4, 8), nn.Linear(8, 10), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            x = self.body(x)
            return x, self.fc(x)

    for hypernet in ("gatedgnn", "graphormer"):
        with pytest.warns(UserWarning, match="2 parameters of Both .* box.bias, box.weight"):
            predicted = tiny(hypernet=hypernet).predict(Both(), VECTORS)
        assert {n: tuple(p.shape) for n, p in predicted.items()} == {
            "body.weight": (8, 4), "body.bias": (8,), "fc.weight": (10, 8), "fc.bias": (10,)
        }  # fmt: skip
