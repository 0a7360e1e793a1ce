"""Stems and heads of DeepNets-1M networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.networks.layers import conv2d, linear, norm_layer

__all__ = ["AuxiliaryHead", "classifier", "imagenet_stem", "patch_stem", "simple_stem"]

Device = torch.device | str | None


def patch_stem(config: NetConfig, device: Device = None) -> nn.Module:
    """Make the convolution of a vision transformer: patches of 16 pixels, or 3 on small images."""
    if config.imagenet_input:
        return conv2d(config.in_channels, config.C, 16, stride=16, device=device)
    return conv2d(config.in_channels, config.C, 3, stride=3, padding=1, device=device)


def simple_stem(config: NetConfig, c_stem: int, device: Device = None) -> nn.Sequential:
    """Make a convolution, norm and optional max-pooling; strides only on large images."""
    ks, stride = config.ks, 4 if config.imagenet_input else 1
    return nn.Sequential(
        conv2d(config.in_channels, c_stem, ks, stride=stride, padding=ks // 2, device=device),
        norm_layer(config.norm, c_stem, device=device),
        nn.MaxPool2d(3, stride=2, padding=1) if config.stem_pool else nn.Identity(),
    )


def imagenet_stem(config: NetConfig, device: Device = None) -> tuple[nn.Sequential, nn.Sequential]:
    """Make the two halves of DARTS's ImageNet stem; the second one halves the map.

    The ReLU at the head of the second half belongs to both outputs: see `Network.forward`.
    """
    c, ks, stride = config.C, config.ks, 2 if config.imagenet_input else 1
    stem0 = nn.Sequential(
        conv2d(config.in_channels, c // 2, ks, stride=stride, padding=ks // 2, device=device),
        norm_layer(config.norm, c // 2, device=device),
        nn.ReLU(),
        conv2d(c // 2, c, 3, stride=stride, padding=1, device=device),
        norm_layer(config.norm, c, device=device),
    )
    stem1 = nn.Sequential(
        nn.ReLU(),
        conv2d(c, c, 3, stride=2, padding=1, device=device),
        norm_layer(config.norm, c, device=device),
    )
    return stem0, stem1


def classifier(config: NetConfig, c_in: int, device: Device = None) -> nn.Sequential:
    """Make fully connected layers with ReLU and dropout 0.5 between them.

    The linear layers have indices 0, 3, 6, ...
    """
    hidden = max(config.fc_layers, 1) - 1
    layers: list[nn.Module] = []
    for _ in range(hidden):
        layers += [linear(c_in, config.fc_dim, device=device), nn.ReLU(), nn.Dropout(0.5)]
        c_in = config.fc_dim
    return nn.Sequential(*layers, linear(c_in, config.num_classes, device=device))


class AuxiliaryHead(nn.Module):
    """Second classifier of DARTS, in the middle of the network, used in training only.

    On ImageNet the second convolution has no norm, as in DARTS and the published training.
    Where the published average pooling does not give a 2x2 map (other image sizes), the map is
    pooled adaptively to 2x2. Shapes: (B, c, H, W) -> (B, num_classes).
    """

    def __init__(self, c: int, side: int, config: NetConfig, device: Device = None) -> None:
        super().__init__()
        large = config.imagenet_input
        self.side = 8 if config.vit and not large else side
        kernel, stride = (5, 2) if large else (5, 3) if self.side >= 8 else (2, 2)
        pool: nn.Module = nn.AdaptiveAvgPool2d(2)
        if self.side >= kernel and (self.side - kernel) // stride == 1:
            pool = nn.AvgPool2d(kernel, stride=stride, count_include_pad=False)
        norms = [
            norm_layer(config.norm, n, device=device) for n in ((128,) if large else (128, 768))
        ]
        self.features = nn.Sequential(
            nn.ReLU(),
            pool,
            conv2d(c, 128, 1, device=device),
            norms[0],
            nn.ReLU(),
            conv2d(128, 768, 2, device=device),
            *norms[1:],
            nn.ReLU(),
        )
        self.classifier = linear(768, config.num_classes, device=device)
        self.resize = self.side != side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.adaptive_avg_pool2d(x, self.side) if self.resize else x
        return self.classifier(self.features(x).flatten(1))
