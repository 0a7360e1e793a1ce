"""What can be taken down of each operation while it runs, beside what the recorder does?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from torch import Tensor

__all__ = ["Columns", "CallObserver"]

Columns = dict[str, "np.ndarray | list"]
"""A value for every op, by name: in an array what adds up over ops, else in a list."""


class CallObserver(Protocol):
    """Note-taker of further facts of each op (`graph2nn.archgraph.measures.meter`)."""

    def columns(self) -> Columns:
        """Return what was taken down.

        Shapes: (number of ops,).
        """
        ...

    def running(self) -> AbstractContextManager:
        """Return a context that is to be on during the forward pass."""
        ...

    def hold(self, tensors: Sequence[Tensor], names: Sequence[str] = ()) -> None:
        """Declare parameters (with their names) or buffers, tensors of any shape."""
        ...

    def enter(self, tensor: Tensor) -> None:
        """Note an input of the network, of any shape."""
        ...

    def call(self, name: str, args: tuple, kwargs: dict, out: Any, recorded: bool) -> None:
        """Note a call that has just been made, and whether it became an op."""
        ...

    def returned(self, scope: int, out: Any) -> None:
        """Note what the call of a module, by its number, returned."""
        ...
