"""Embedding of parameter shapes (GHN-2, arXiv:2110.13100, appendix)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["ShapeEncoder"]


def _nearest_rows(vocabulary: np.ndarray, overrides: dict[int, int]) -> np.ndarray:
    """Row of the nearest vocabulary entry for sizes up to the largest; ties go to the smaller."""
    sizes = np.arange(vocabulary[-1] + 1)
    rows = np.abs(sizes[:, None] - vocabulary[None, :]).argmin(axis=1)
    for size, stand_in in overrides.items():
        rows[size] = int(np.searchsorted(vocabulary, stand_in))
    return rows


class ShapeEncoder(nn.Module):
    """Four table look-ups, one an axis of the 4-D shape, concatenated.

    Channel counts and kernel sizes outside the vocabulary take the nearest entry (ties: the
    smaller); above the largest entry, the largest. Published details kept: 4 to 7 channels read as
    8, a 2x2 kernel as 3x3. The last row of either table stands for "no shape".

    Args:
        hid: Width h of the states; each look-up is h / 4 wide.
        num_classes: Number of classes, which is added to the channel vocabulary.
        max_shape: Largest shape, whose last entry bounds the spatial vocabulary.

    Shapes:
        (N, 4) integer shapes, all-zero rows for "no shape" -> (N, h).
    """

    channel_rows: Tensor
    spatial_rows: Tensor

    def __init__(self, hid: int, num_classes: int, max_shape: tuple[int, ...]) -> None:
        super().__init__()
        channels = np.unique(
            [1, 3, num_classes, *range(8, 64, 8), *range(64, 4096, 16), *range(4096, 8193, 32)]
        )
        spatial = np.unique([*range(1, max(12, max_shape[3]), 2), 14, 16])
        channel_rows = _nearest_rows(channels, dict.fromkeys(range(4, 8), 8))
        spatial_rows = _nearest_rows(spatial, {2: 3})
        channel_rows[0], spatial_rows[0] = len(channels), len(spatial)
        self.register_buffer("channel_rows", torch.from_numpy(channel_rows), persistent=False)
        self.register_buffer("spatial_rows", torch.from_numpy(spatial_rows), persistent=False)
        self.embed_spatial = nn.Embedding(len(spatial) + 1, hid // 4)
        self.embed_channel = nn.Embedding(len(channels) + 1, hid // 4)

    def forward(self, shape: Tensor) -> Tensor:
        channel = self.channel_rows[shape[:, :2].clamp(max=len(self.channel_rows) - 1)]
        spatial = self.spatial_rows[shape[:, 2:].clamp(max=len(self.spatial_rows) - 1)]
        return torch.cat(
            (self.embed_channel(channel).flatten(1), self.embed_spatial(spatial).flatten(1)), dim=1
        )
