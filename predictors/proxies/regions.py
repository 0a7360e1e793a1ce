"""NASWOT: how differently a batch of images switches the rectifiers of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import proxy

__all__ = ["nwot", "swap"]

RECTIFIERS: frozenset[Callable[..., Any]] = frozenset(
    getattr(owner, name)
    for owner in (F, torch, Tensor)
    for name in (
        *("relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_"),
        *("celu", "selu", "gelu", "silu", "mish", "hardswish"),
    )
    if hasattr(owner, name)
)
"""Activations that are positive where their input is."""


_PATTERN = 16


@proxy("nwot", "NAS without training, arXiv:2006.04647")
@torch.no_grad()
def nwot(probe: ProxyProbe) -> float:
    """Compute log |det K|, K_ij the number of rectifiers that images i and j switch alike.

    They are counted at every call of ReLU and of activations with the sign of their input (GELU,
    SiLU, ...), modules or functions, in training mode.

    Raises:
        ValueError: No such activation, or two images that switch all of them alike.
    """
    batch = len(probe.images)
    with _Switches(batch) as seen:
        probe.forward(probe.parameters(), probe.images)
    if seen.kernel is None:
        raise ValueError("the network has no rectifier")
    sign, logdet = torch.linalg.slogdet(seen.kernel)
    if sign <= 0 or not torch.isfinite(logdet):
        raise ValueError("the kernel is singular: images that no rectifier tells apart")
    return float(logdet)


@proxy("swap", "SWAP-NAS, arXiv:2403.04161")
@torch.no_grad()
def swap(probe: ProxyProbe) -> float:
    """Count the different ways in which rectifiers are switched by the images.

    Each rectifier, at each position, is on for some of the images: that is its pattern, and
    patterns that several have count once. At most 16 images of the batch, as published: with more,
    nearly every rectifier has a pattern of its own.

    Raises:
        ValueError: No such activation.
    """
    images = probe.images[:_PATTERN]
    with _Patterns(len(images)) as seen:
        probe.forward(probe.parameters(), images)
    if not seen.found:
        raise ValueError("the network has no rectifier")
    return float(len(seen.found))


class _Rectifiers(TorchFunctionMode):
    """Sees every activation that a forward pass calls, whether module or function."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def note(self, on: Tensor) -> None:
        """Take down which rectifiers are on for each image. Shape (B, U)."""
        raise NotImplementedError

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in RECTIFIERS and isinstance(out, Tensor) and len(out) == self.batch:
            self.note(out.flatten(1) > 0)
        return out


class _Patterns(_Rectifiers):
    """Gathers the patterns of every activation, each a whole number of a bit an image."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.bits = 2 ** torch.arange(batch)
        self.found: set[int] = set()

    def note(self, on: Tensor) -> None:
        self.found.update((self.bits.to(on.device) @ on.long()).unique().tolist())


class _Switches(_Rectifiers):
    """Sums, over all activations, how many rectifiers each two images switch alike."""

    def __init__(self, batch: int) -> None:
        super().__init__(batch)
        self.kernel: Tensor | None = None

    def note(self, on: Tensor) -> None:
        up = on.float()
        alike = up @ up.T + (1 - up) @ (1 - up).T
        self.kernel = alike.double() if self.kernel is None else self.kernel + alike
