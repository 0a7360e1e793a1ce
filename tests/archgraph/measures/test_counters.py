"""Counts beside torchinfo and fvcore: every difference is explained."""

from __future__ import annotations

import pytest
from counters import compare, names
from zoo import LARGE

pytest.importorskip("torchvision")
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning"),
]
MODELS = [(library, name) for library, name in names() if name not in LARGE]
SAMPLE = [("torchvision", "shufflenet_v2_x0_5"), ("timm", "vit_tiny_patch16_224")]


def check(library: str, name: str) -> None:
    for other in ("timm", "torchinfo", "fvcore"):
        pytest.importorskip(other)
    row = compare(library, name)
    assert row["torchinfo_unexplained"] == row["fvcore_unexplained"] == 0
    assert row["parameters"] == row["torchinfo_parameters"] or name == "coat_tiny"


@pytest.mark.parametrize(("library", "name"), SAMPLE)
def test_differences_of_a_sample_are_explained(library: str, name: str) -> None:
    check(library, name)


@pytest.mark.slow
@pytest.mark.parametrize(("library", "name"), MODELS)
def test_all_differences_are_explained(library: str, name: str) -> None:
    check(library, name)
