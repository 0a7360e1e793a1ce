"""`Slots`: which entries of a weight may be edges, and their order in a flat vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["Rectangle", "Slots", "full_mask"]


class Rectangle(NamedTuple):
    """Some outputs times some inputs of a weight: all edges between two groups of nodes."""

    first_row: int
    end_row: int
    first_column: int
    end_column: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index that takes the rectangle out of a weight."""
        return slice(self.first_row, self.end_row), slice(self.first_column, self.end_column)

    @property
    def area(self) -> int:
        """Number of pairs of an output and an input."""
        return (self.end_row - self.first_row) * (self.end_column - self.first_column)


class Slots:
    """The legal entries of a weight, as disjoint rectangles or as a mask.

    A slot is an entry of the weight that may become an edge. Nodes of a feed-forward wiring only
    send to later ones, so a part of the weight can never be an edge: 59 % of it in the tiny static
    classifier (arXiv:1906.00586, section 3).

    Args:
        shape: Shape of the weight, (outputs, inputs, ...).
        rectangles: Parts that are legal; they must not overlap. Without them and `legal`,
            everything is.
        legal: Mask instead of rectangles, of the weight's shape; one of shape (outputs, inputs)
            counts for every position of the kernel.

    Raises:
        ValueError: Rectangles overlap or leave the weight, or the mask has another shape.

    Examples:
        >>> slots = Slots((3, 2), [Rectangle(1, 3, 0, 1)])
        >>> slots.count, slots.mask().tolist()
        (2, [[False, False], [True, False], [True, False]])
    """

    def __init__(
        self,
        shape: Sequence[int],
        rectangles: Iterable[Sequence[int]] | None = None,
        *,
        legal: Tensor | None = None,
    ) -> None:
        self.shape = tuple(int(size) for size in shape)
        if len(self.shape) < 2 or min(self.shape) < 1:
            raise ValueError(f"shape: expected (outputs, inputs, ...) from 1 up, got {self.shape}")
        whole = Rectangle(0, self.shape[0], 0, self.shape[1])
        given = [whole] if rectangles is None else [Rectangle(*found) for found in rectangles]
        self.rectangles: tuple[Rectangle, ...] = tuple(given)
        self._index: Tensor | None = None
        if legal is not None:
            self._index = full_mask(legal, self.shape).flatten().nonzero().flatten()
        else:
            _check(self.rectangles, self.shape)

    @property
    def is_masked(self) -> bool:
        """Whether a mask says what is legal, so that the rectangles hold more than that."""
        return self._index is not None

    @property
    def kernel(self) -> int:
        """Number of entries of the weight between two nodes."""
        return int(torch.Size(self.shape[2:]).numel())

    @property
    def total(self) -> int:
        """Number of entries of the weight, legal or not."""
        return int(torch.Size(self.shape).numel())

    @property
    def count(self) -> int:
        """Number of legal entries."""
        if self._index is not None:
            return len(self._index)
        return sum(found.area for found in self.rectangles) * self.kernel

    def pack(self, values: Tensor) -> Tensor:
        """Take the legal entries, always in the same order, whatever the memory format.

        Shapes:
            values `shape` -> (count,).
        """
        if self._index is not None:
            return values.flatten()[self._moved(values.device)]
        parts = [values[found.part].flatten() for found in self.rectangles]
        return torch.cat(parts) if len(parts) != 1 else parts[0]

    def unpack(self, packed: Tensor) -> Tensor:
        """Undo `pack`; illegal entries are zero.

        Shapes:
            packed (count,) -> `shape`.
        """
        if self._index is not None:
            found = packed.new_zeros(self.total)
            found[self._moved(packed.device)] = packed
            return found.view(self.shape)
        if self.count == self.total and len(self.rectangles) == 1:
            return packed.view(self.shape)
        found, start = packed.new_zeros(self.shape), 0
        for rectangle in self.rectangles:
            part = found[rectangle.part]
            part.copy_(packed[start : start + part.numel()].view(part.shape))
            start += part.numel()
        return found

    def mask(self, device: torch.device | str = "cpu") -> Tensor:
        """Return where the legal entries are.

        Shapes:
            -> `shape`, bool.
        """
        return self.unpack(torch.ones(self.count, dtype=torch.bool, device=device))

    def rows(self) -> Tensor:
        """Count the legal entries of each output.

        Shapes:
            -> (outputs,) int64.
        """
        return self.mask().flatten(1).sum(1)

    def _moved(self, device: torch.device) -> Tensor:
        assert self._index is not None
        if self._index.device != device:
            self._index = self._index.to(device)
        return self._index

    def __repr__(self) -> str:
        return f"Slots({self.count} of {' x '.join(map(str, self.shape))})"


def full_mask(mask: Any, shape: tuple[int, ...]) -> Tensor:
    """Spread a mask between nodes over every weight; one of every weight stays.

    Args:
        mask: Zeros and ones, anything that becomes a tensor.
        shape: Shape of the weight.

    Shapes:
        mask (outputs, inputs) or `shape` -> `shape`, bool.

    Raises:
        ValueError: The mask has another shape.
    """
    mask = torch.as_tensor(mask) != 0
    if mask.shape == shape[:2] and len(shape) > 2:
        mask = mask.view(*mask.shape, *[1] * (len(shape) - 2)).expand(shape)
    if mask.shape != shape:
        raise ValueError(
            f"mask: expected shape {shape[:2]} (outputs, inputs) or {shape}, got "
            f"{tuple(mask.shape)}"
        )
    return mask


def _check(rectangles: tuple[Rectangle, ...], shape: tuple[int, ...]) -> None:
    taken = torch.zeros(shape[:2], dtype=torch.bool)
    for found in rectangles:
        inside = 0 <= found.first_row <= found.end_row <= shape[0]
        inside &= 0 <= found.first_column <= found.end_column <= shape[1]
        if not inside:
            raise ValueError(f"rectangles: {found} leaves a weight of {shape[0]} x {shape[1]}")
        if taken[found.part].any():
            raise ValueError(f"rectangles: {found} overlaps with another one")
        taken[found.part] = True
