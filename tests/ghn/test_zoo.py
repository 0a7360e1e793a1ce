"""Every torchvision classifier, and a hundred models of timm: all parameters, finite outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo import TIMM, build_timm, build_torchvision, image_size

from ghn import GHN, use_batch_statistics

torchvision = pytest.importorskip("torchvision")
pytest.importorskip("timm", reason="the zoo holds models of timm: pip install netwright[timm]")

TORCHVISION = torchvision.models.list_models(module=torchvision.models)
CLASSES = 10
FAST = (
    "squeezenet1_1 mobilenet_v3_small shufflenet_v2_x0_5 regnet_y_400mf vit_tiny_patch16_224 "
    "convnextv2_atto efficientvit_m0 ghostnet_050 levit_128s starnet_s050 swiftformer_xs "
    "xcit_nano_12_p16_224"
).split()
GHN3 = (
    "mobilenet_v3_small levit_128s resnet50 efficientnet_b0 convnext_tiny vit_b_16 swin_v2_t "
    "maxvit_t volo_d1_224 sequencer2d_s naflexvit_base_patch16_gap nfnet_l0"
).split()
SLOW = pytest.mark.slow
HYPERNETS: dict[str, dict[str, Any]] = {
    "ghn2": {"hypernet": "gatedgnn", "max_shape": (16, 16, 11, 11)},
    "ghn3": {"hypernet": "graphormer", "max_shape": (16, 16, 16, 16), "heads": 4, "layers": 2},
    "tokens": {"hypernet": "tokens", "max_shape": (16, 16, 11, 11), "heads": 4, "layers": 2},
}


def hypernetwork(kind: str) -> GHN:
    """Small and untrained, with reproducible random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GHN(hid=16, num_classes=CLASSES, **HYPERNETS[kind]).eval()


@pytest.fixture(scope="module")
def hypernetworks() -> dict[str, GHN]:
    return {kind: hypernetwork(kind) for kind in HYPERNETS}


@torch.no_grad()
def check(ghn: GHN, model: nn.Module) -> Tensor:
    """Predict all parameters, run the network; its logits on two images."""
    for p in model.parameters():
        p.fill_(torch.nan)  # what is not predicted shows
    shapes = {n: p.shape for n, p in model.named_parameters()}
    buffers = {n: b.clone() for n, b in model.named_buffers()}
    modes = {n: m.training for n, m in model.eval().named_modules()}
    ghn(model, bn_train=False)
    assert {n: p.shape for n, p in model.named_parameters()} == shapes
    unpredicted = [n for n, p in model.named_parameters() if not p.isfinite().all()]
    assert not unpredicted, f"not predicted or not finite: {unpredicted}"
    after = dict(model.named_buffers())
    changed = [n for n, b in buffers.items() if not torch.equal(b, after[n])]
    assert not changed, f"buffers changed: {changed}"
    assert {n: m.training for n, m in model.named_modules()} == modes
    use_batch_statistics(model)
    images = torch.randn(2, *image_size(model), generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (2, CLASSES)
    assert logits.isfinite().all(), "the forward pass overflows"
    return logits


def marked(names: list[str]) -> list[Any]:
    return [n if n in FAST else pytest.param(n, marks=SLOW) for n in names]


@pytest.mark.parametrize("name", marked(TORCHVISION))
def test_torchvision(hypernetworks: dict[str, GHN], name: str) -> None:
    check(hypernetworks["ghn2"], build_torchvision(name, num_classes=CLASSES))


@pytest.mark.parametrize("name", marked(TIMM))
def test_timm(hypernetworks: dict[str, GHN], name: str) -> None:
    check(hypernetworks["ghn2"], build_timm(name, num_classes=CLASSES))


@pytest.mark.parametrize("name", marked(GHN3))
def test_graphormer(hypernetworks: dict[str, GHN], name: str) -> None:
    build = build_torchvision if name in TORCHVISION else build_timm
    check(hypernetworks["ghn3"], build(name, num_classes=CLASSES))


@pytest.mark.parametrize(
    "name", marked(["mobilenet_v3_small", "resnet50", "swin_v2_t", "xcit_nano_12_p16_224"])
)
def test_tokens(hypernetworks: dict[str, GHN], name: str) -> None:
    build = build_torchvision if name in TORCHVISION else build_timm
    check(hypernetworks["tokens"], build(name, num_classes=CLASSES))


def test_the_lists() -> None:
    assert len(TORCHVISION) >= 80 and len(set(TIMM)) == 100
    assert set(FAST) | set(GHN3) <= {*TORCHVISION, *TIMM}


class Linear(nn.Linear):
    """A head that the published graphs leave out, as those of timm's MobileNets."""


class Patches(nn.Module):
    """Position table with channels last, like VOLO's; affine map with names of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 20, 4, stride=4)
        self.pos = nn.Parameter(torch.zeros(1, 3, 3, 20))
        self.alpha, self.beta = nn.Parameter(torch.ones(20)), nn.Parameter(torch.zeros(20))
        self.head = Linear(20, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).permute(0, 2, 3, 1) + self.pos
        return self.head(torch.addcmul(self.beta, self.alpha, x).mean((1, 2)))


IMAGES = torch.zeros(2, 3, 12, 12)


@pytest.mark.parametrize("kind", HYPERNETS)
def test_a_head_of_a_subclass_is_a_classifier(hypernetworks: dict[str, GHN], kind: str) -> None:
    ghn, model = hypernetworks[kind], Patches()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    ghn(model, IMAGES, predict_class_layers=False)
    kept = [n for n, p in model.named_parameters() if torch.equal(p, before[n])]
    assert kept == ["head.weight", "head.bias"]
    model.head = Linear(20, 7)
    with pytest.raises(ValueError, match="trained for 10 classes, but .* has 7"):
        ghn(model, IMAGES)


def test_a_table_with_channels_last(hypernetworks: dict[str, GHN]) -> None:
    with torch.no_grad():
        predicted = hypernetworks["ghn2"].predict(Patches(), IMAGES)
        model = hypernetworks["ghn2"](Patches(), IMAGES)
    assert torch.equal(model.pos, predicted["pos"])
    table = predicted["pos"][0]
    assert torch.equal(table[..., 16:], table[..., :4]), "channels repeat after 16"
    assert not torch.equal(table[0], table[1])


def test_an_added_vector_named_beta_is_a_bias(hypernetworks: dict[str, GHN]) -> None:
    with torch.no_grad():
        predicted = hypernetworks["ghn2"].predict(Patches(), IMAGES)
    assert predicted["beta"].min() < 0 < predicted["alpha"].min()
