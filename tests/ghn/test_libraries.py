"""Networks of other libraries: every parameter that they use is predicted."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest
import torch
from libraries import CASES, Case, used

from ghn import GHN

SAMPLE = (
    "transformers-mixtral transformers-switch transformers-wav2vec2 transformers-gpt-oss "
    "segmentation_models_pytorch-pspnet-resnet18 diffusers-prior peft-lora-vit monai-vit "
    "monai-voxelmorph torch_geometric-gae"
).split()
HYPERNETS: list[dict[str, Any]] = [{}, {"hypernet": "graphormer", "heads": 2, "layers": 1}]


@pytest.fixture(scope="module")
def hypernetworks() -> list[GHN]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [GHN(hid=8, max_shape=(8, 8, 5, 5), **fields).eval() for fields in HYPERNETS]


def cases() -> list[Any]:
    return [
        pytest.param(case, k, id=str(case), marks=() if str(case) in SAMPLE else pytest.mark.slow)
        for k, case in enumerate(CASES)
    ]


@pytest.mark.parametrize("case, number", cases())
def test_networks_of_other_libraries(
    case: Case, number: int, hypernetworks: list[GHN], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All shapes are right; what a warning names is used neither in training nor in evaluation."""
    monai = "CUBLAS_WORKSPACE_CONFIG"  # set by its import
    monkeypatch.setenv(monai, os.environ.get(monai, ":4096:8"))
    pytest.importorskip(case.library, reason="a library of the zoo: pip install netwright[zoo]")
    model, example = case.build(), case.input()
    ghn = hypernetworks[number % 2]
    with torch.no_grad(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        predicted = ghn.predict(model, example, predict_class_layers="auto")
    shapes = {n: p.shape for n, p in model.named_parameters()}
    assert {n: p.shape for n, p in predicted.items()} == {n: shapes[n] for n in predicted}
    assert all(p.isfinite().all() for p in predicted.values())
    left = shapes.keys() - predicted.keys()
    assert bool(left) == any("keep their values" in str(one.message) for one in seen)
    for training in (True, False) if left else ():
        assert not left & reached(model.train(training), example)


def reached(model: torch.nn.Module, example: Any) -> set[str]:
    """Names of the parameters that the gradient of the outputs reaches; none if it cannot run."""
    try:
        return used(model, example)
    except (AssertionError, NotImplementedError, RuntimeError, ValueError):
        return set()
