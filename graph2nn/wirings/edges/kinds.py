"""How a wiring chooses its edges: one class a mechanism, and the registry `KINDS`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from graph2nn.wirings.edges.selection import top_k
from graph2nn.wirings.edges.slots import Slots, full_mask

__all__ = [
    "ALIASES",
    "KINDS",
    "Complete",
    "Evolving",
    "Fixed",
    "Kind",
    "Magnitude",
    "TargetedDropout",
    "Wiring",
    "find_kind",
    "make_wiring",
    "random_mask",
]


class Wiring(nn.Module):
    """Chooses the edges among the slots of one weight.

    Called with the weight, it gives the mask of this forward pass.

    Args:
        slots: those that compete; see `Slots`.
        keep: number of edges.

    Attributes:
        straight_through: whether the gradient reaches slots that are no edges.
    """

    straight_through = False

    def __init__(self, slots: Slots, keep: int) -> None:
        super().__init__()
        self.slots, self.keep = slots, keep

    def forward(self, weight: Tensor) -> Tensor | None:
        """The edges of a forward pass, shape of the weight; None means all slots."""
        return self.edges(weight)

    def edges(self, weight: Tensor) -> Tensor:
        """The edges as evaluation sees them. Shapes: the weight's, bool."""
        raise NotImplementedError

    def refresh(self) -> None:
        """To be called after writing to `weight.data`, which leaves no trace."""

    @property
    def observer(self) -> Callable[[Tensor], None] | None:
        """Is shown the gradient of all slots, where the wiring asks for it."""
        return None

    def extra_repr(self) -> str:
        return f"{self.keep} of {self.slots.count} slots"


class Magnitude(Wiring):
    """The k slots of largest magnitude: discovered wirings, or the same without their update.

    arXiv:1906.00586, algorithm 1. The choice is made anew only when the weight has changed, so once
    an optimiser step, however often a forward pass uses it.

    Args:
        slots, keep: see `Wiring`.
        straight_through: true for `dnw`; without it pruned weights get no gradient
            (`dnw_no_update`).
    """

    def __init__(self, slots: Slots, keep: int, *, straight_through: bool = True) -> None:
        super().__init__(slots, keep)
        self.straight_through = straight_through
        self._choice: tuple[Any, Tensor] | None = None

    def edges(self, weight: Tensor) -> Tensor:
        key = None if weight.is_inference() else _stamp(weight)
        if self._choice is not None and key is not None and _same(self._choice[0], key):
            return self._choice[1]
        mask = self.choose(weight.detach())
        self._choice = None if key is None else (key, mask)
        return mask

    def choose(self, weight: Tensor) -> Tensor:
        """The edges of a weight, whatever was chosen before."""
        scores = self.slots.pack(weight).abs()
        return self.slots.unpack(top_k(scores, self.keep))

    def refresh(self) -> None:
        self._choice = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_choice": None}  # a weak reference cannot be pickled


class TargetedDropout(Magnitude):
    """Training drops each of the weakest slots with probability `rho`; evaluation drops all.

    Gomez et al., arXiv:1905.13678, section 3. Signs are kept, other than in the original's code,
    which handicaps this baseline by returning magnitudes. Dropped weights get no gradient. Draws
    come from torch's global generator, as those of dropout do.

    Args:
        slots, keep: see `Wiring`.
        rho: probability of being dropped.
        per_row: rank among the slots of the same output, each of which keeps its part of the edges.
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
    """Every slot is an edge."""

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
        slots: see `Wiring`.
        mask: the edges, a buffer that is part of the state dict.

    Attributes:
        mask: the edges.
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
        """Other edges, any number of them.

        Raises:
            ValueError: none, or some in illegal slots; nothing has changed then.
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
        slots, mask: see `Fixed`; the mask is the wiring at the start.
        grow: "gradient" (RigL, arXiv:1911.11134: the slots of largest gradient, from zero) or
            "random" (SET, arXiv:1707.04780: anywhere, from new random weights).

    Attributes:
        observing: whether the next backward pass is to leave the gradient of all slots.
        observed: that gradient.
    """

    def __init__(self, slots: Slots, mask: Tensor, *, grow: str) -> None:
        super().__init__(slots, mask)
        assert grow in ("gradient", "random"), grow
        self.grow, self.observing = grow, False
        self.observed: Tensor | None = None

    @property
    def observer(self) -> Callable[[Tensor], None] | None:
        return self._observe if self.observing else None

    def _observe(self, gradient: Tensor) -> None:
        self.observed = gradient if self.observed is None else self.observed + gradient

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "observed": None}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An entry of `KINDS`.

    Args:
        summary: one line.
        make: builds the wiring from slots, number of edges and options (`_Options`).
        drawn: whether the edges at the start are drawn at random.
        fixed: whether the edges live in a mask of the state dict.
    """

    summary: str
    make: Callable[[Slots, int, _Options], Wiring]
    drawn: bool = False
    fixed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Options:
    rho: float
    weight: Tensor | None
    mask: Tensor | None
    generator: torch.Generator | None


def random_mask(slots: Slots, keep: int, generator: torch.Generator | None = None) -> Tensor:
    """Exactly `keep` of the slots, each set equally likely. Shapes: the slots', bool."""
    return slots.unpack(top_k(torch.rand(slots.count, generator=generator), keep))


def _random(slots: Slots, keep: int, how: _Options) -> Fixed:
    return Fixed(slots, random_mask(slots, keep, how.generator))


def _evolving(grow: str) -> Callable[[Slots, int, _Options], Wiring]:
    def make(slots: Slots, keep: int, how: _Options) -> Wiring:
        return Evolving(slots, random_mask(slots, keep, how.generator), grow=grow)

    return make


def _dropout(per_row: bool) -> Callable[[Slots, int, _Options], Wiring]:
    return lambda slots, keep, how: TargetedDropout(slots, keep, rho=how.rho, per_row=per_row)


def _inherited(slots: Slots, keep: int, how: _Options) -> Fixed:
    """The strongest slots of the weight as it is now; `tickets` reads others off a trained one."""
    if how.weight is None or how.weight.is_meta:
        return _random(slots, keep, how)
    return Fixed(slots, slots.unpack(top_k(slots.pack(how.weight.detach()).abs(), keep)))


def _given(slots: Slots, keep: int, how: _Options) -> Fixed:
    if how.mask is None:
        raise ValueError("mask: the wiring 'given' needs the edges, as a mask or a graph; got None")
    return Fixed(slots, how.mask)


KINDS: dict[str, Kind] = {
    "dnw": Kind(
        summary="discovered: the strongest slots, every slot gets its gradient",
        make=lambda slots, keep, how: Magnitude(slots, keep),
    ),
    "dnw_no_update": Kind(
        summary="the strongest slots, only they get a gradient",
        make=lambda slots, keep, how: Magnitude(slots, keep, straight_through=False),
    ),
    "random": Kind(summary="drawn once", make=_random, drawn=True, fixed=True),
    "complete": Kind(summary="all slots", make=lambda slots, keep, how: Complete(slots)),
    "fine_tune": Kind(
        summary="the strongest of a trained complete wiring, its weights kept",
        make=_inherited,
        fixed=True,
    ),
    "lottery": Kind(
        summary="the strongest of a trained complete wiring, its weights reset",
        make=_inherited,
        fixed=True,
    ),
    "td": Kind(summary="targeted dropout over the whole weight", make=_dropout(per_row=False)),
    "reg_td": Kind(summary="targeted dropout within each output", make=_dropout(per_row=True)),
    "rigl": Kind(
        summary="drops weak edges, grows those of large gradient",
        make=_evolving("gradient"),
        drawn=True,
        fixed=True,
    ),
    "set": Kind(
        summary="drops weak edges, grows random ones",
        make=_evolving("random"),
        drawn=True,
        fixed=True,
    ),
    "given": Kind(summary="a mask or graph of one's own", make=_given, fixed=True),
}
"""Ways to choose edges, by name."""

ALIASES = {"lottery_one_shot": "lottery", "fixed": "given", "full": "complete", "ft": "fine_tune"}
"""Other names of kinds."""


def find_kind(name: str) -> str:
    """The name in `KINDS`.

    Raises:
        ValueError: unknown; lists all.
    """
    found = ALIASES.get(name, name)
    if found not in KINDS:
        raise ValueError(f"kind: no wiring {name!r}; there are {', '.join(KINDS)}")
    return found


def make_wiring(
    kind: str,
    slots: Slots,
    keep: int,
    *,
    rho: float = 0.95,
    weight: Tensor | None = None,
    mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Wiring:
    """The wiring of one weight.

    Args:
        kind: a name of `KINDS` or `ALIASES`.
        slots: that compete.
        keep: number of edges; not looked at where all slots or a given mask are taken.
        rho: of targeted dropout.
        weight: of `fine_tune` and `lottery`, which rank it.
        mask: of `given`.
        generator: of random edges; None means torch's global one.

    Raises:
        ValueError: unknown kind, or a mask that does not fit.
    """
    how = _Options(rho=rho, weight=weight, mask=mask, generator=generator)
    return KINDS[find_kind(kind)].make(slots, keep, how)


_steps = [0]  # of any optimiser


def _count_step(*_: Any) -> None:
    _steps[0] += 1


# Fused optimisers write to weights without a trace in `_version`, so their steps are counted.
register_optimizer_step_post_hook(_count_step)


def _stamp(weight: Tensor) -> tuple[Any, ...]:
    """Changes whenever the tensor is another one, moved, written to in place, or any optimiser has
    taken a step."""
    return weakref.ref(weight), weight._version, weight.data_ptr(), weight.device, _steps[0]


def _same(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    return old[0]() is new[0]() and old[1:] == new[1:]


def _row_budgets(slots: Slots, keep: int) -> Tensor:
    """Edges of each output: in proportion to its slots, the largest remainders rounded up, `keep`
    in total. Shapes: (outputs,) int64."""
    legal = slots.rows()
    exact = legal.double() * keep / slots.count
    counts = exact.floor().long()
    missing = keep - int(counts.sum())
    counts[torch.argsort(counts - exact, stable=True)[:missing]] += 1
    return counts
