"""Random generators: their state as plain values, for checkpoints, and seeds for a while."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

__all__ = [
    "AnyGenerator",
    "derived_seed",
    "everything_seeded",
    "generator_state",
    "reseed",
    "restore_generator",
    "seeded",
]

AnyGenerator = torch.Generator | np.random.Generator | random.Random


def generator_state(generator: AnyGenerator) -> dict[str, Any]:
    """Return what `restore_generator` needs, as a tensor or a JSON string.

    Raises:
        TypeError: Not one of the three kinds of generator.
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
    """Put `generator` where another of its kind was when `generator_state` was called.

    Raises:
        ValueError: The state of another kind of generator.
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


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed of one of many independent draws: the same for a purpose on any machine.

    Args:
        seed: Seed of the whole.
        purpose: Words and numbers that say which draw it is, such as "step", 17.
    """
    text = " ".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators for the block and put them back after it.

    Inside, whatever draws from them (initial weights, dropout) draws from `seed`.

    Args:
        seed: Number from 0 up.
        device: Device whose generator is seeded, too; those of other devices are left alone.

    Raises:
        ValueError: A negative seed.

    Examples:
        >>> with seeded(1):
        ...     first = torch.rand(2)
        >>> with seeded(1):
        ...     bool((torch.rand(2) == first).all())
        True
    """
    if seed < 0:
        raise ValueError(f"seed: must not be negative, got {seed}")
    device = torch.device(device)
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        if device.type not in ("cpu", "meta"):
            stack.enter_context(torch.random.fork_rng([device], device_type=device.type))
        reseed(seed, device)
        yield


@contextmanager
def everything_seeded(seed: int, devices: Iterable[torch.device] = ()) -> Iterator[None]:
    """Seed every global generator for the block and put them back after it.

    These are torch's, NumPy's and Python's: other people's networks draw from any of them.

    Args:
        seed: Number from 0 up.
        devices: Devices whose generators are seeded, too.

    Raises:
        ValueError: A negative seed.
    """
    states = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        for device in dict.fromkeys([torch.device("cpu"), *devices]):
            stack.enter_context(seeded(seed, device))
        try:
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def reseed(seed: int, device: torch.device | str = "cpu") -> None:
    """Seed torch's global generators anew, inside `seeded`, which alone puts them back.

    Args:
        seed: Number from 0 up.
        device: Device whose generator is seeded, too.
    """
    device = torch.device(device)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
    elif device.type not in ("cpu", "meta"):
        torch.get_device_module(device).manual_seed(seed)
