"""Which example input does a text describe? Sizes, types and names, no values."""

from __future__ import annotations

import re
from typing import Any

import torch

__all__ = ["INPUT_HELP", "example_input"]

INPUT_HELP = "sizes such as 1x3x224x224 or ids=int64:1x128,mask=bool:1x128"
"""Help of the flag `--input`."""

_ONE = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)=)?(?:(?P<type>[a-z]+\d*):)?(?P<sizes>\d+(?:x\d+)*)")
_TYPES = {
    name: getattr(torch, name)
    for name in (
        *("float", "float16", "float32", "float64", "bfloat16", "half", "double"),
        *("int", "int8", "int16", "int32", "int64", "long", "uint8", "bool"),
    )
}


def example_input(text: str | None) -> Any:
    """Make the example input that a text describes, of ones.

    Args:
        text: Sizes with an `x` between them, a type and a colon in front where it is not float32;
            several inputs are separated by commas, and have names and `=` in front where they are
            keyword arguments. None for the images that tracing takes by default.

    Returns:
        A tensor of that shape, a tuple or a dictionary of such, or None.

    Raises:
        ValueError: A text of another form.

    Examples:
        >>> example_input("2x3x8x8").shape
        torch.Size([2, 3, 8, 8])
        >>> sorted(example_input("ids=int64:1x4,mask=bool:1x4"))
        ['ids', 'mask']
    """
    if text is None:
        return None
    found = [(match, _ONE.fullmatch(match)) for match in text.replace(" ", "").split(",")]
    for part, match in found:
        if match is None or (match["type"] and match["type"] not in _TYPES):
            raise ValueError(f"--input: expected {INPUT_HELP}; got {part!r}")
    values = [(match["name"], _ones(match["type"], match["sizes"])) for _, match in found if match]
    named = [name for name, _ in values if name]
    if not named:
        return values[0][1] if len(values) == 1 else tuple(value for _, value in values)
    if len(set(named)) != len(values):
        raise ValueError(f"--input: expected a name for each input, or for none; got {text!r}")
    return dict(values)


def _ones(kind: str | None, sizes: str) -> torch.Tensor:
    dtype = _TYPES[kind] if kind else torch.float32
    return torch.ones([int(size) for size in sizes.split("x")], dtype=dtype)
