"""`Wiring`: what chooses the edges among the slots of one weight, one class a mechanism."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.training.top_k import top_k
from graph2nn.wirings.edges.slots import Slots, full_mask

__all__ = ["Complete", "Evolving", "Fixed", "Magnitude", "TargetedDropout", "Wiring"]


class Wiring(nn.Module):
    """What chooses the edges among the slots of one weight.

    Called with the weight, it gives the mask of this forward pass.

    Args:
        slots: Entries that compete for the budget; see `Slots`.
        keep: Number of edges.

    Attributes:
        straight_through: Whether the gradient reaches slots that are no edges.
    """

    straight_through = False

    def __init__(self, slots: Slots, keep: int) -> None:
        super().__init__()
        self.slots, self.keep = slots, keep

    def forward(self, weight: Tensor) -> Tensor | None:
        """Return the edges of a forward pass; None means all slots.

        Shapes:
            weight `slots.shape` -> the same, bool.
        """
        return self.edges(weight)

    def edges(self, weight: Tensor) -> Tensor:
        """Return the edges as evaluation sees them.

        Shapes:
            weight `slots.shape` -> the same, bool.
        """
        raise NotImplementedError

    def refresh(self) -> None:
        """Forget what was chosen, so that the next use chooses anew; for timing."""

    @property
    def gradient_hook(self) -> Callable[[Tensor], None] | None:
        """What the wiring wants called with the gradient of all slots in the backward pass."""
        return None

    def extra_repr(self) -> str:
        return f"{self.keep} of {self.slots.count} slots"


class _Choice(NamedTuple):
    """Edges, and a copy of the weight for which they were chosen.

    The copy is compared with the present weight bit by bit. Nothing cheaper tells whether a weight
    has changed: fused optimisers and writes to `weight.data` leave its version counter alone, and a
    layer does not know its optimiser. The comparison takes about a tenth of the time of a choice.
    """

    weight: Tensor
    mask: Tensor

    def is_of(self, weight: Tensor) -> bool:
        """Whether that weight holds the same numbers at the same place."""
        known = self.weight
        if (known.shape, known.dtype, known.device) != (weight.shape, weight.dtype, weight.device):
            return False
        bits = _BITS[weight.element_size()]  # NaN equals itself
        now, then = weight.detach().view(bits), known.view(bits)
        if weight.device.type == "cpu":
            return bool(np.array_equal(now.numpy(), then.numpy()))  # a quarter of torch.equal
        return torch.equal(now, then)


_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Magnitude(Wiring):
    """The k slots of largest magnitude: discovered wirings, or the same without their update.

    arXiv:1906.00586, algorithm 1. The choice is made anew only when the weight holds other numbers,
    so once an optimiser step, however often a forward pass uses it, and not at all in evaluation.

    Args:
        slots, keep: See `Wiring`.
        straight_through: Whether all slots get their gradient (`dnw`) or the edges alone
            (`dnw_no_update`).
    """

    def __init__(self, slots: Slots, keep: int, *, straight_through: bool = True) -> None:
        super().__init__(slots, keep)
        self.straight_through = straight_through
        self._choice: _Choice | None = None

    def edges(self, weight: Tensor) -> Tensor:
        if self._choice is None or not self._choice.is_of(weight):
            plain = weight.detach()
            self._choice = _Choice(plain.clone(), self.choose(plain))
        return self._choice.mask

    def choose(self, weight: Tensor) -> Tensor:
        """Choose the edges of a weight, whatever was chosen before.

        Shapes:
            weight `slots.shape` -> the same, bool.
        """
        scores = self.slots.pack(weight).abs()
        return self.slots.unpack(top_k(scores, self.keep))

    def refresh(self) -> None:
        self._choice = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_choice": None}  # copies choose for themselves


class TargetedDropout(Magnitude):
    """The strongest slots, and in training each of the others with probability 1 - `rho`.

    Gomez et al., arXiv:1905.13678, section 3. Signs are kept, other than in the original's code,
    which handicaps this baseline by returning magnitudes. Dropped weights get no gradient. Draws
    come from torch's global generator, as those of dropout do.

    Args:
        slots, keep: See `Wiring`.
        rho: Probability of being dropped.
        per_row: Whether slots are ranked among those of the same output, each of which keeps its
            part of the edges.

    Raises:
        ValueError: `rho` is no probability.
    """

    def __init__(self, slots: Slots, keep: int, *, rho: float = 0.95, per_row: bool = False):
        super().__init__(slots, keep, straight_through=False)
        if not 0 <= rho <= 1:
            raise ValueError(f"rho: expected a probability from 0 to 1, got {rho}")
        self.rho, self.per_row = rho, per_row
        self._rows = _row_budgets(slots, keep) if per_row else None

    def forward(self, weight: Tensor) -> Tensor:
        kept = self.edges(weight)
        if not self.training:
            return kept
        stays = torch.rand(self.slots.count, device=weight.device) >= self.rho
        return kept | self.slots.unpack(stays)

    def choose(self, weight: Tensor) -> Tensor:
        if self._rows is None:
            return super().choose(weight)
        legal = self.slots.mask(weight.device).flatten(1)
        scores = weight.abs().flatten(1).masked_fill(~legal, -1.0)
        mask = torch.zeros_like(legal)
        for count in self._rows.unique().tolist():
            if count:
                rows = (self._rows == count).nonzero().flatten().to(weight.device)
                chosen = torch.topk(scores[rows], count, dim=1, sorted=False).indices
                mask[rows] = torch.zeros_like(legal[rows]).scatter_(1, chosen, True)
        return mask.view(weight.shape)


class Complete(Wiring):
    """Every slot.

    Args:
        slots: See `Wiring`.
    """

    mask: Tensor

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots, slots.count)
        self.register_buffer("mask", slots.mask(), persistent=False)

    def forward(self, weight: Tensor) -> Tensor | None:
        return None if self.slots.count == self.slots.total else self.mask

    def edges(self, weight: Tensor) -> Tensor:
        return self.mask


class Fixed(Wiring):
    """Edges that stay: drawn at random, given, or read off trained weights.

    Args:
        slots: See `Wiring`.
        mask: Edges, between nodes or of every weight; a buffer that is part of the state dict.

    Attributes:
        mask: Edges, bool, in the shape of the weight.

    Raises:
        ValueError: The mask has another shape, no edge, or edges in illegal slots.
    """

    mask: Tensor

    def __init__(self, slots: Slots, mask: Tensor) -> None:
        mask = full_mask(mask, slots.shape)
        super().__init__(slots, int(mask.sum()))
        self.register_buffer("mask", mask.contiguous())
        self._check()

    def edges(self, weight: Tensor) -> Tensor:
        return self.mask

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self.keep = int(self.mask.sum())

    def set_mask(self, mask: Tensor) -> None:
        """Take other edges, any number of them.

        Args:
            mask: Edges, not zero.

        Shapes:
            mask `slots.shape`.

        Raises:
            ValueError: There are none, or some in illegal slots; nothing has changed then.
        """
        before = self.mask.clone()
        self.mask.copy_((mask != 0).view(self.mask.shape))
        try:
            self._check()
        except ValueError:
            self.mask.copy_(before)
            raise
        self.keep = int(self.mask.sum())

    def _check(self) -> None:
        if not self.mask.any():
            raise ValueError("mask: expected at least one edge, got none")
        illegal = self.mask & ~self.slots.mask(self.mask.device)
        if illegal.any():
            row, column = illegal.nonzero()[0].tolist()[:2]
            raise ValueError(
                f"mask: {int(illegal.sum())} edges lie in slots that the network cannot use, the "
                f"first from input {column} to output {row}; {self.slots.count} of "
                f"{self.slots.total} slots are legal"
            )


class Evolving(Fixed):
    """Edges that `Rewiring` exchanges from time to time: RigL and SET.

    Args:
        slots: See `Wiring`.
        mask: Edges at the start; see `Fixed`.
        grow: Name of the rule for new edges: "gradient" (RigL, arXiv:1911.11134: the slots of
            largest gradient, from zero) or "random" (SET, arXiv:1707.04780: anywhere, from new
            random weights).

    Attributes:
        keeps_gradient: Whether the next backward pass is to leave the gradient of all slots.
        gradient: Gradient of all slots, in the shape of the weight; None before there is one.
    """

    def __init__(self, slots: Slots, mask: Tensor, *, grow: str) -> None:
        super().__init__(slots, mask)
        assert grow in ("gradient", "random"), grow
        self.grow, self.keeps_gradient = grow, False
        self.gradient: Tensor | None = None

    @property
    def gradient_hook(self) -> Callable[[Tensor], None] | None:
        return self._add if self.keeps_gradient else None

    def _add(self, gradient: Tensor) -> None:
        self.gradient = gradient if self.gradient is None else self.gradient + gradient

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "gradient": None}


def _row_budgets(slots: Slots, keep: int) -> Tensor:
    """Edges of each output: in proportion to its slots, the largest remainders rounded up, `keep`
    in total. Shapes: (outputs,) int64."""
    legal = slots.rows()
    exact = legal.double() * keep / slots.count
    counts = exact.floor().long()
    missing = keep - int(counts.sum())
    counts[torch.argsort(counts - exact, stable=True)[:missing]] += 1
    return counts
