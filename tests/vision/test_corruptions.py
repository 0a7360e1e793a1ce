"""Corrupted images: as published, the same for everyone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from graph2nn.vision import corrupted, load_images


def test_corruptions() -> None:
    data = load_images("digits", split="trainval").draw(100, 0)
    grey = replace(data, images=torch.full((50, 3, 8, 8), 128, dtype=torch.uint8),
                   labels=torch.zeros(50, dtype=torch.int64))  # fmt: skip
    change = corrupted(grey, "noise", noise=0.1, seed=1).images.float() - 128
    assert change.std() == pytest.approx(25.5, rel=0.05) and abs(change.mean()) < 1
    again = corrupted(grey, "noise", noise=0.1, seed=1)
    assert torch.equal(again.images, corrupted(grey, "noise", noise=0.1, seed=1).images)
    assert torch.equal(corrupted(grey, "blur").images, grey.images)
    point = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    point[0, :, 4, 4] = 160
    blurred = corrupted(replace(grey, images=point, labels=grey.labels[:1]), "blur").images
    assert blurred[0, 0, 3:6, 3:6].tolist() == [[10, 20, 10], [20, 40, 20], [10, 20, 10]]
    low = corrupted(data, "contrast").images.float()
    assert low.std() == pytest.approx(0.4 * data.images.float().std().item(), rel=0.2)
    with pytest.raises(ValueError, match="unknown corruption 'fog'; choose one of noise"):
        corrupted(grey, "fog")
