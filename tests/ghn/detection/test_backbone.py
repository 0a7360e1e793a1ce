"""The map of a backbone is the one that the network itself classifies by."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ghn.detection import MapBackbone, backbone_network
from graph2nn.deepnets import DARTS, NetConfig, Network, ViT


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def mean_map(backbone: MapBackbone, images: torch.Tensor) -> torch.Tensor:
    return backbone(images).mean((2, 3))


@pytest.mark.parametrize("arch", ["DARTS", "PDARTS", "0"])
def test_maps_of_deepnets_networks(arch, images):
    """Pooled and classified, the map gives the network's own logits."""
    how = {"channels": 8, "n_cells": 4, "split": "val", "small": True}
    net = backbone_network(arch, **how).model.eval()
    backbone = MapBackbone(net)
    with torch.no_grad():
        found = backbone(images)
        pooled = net.global_pooling(found).flatten(1)
        torch.testing.assert_close(net.classifier(pooled), net(images), rtol=0, atol=0)
    assert found.shape[1] == backbone.out_channels


@pytest.mark.parametrize("arch, multiplier", [("DARTS", 4), ("PDARTS", 4), ("ViT", 1)])
def test_published_width(arch, multiplier):
    """C times the states of a normal cell's output times C_mult twice."""
    net = backbone_network(arch, channels=8, n_cells=3).model
    config = net.config
    assert config.stem_type == 1 and not config.vit and config.imagenet_input
    assert config.C_mult**2 == multiplier and config.norm == "bn-track"
    width = 8 * len(config.genotype.normal_concat) * multiplier
    assert MapBackbone(net).out_channels == width


def test_predefined_vit_is_without_patches():
    net = backbone_network(1).model
    assert net.config.genotype == ViT and net.config.stem_type == 1
    assert not hasattr(net, "pos_enc")


@pytest.mark.parametrize(
    "arch",
    [
        *("resnet18", "regnet_y_400mf", "shufflenet_v2_x0_5", "mobilenet_v3_small", "densenet121"),
        *("swin_t", "mnasnet0_5", "vgg11", "timm:resnet10t", "timm:mobilenetv3_small_050"),
    ],
)
def test_maps_of_torchvision_and_timm(arch):
    """In torchvision, what reaches the pooling layer; in timm, unpooled features."""
    if arch.startswith("timm"):
        pytest.importorskip("timm")
    net = backbone_network(arch).model.eval()
    backbone = MapBackbone(net)
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        found = backbone(images)
        assert found.shape[1] == backbone.out_channels
        if arch.startswith("timm"):
            torch.testing.assert_close(net.forward_head(found), net(images))
        elif hasattr(net, "fc"):
            torch.testing.assert_close(net.fc(found.mean((2, 3))), net(images))
        elif arch in ("densenet121", "mobilenet_v3_small"):
            torch.testing.assert_close(net.classifier(found.mean((2, 3))), net(images))


def test_width_of_resnets_is_that_of_their_classifier():
    net = backbone_network("resnet18").model
    width = net.fc.in_features
    backbone = MapBackbone(net)
    assert backbone.out_channels == width


def test_relational_network(images):
    net = backbone_network("ws:n=8,k=4,p=0.1,model=cnn6,dims=16-32,depths=1-1").model.eval()
    backbone = MapBackbone(net)
    with torch.no_grad():
        torch.testing.assert_close(net.head(backbone(images)), net(images), rtol=0, atol=0)


@pytest.mark.parametrize("arch", ["DARTS", "resnet18"])
def test_head_goes_and_the_map_stays(arch):
    backbone = MapBackbone(backbone_network(arch, channels=8, n_cells=3).model).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = backbone(images)
        backbone.drop_head()
        assert torch.equal(before, backbone(images))
    assert not any("fc" in name or "classifier" in name for name in backbone.state_dict())


def test_auxiliary_output_is_no_part_of_the_map():
    config = NetConfig(genotype=DARTS, n_cells=6, C=8, auxiliary=True, stem_type=1, norm="bn-track")
    net = Network(config.with_(image_size=224)).train()
    assert isinstance(net(torch.zeros(2, 3, 224, 224)), tuple)
    assert net.features(torch.zeros(2, 3, 96, 64)).shape == (2, 8 * 4 * 4, 3, 2)


def test_users_network_with_features():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 7, 3, stride=4)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(self.conv(x))

    assert MapBackbone(Own()).out_channels == 7


def test_modes_are_as_before():
    net = backbone_network("resnet18").model.train()
    net.bn1.eval()
    mean = net.bn1.running_mean.clone()
    MapBackbone(net)
    assert net.training and not net.bn1.training
    assert torch.equal(net.bn1.running_mean, mean)


@pytest.mark.parametrize("arch", ["vit_b_32", "ws:n=8,k=4,p=0.1", "timm:vit_tiny_patch16_224"])
def test_networks_without_a_map(arch):
    if arch.startswith("timm"):
        pytest.importorskip("timm")
    with pytest.raises(ValueError, match="gives no map"):
        MapBackbone(backbone_network(arch).model)
