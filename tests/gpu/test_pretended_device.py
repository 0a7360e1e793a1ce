"""What a GPU refuses is refused: the pretended device is as strict as a real one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pretend_device import PretendDevice
from torch import Tensor, nn

from graph2nn.runs import seeded

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _has_memory_of_its_own(kind: str) -> None:
    if kind == "cpu":
        pytest.skip("the CPU refuses nothing of this")


WRONG: dict[str, Callable[[Tensor], object]] = {
    "a sum of both places": lambda x: x + torch.ones(3),
    "a product of both places": lambda x: x[None] @ torch.ones(3, 1),
    "a layer on the CPU": lambda x: nn.Linear(3, 2)(x),
    "an index there of a tensor here": lambda x: torch.ones(3)[x.long()],
    "a comparison of both places": lambda x: torch.equal(x, torch.ones(3)),
    "a draw from a generator of the CPU": lambda x: x.normal_(generator=torch.Generator()),
    "an array of it": lambda x: x.numpy(),
}


@pytest.mark.parametrize("what", WRONG)
def test_refused(device, what: str) -> None:
    with pytest.raises((RuntimeError, TypeError)):
        WRONG[what](torch.zeros(3).to(device))


def test_allowed(device) -> None:
    x = torch.arange(3.0).to(device)
    assert (x * torch.tensor(2.0)).tolist() == [0.0, 2.0, 4.0]  # a number, wherever it is
    assert x[torch.tensor([2, 0])].tolist() == [2.0, 0.0]
    x[torch.tensor([1])] = 5.0
    assert torch.ones(3).copy_(x).tolist() == [0.0, 5.0, 2.0]
    assert x.cpu().numpy().sum() == 7.0 and float(x.sum()) == 7.0


def test_layers_and_their_gradients(device) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))
    images, labels = torch.randn(8, 3, 6, 6), torch.arange(8) % 5
    grads = []
    for place in ("cpu", device):
        net.to(place).zero_grad()
        loss = nn.functional.cross_entropy(net(images.to(place)), labels.to(place))
        loss.backward()
        grads.append([p.grad.cpu() for p in net.parameters()])
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_draws_have_a_generator_of_their_own(device, random_state) -> None:
    before, state = torch.get_rng_state(), random_state()
    with seeded(1, device):
        first = torch.rand(3, device=device)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(random_state(), state)
    torch.rand(3, device=device)
    assert torch.equal(torch.get_rng_state(), before) and not torch.equal(random_state(), state)
    with seeded(1, device):
        assert torch.equal(torch.rand(3, device=device), first)


def test_waits_are_noted(device, kind: str, pretended: PretendDevice | None) -> None:
    """By the pretended device as by CUDA, which is asked to fail instead."""
    x, mask = torch.arange(4.0).to(device), (torch.arange(4) > 1).to(device)
    waits: dict[str, Callable[[], object]] = {
        "a number": lambda: x.sum().item(),
        "a copy here": lambda: x.cpu(),
        "a copy there": lambda: torch.ones(3).to(device),
        "a mask as an index": lambda: x[mask],
        "a decision": lambda: bool(mask.any()),
    }
    for name, wait in waits.items():
        if pretended is not None:
            before = len(pretended.waits)
            wait()
            assert len(pretended.waits) > before, name
        else:
            torch.cuda.set_sync_debug_mode("error")
            try:
                with pytest.raises(RuntimeError, match="synchronizing"):
                    wait()
            finally:
                torch.cuda.set_sync_debug_mode("default")
    before = len(pretended.waits) if pretended is not None else 0
    (x * 2 + x.where(mask, x.new_zeros(()))).sum()
    assert pretended is None or len(pretended.waits) == before
