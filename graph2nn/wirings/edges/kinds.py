"""`KINDS`: the ways to choose edges by name, and how each becomes a `Wiring`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graph2nn.names import choose
from graph2nn.training.top_k import top_k
from graph2nn.wirings.edges.slots import Slots
from graph2nn.wirings.edges.wiring import (
    Complete,
    Evolving,
    Fixed,
    Magnitude,
    TargetedDropout,
    Wiring,
)

__all__ = ["ALIASES", "KINDS", "Kind", "find_kind", "make_wiring", "random_mask"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An entry of `KINDS`.

    Args:
        summary: One line.
        make: Function that builds the wiring from slots, number of edges and options (`_Options`).
        drawn: Whether the edges at the start are drawn at random.
        fixed: Whether the edges live in a mask of the state dict.
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
    """Draw exactly `keep` of the slots, each set equally likely.

    Args:
        slots: Entries to draw from.
        keep: Number of edges.
        generator: Source of the draw; None means torch's global one.

    Shapes:
        -> `slots.shape`, bool.
    """
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
        summary="lottery ticket: the strongest of a trained complete wiring, its weights reset",
        make=_inherited,
        fixed=True,
    ),
    "td": Kind(summary="targeted dropout over the whole weight", make=_dropout(per_row=False)),
    "reg_td": Kind(summary="targeted dropout within each output", make=_dropout(per_row=True)),
    "rigl": Kind(
        summary="exchanges weak edges for those of large gradient",
        make=_evolving("gradient"),
        drawn=True,
        fixed=True,
    ),
    "set": Kind(
        summary="exchanges weak edges for random ones",
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
    """Return the name in `KINDS` of a kind or an alias.

    Raises:
        ValueError: The name is unknown; lists all.
    """
    return choose("wiring", ALIASES.get(name, name), [*KINDS], where="kind")


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
    """Make the wiring of one weight.

    Args:
        kind: Name in `KINDS` or `ALIASES`.
        slots: Entries that compete for the budget.
        keep: Number of edges; not looked at where all slots or a given mask are taken.
        rho: Probability with which targeted dropout drops a weak slot.
        weight: Numbers that `fine_tune` and `lottery` rank.
        mask: Edges of `given`.
        generator: Source of random edges; None means torch's global one.

    Shapes:
        weight `slots.shape`; mask `slots.shape` or its first two dimensions.

    Raises:
        ValueError: The kind is unknown, or the mask does not fit.
    """
    how = _Options(rho=rho, weight=weight, mask=mask, generator=generator)
    return KINDS[find_kind(kind)].make(slots, keep, how)
