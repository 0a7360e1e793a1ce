"""Every torchvision model, and many of timm: a node for every parameter, leading to an output."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graph2nn.archgraph import coverage, trace

torchvision = pytest.importorskip("torchvision")
models = torchvision.models

# Models that take long to build: hundreds of millions of parameters, or hundreds of layers.
LARGE = (
    "vit_h_14 vit_l_16 vit_l_32 regnet_y_128gf regnet_y_32gf regnet_x_32gf regnet_y_16gf "
    "regnet_x_16gf convnext_large convnext_base efficientnet_v2_l efficientnet_v2_m "
    "efficientnet_b6 efficientnet_b7 swin_b swin_v2_b swin_v2_s densenet201 wide_resnet101_2 "
    "resnext101_64x4d resnext101_32x8d resnet152 efficientnet_b5 vgg19 vgg19_bn vgg16 vgg13"
).split()
CLASSIFIERS = [
    pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n
    for n in models.list_models(module=models)
]
DENSE = models.list_models(module=models.segmentation) + models.list_models(module=models.video)
DETECTORS = models.list_models(module=models.detection)
TIMM = (
    "resnet18 beit_base_patch16_224 cait_xxs24_224 coat_tiny coatnet_nano_rw_224 convit_tiny "
    "convmixer_768_32 convnextv2_atto crossvit_tiny_240 cspdarknet53 davit_tiny "
    "deit_tiny_patch16_224 densenet121 dla34 dpn48b edgenext_small efficientformer_l1 "
    "efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fastvit_t8 focalnet_tiny_srf "
    "gcvit_xxtiny ghostnet_050 hardcorenas_a hrnet_w18_small inception_next_tiny levit_128s "
    "maxvit_rmlp_pico_rw_256 mixer_s16_224 mobilenetv4_conv_small mobileone_s0 mobilevit_xxs "
    "mvitv2_tiny nextvit_small nf_resnet50 nfnet_l0 pit_ti_224 poolformer_s12 pvt_v2_b0 "
    "regnety_002 repghostnet_050 repvgg_a0 repvit_m1 res2net50_26w_4s resnest14d resnetv2_50 "
    "rexnet_100 sequencer2d_s skresnet18 swinv2_cr_tiny_224 tf_efficientnet_lite0 "
    "tiny_vit_5m_224 tnt_s_patch16_224 tresnet_m twins_pcpvt_small visformer_tiny "
    "vit_relpos_small_patch16_224 volo_d1_224 vovnet39a xception41 xcit_nano_12_p16_224"
).split()


@pytest.fixture(autouse=True)
def no_initialisation(monkeypatch):
    """Values do not matter here, and filling them is most of the time of building a model."""
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


def build(name: str, **options) -> nn.Module:
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    return models.get_model(name, weights=None, **options)


def check(model: nn.Module, input=None):
    graph = trace(model, input, view="primitives")
    report = coverage(graph, model)
    assert report.complete and report.reaching_output == report.total, str(report)
    return graph


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_torchvision_classifiers(name):
    model = build(name)
    graph = check(model)
    assert graph.note == "" and graph.num_classes == 1000
    assert graph.params[-1] or name.startswith("squeezenet")
    assert all(not p.is_meta for p in model.parameters())


@pytest.mark.parametrize("view", ["full", "ghn2", "ghn3"])
@pytest.mark.parametrize("name", ["swin_v2_t", "maxvit_t", "vit_b_16", "inception_v3"])
def test_views_of_what_the_originals_refuse(name, view):
    model = build(name)
    graph = trace(model, view=view)
    assert graph.params[-1][0] == list(model.state_dict())[-1]
    reached = coverage(graph, model)
    assert reached.reaching_output == reached.with_node


@pytest.mark.slow
@pytest.mark.parametrize("name", DENSE)
def test_segmentation_and_video(name):
    options = (
        {"weights_backbone": None} if name in models.list_models(module=models.segmentation) else {}
    )
    video = torch.empty(1, 3, 16, 224, 224, device="meta")
    assert check(build(name, **options), None if options else video).note == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_optical_flow(name):
    frame = torch.empty(1, 3, 128, 128, device="meta")
    check(build(name), (frame, frame))


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_run_on_real_values(name):
    # Uninitialised weights would give arbitrary boxes, so these are filled.
    torch.manual_seed(0)
    model = build(name, weights_backbone=None)
    for p in model.parameters():
        nn.Parameter.data.__set__(p, torch.randn(p.shape) * 0.02)
    assert "real values" in check(model).note


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    timm = pytest.importorskip("timm")
    model = timm.create_model(name, pretrained=False)
    model.expected_input_sz = tuple(model.default_cfg["input_size"])
    assert check(model).note == ""
