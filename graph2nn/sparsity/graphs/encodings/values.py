"""Symbolic activations: for every position of a tensor, the nodes that it stands for.

An index has the shape of the tensor it describes and one axis more, the last: the set of nodes at
that position, filled up with -1. One node is the rule; several stand where pooling has gathered
them; none (-1 only) where the network pads with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "adaptive_windows",
    "distinct",
    "expanded",
    "interpolation",
    "nodes_of",
    "overlap",
    "padded",
    "pool_windows",
    "repeats",
    "replay",
    "windows",
]


def replay(function: Callable[..., Tensor | Sequence[Tensor]], *indices: Tensor) -> list[Tensor]:
    """Run a function that only moves positions (`view`, `cat`, `chunk`) on what stands at them.

    Args:
        function: Function of as many tensors as there are indices; it may write -1 for "nothing".
        indices: Indices, each (*S, K) with S the shape of the tensor it stands for.
    """
    width = max(index.shape[-1] for index in indices)
    if width == 1:
        return [out.unsqueeze(-1) for out in _listed(function(*(i.squeeze(-1) for i in indices)))]
    rows: list[Tensor] = []
    places: list[Tensor] = []
    start = 0
    for index in indices:
        rows.append(F.pad(index, (0, width - index.shape[-1]), value=-1).reshape(-1, width))
        shape = index.shape[:-1]
        places.append(torch.arange(start, start + len(rows[-1])).reshape(shape))
        start += len(rows[-1])
    table = torch.cat([*rows, rows[0].new_full((1, width), -1)])
    return [table[out] for out in _listed(function(*places))]  # -1 takes the last, empty row


def _listed(out: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [out] if isinstance(out, Tensor) else list(out)


def padded(index: Tensor, pad: Sequence[int], mode: str = "constant") -> Tensor:
    """Pad the positions of an index as `torch.nn.functional.pad`; zeros are no nodes.

    Shapes: (..., H, W, K) -> (..., H', W', K).
    """
    if mode == "constant":
        return F.pad(index, (0, 0, *pad), value=-1)

    def move(places: Tensor) -> Tensor:  # these modes are not made for integers
        return F.pad(places.double(), tuple(pad), mode=mode).long()

    return replay(move, index)[0]


def expanded(index: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast an index (*S, K) to a tensor's shape."""
    width = index.shape[-1]
    missing = len(shape) - (index.dim() - 1)
    return index.reshape(*(1,) * missing, *index.shape).expand(*shape, width)


def pool_windows(
    size: int, out: int, kernel: int, stride: int, padding: int, dilation: int
) -> Tensor:
    """Find what each output of a pooling window reads along one axis.

    Shapes: (out, kernel) int64, -1 outside.
    """
    places = torch.arange(out)[:, None] * stride - padding
    places = places + torch.arange(kernel) * dilation
    return places.where((places >= 0) & (places < size), -1)


def adaptive_windows(size: int, out: int) -> Tensor:
    """Find what each output of adaptive pooling reads along one axis, (out, widest window)."""
    steps = torch.arange(out)
    first, last = steps * size // out, -(-(steps + 1) * size // out)
    places = first[:, None] + torch.arange(int((last - first).max()))
    return places.where(places < last[:, None], -1)


def interpolation(size: int, out: int, *, align_corners: bool) -> Tensor:
    """Find the two neighbours that linear interpolation reads along one axis, (out, 2)."""
    steps = torch.arange(out, dtype=torch.float64)
    if align_corners:
        place = steps * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        place = ((steps + 0.5) * size / out - 0.5).clamp(min=0)
    low = (place + 1e-9).floor().long().clamp(max=size - 1)
    high = (low + 1).where((place - low > 1e-9) & (low + 1 < size), -1)
    return torch.stack([low, high], 1)


def windows(index: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gather windows of the last two axes of a tensor: its sets become unions.

    Shapes: index (..., H, W, K), rows (H', h), columns (W', w) → (..., H', W', h·w·K).
    """
    index = F.pad(index, (0, 0, 0, 1, 0, 1), value=-1)  # -1 takes the last, empty row or column
    taken = index[..., rows[:, None, :, None], columns[None, :, None, :], :]
    return taken.flatten(-3)


def nodes_of(index: Tensor) -> Tensor:
    """List the nodes in an index (*S, K), as often as they occur, (nodes,)."""
    flat = index.reshape(-1)
    return flat[flat >= 0]


def repeats(index: Tensor) -> bool:
    """Tell whether any node occurs twice in an index (*S, K)."""
    nodes = nodes_of(index)
    if not len(nodes):
        return False
    return int(_occurring(nodes)[0].sum()) < len(nodes)


def distinct(index: Tensor) -> Tensor:
    """Keep every node at most once in each set of an index (*S, K)."""
    if index.shape[-1] == 1:
        return index
    ordered = index.sort(-1, descending=True).values
    again = ordered[..., 1:] == ordered[..., :-1]
    kept = ordered.clone()
    kept[..., 1:][again] = -1
    kept = kept.sort(-1, descending=True).values
    return kept[..., : max(1, int((kept >= 0).sum(-1).max()))]


def overlap(first: Sequence[Tensor], second: Tensor) -> bool:
    """Tell whether any of the first indices has a node in common with the second, (*S, K) each."""
    nodes = nodes_of(second)
    if not len(nodes):
        return False
    seen, low, high = _occurring(nodes)
    for index in first:
        others = nodes_of(index)
        others = others[(others >= low) & (others <= high)]
        if len(others) and bool(seen[others - low].any()):
            return True
    return False


def _occurring(nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the nodes from the lowest to the highest there are, and these two."""
    low, high = nodes.aminmax()
    seen = torch.zeros(int(high - low) + 1, dtype=torch.bool)
    seen[nodes - low] = True
    return seen, low, high
