"""State of random generators as plain values, for checkpoints."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import torch

__all__ = ["AnyGenerator", "generator_state", "restore_generator"]

AnyGenerator = torch.Generator | np.random.Generator | random.Random


def generator_state(generator: AnyGenerator) -> dict[str, Any]:
    """What `restore_generator` needs, as a tensor or a JSON string.

    Raises:
        TypeError: not one of the three kinds of generator.
    """
    if isinstance(generator, torch.Generator):
        device = torch.device(generator.device).type
        return {"type": "torch", "device": device, "state": generator.get_state()}
    if isinstance(generator, np.random.Generator):
        state = generator.bit_generator.state
        text = json.dumps(state, default=lambda value: value.tolist())  # MT19937 keeps an array
        return {"type": "numpy", "name": state["bit_generator"], "state": text}
    if isinstance(generator, random.Random):
        return {"type": "python", "state": json.dumps(generator.getstate())}
    raise TypeError(f"expected a torch, numpy or random generator, got {type(generator).__name__}")


def restore_generator(generator: AnyGenerator, state: dict[str, Any]) -> None:
    """Puts `generator` where another of its kind was when `generator_state` was called.

    Raises:
        ValueError: the state of another kind of generator.
    """
    mine = generator_state(generator)
    for key in ("type", "device", "name"):
        if mine.get(key) != state.get(key):
            raise ValueError(
                f"the state of a {state.get('type')} generator ({state.get(key)}) does not fit a "
                f"{mine['type']} generator ({mine.get(key)})"
            )
    if isinstance(generator, torch.Generator):
        generator.set_state(state["state"].cpu())
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = json.loads(state["state"])
    else:
        version, internal, gauss = json.loads(state["state"])
        generator.setstate((version, tuple(internal), gauss))
