"""The device of the tests of this folder: a GPU, or what stands in for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from pretend_device import PretendDevice, can_pretend

from graph2nn.vision import ImageData, load_images


@pytest.fixture(scope="session")
def kind(pytestconfig: pytest.Config) -> str:
    """Whether the tests run on a GPU ("cuda"), on the CPU, or on a pretended device."""
    kind = pytestconfig.getoption("gpu_device")
    if kind == "cuda" and not torch.cuda.is_available():
        pytest.skip(
            "needs a GPU, and torch finds none; --gpu-device cpu or --gpu-device pretend runs "
            "these tests on the CPU"
        )
    if kind == "pretend" and not can_pretend():
        pytest.skip("this torch lets no device be pretended: --gpu-device cpu")
    if kind == "pretend":
        PretendDevice()  # before the first backward pass, which counts the devices once and for all
    return kind


@pytest.fixture(autouse=True)
def _single_precision(kind: str) -> Iterator[None]:
    """Products of float32 in float32, so that a GPU rounds as finely as a CPU; tests that look at
    coarser products turn them on themselves."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    assert torch.get_float32_matmul_precision() == "highest"
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def pretended(kind: str) -> Iterator[PretendDevice | None]:
    """The mode of the pretended device; None where the device is real."""
    if kind != "pretend":
        yield None
        return
    with PretendDevice() as mode:
        yield mode


@pytest.fixture
def device(kind: str, pretended: PretendDevice | None) -> torch.device:
    """The device under test."""
    if pretended is not None:
        return pretended.device
    return (
        torch.device("cuda", torch.cuda.current_device()) if kind == "cuda" else torch.device(kind)
    )


@pytest.fixture
def real_device(kind: str) -> str:
    """The device under test as other processes know it, where nothing can be pretended."""
    return "cuda" if kind == "cuda" else "cpu"


@pytest.fixture
def tolerance(kind: str) -> Callable[[float], float]:
    """What a GPU may differ by, relatively; what computes on the CPU is nearly the CPU."""
    return lambda share: share if kind == "cuda" else 1e-5


@pytest.fixture
def random_state(device: torch.device) -> Callable[[], torch.Tensor]:
    """The state of the device's own random generator."""
    if device.type == "cpu":
        return torch.get_rng_state
    return torch.get_device_module(device).get_rng_state


@pytest.fixture(scope="session")
def digits() -> tuple[ImageData, ImageData]:
    """A few images of digits to train and to test on."""
    train = load_images("digits", split="train").subset(torch.arange(160))
    return train, load_images("digits", split="test").subset(torch.arange(80))
