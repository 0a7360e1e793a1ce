"""What does a network take? An example input for its graph, of as many channels as are known."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ghn.config import GHNConfig
from graph2nn.archgraph import TraceError

__all__ = ["check_first_layer", "example_for"]


def example_for(model: nn.Module, input: Any, config: GHNConfig, *, any_channels: bool) -> Any:
    """Return the example input that a network is traced on, checked.

    Where there is none, and the images are not the three-channel ones that tracing assumes, images
    of the hypernetwork's own kind.

    Args:
        model: The network.
        input: Example input, of any form that `trace` takes, or None.
        config: Configuration of the hypernetwork.
        any_channels: Whether images may have other channels than those it was trained on.

    Raises:
        ValueError: Images of other channels.
    """
    size = getattr(model, "expected_input_sz", None)
    expected = tuple(size) if isinstance(size, tuple | list) else None
    if not any_channels:
        if isinstance(input, Tensor) and input.dim() == 4:
            _check_channels(input.shape[1], "the example input has", config)
        if input is None and expected is not None and len(expected) == 3:
            _check_channels(expected[0], "the network expects images of", config)
    if input is not None or expected is not None or config.in_channels == 3:
        return input
    side = size or config.image_size or 224
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    return torch.zeros(2, config.in_channels, side, side, dtype=dtype)


def check_first_layer(model: nn.Module, error: TraceError, config: GHNConfig) -> None:
    """Say so where a network cannot run because its images have other channels.

    Args:
        model: The network.
        error: Why it cannot run.
        config: Configuration of the hypernetwork.

    Raises:
        ValueError: The first convolution takes other channels.
    """
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d))
    name, first = next(layers, (None, None))
    if first is not None and name == error.module:
        _check_channels(first.in_channels, "the network's first convolution takes", config)


def _check_channels(got: int, who: str, config: GHNConfig) -> None:
    if got != config.in_channels:
        _wrong_channels(got, who, config)


def _wrong_channels(got: int, who: str, config: GHNConfig) -> NoReturn:
    data = f" on {config.dataset!r}" if config.dataset else ""
    raise ValueError(
        f"the hypernetwork was trained{data} for images of {config.in_channels} channels, "
        f"but {who} {got}: give the network {config.in_channels} input channels, or pass "
        'predict_class_layers="auto" (and an input) to predict it anyway'
    )
