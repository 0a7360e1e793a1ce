"""`WiredConv`: the layer whose weight is a wiring, and where a network has such layers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from graph2nn.wirings.edges.kinds import KINDS, find_kind, make_wiring
from graph2nn.wirings.edges.selection import edge_budget, select_weight
from graph2nn.wirings.edges.slots import Rectangle, Slots, full_mask

__all__ = ["WiredConv", "wired_layers"]


class WiredConv(nn.Conv2d):
    """A convolution of which only some weights are edges.

    With a kernel of 1 this is the graph of "Discovering Neural Wirings", arXiv:1906.00586: channels
    are nodes, node v receives I_v = Σ_u w_vu Z_u. Weights start as torch's do and are not rescaled
    for the few that are used, as published. All weights are stored, also those of slots that are no
    edges, as the discovered kind needs them.

    Args:
        in_channels, out_channels: Numbers of nodes that send and that receive.
        kernel_size, stride, padding, bias: See `torch.nn.Conv2d`.
        keep: Number of edges (int) or share of all slots (float); see `edge_budget`.
        kind: Name in `KINDS`.
        slots: Legal entries of the weight; None means all. Networks whose nodes are
            ordered pass those from earlier to later nodes.
        legacy_budget: Whether illegal slots compete for the budget too, as published, where more
            than half of it can be lost to them.
        candidates: Slots that compete; overrides `legacy_budget`.
        mask: Edges of kind "given".
        rho: Probability with which targeted dropout drops a weak slot.
        generator: Source of random edges; None means torch's global one.

    Attributes:
        wiring: What chooses the edges.
        slots: Legal entries of the weight.
        kind: Name in `KINDS`.

    Shapes:
        (B, in_channels, H, W) -> (B, out_channels, H', W').

    Raises:
        ValueError: There is no edge or more than there are legal slots, the kind is unknown, or the
            mask does not fit.

    Examples:
        >>> layer = WiredConv(16, 32, keep=40)
        >>> layer(torch.zeros(2, 16, 8, 8)).shape, int(layer.edges().sum())
        (torch.Size([2, 32, 8, 8]), 40)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        keep: int | float = 1.0,
        kind: str = "dnw",
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
        slots: Slots | None = None,
        legacy_budget: bool = False,
        candidates: Slots | None = None,
        mask: Tensor | None = None,
        rho: float = 0.95,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=bias
        )
        shape = tuple(self.weight.shape)
        self.kind, self.slots = find_kind(kind), slots or Slots(shape)
        if self.slots.shape != shape:
            raise ValueError(f"slots: expected those of a weight {shape}, got {self.slots.shape}")
        if mask is not None and self.kind != "given":
            raise ValueError(f"mask: only the kind given takes one, not {self.kind}")
        if candidates is None:
            candidates = Slots(shape) if legacy_budget else self.slots
        self._confined = candidates is not self.slots
        self.wiring = make_wiring(
            self.kind,
            candidates,
            self._budget(keep, candidates),
            rho=rho,
            weight=self.weight,
            mask=None if mask is None else full_mask(mask, shape),
            generator=generator,
        )

    def _budget(self, keep: int | float, candidates: Slots) -> int:
        if self.kind in ("complete", "given"):
            return candidates.count
        what = f"{self.in_channels} -> {self.out_channels} channels"
        return edge_budget(keep, candidates.total, most=candidates.count, where=what)

    @property
    def keep(self) -> int:
        """Number of edges."""
        return self.wiring.keep

    @property
    def is_fixed(self) -> bool:
        """Whether the edges live in a mask of the state dict."""
        return KINDS[self.kind].fixed

    def edges(self, *, legal: bool = False) -> Tensor:
        """Return the edges as evaluation sees them.

        Args:
            legal: Whether to leave out those in slots that the network does not use, which the
                published budget may contain.

        Shapes:
            -> shape of the weight, bool.
        """
        with torch.no_grad():
            mask = self.wiring.edges(self.weight)
        return mask & self.slots.mask(mask.device) if legal else mask

    def effective_weight(self) -> Tensor:
        """Return the weight of this forward pass, differentiable; see `select_weight`.

        Slots that are not legal are zero, whatever competes for the budget.

        Shapes:
            -> shape of the weight.
        """
        return self.pieces([Rectangle(0, self.out_channels, 0, self.in_channels)])[0]

    def pieces(self, rectangles: list[Rectangle] | None = None) -> tuple[Tensor, ...]:
        """Return parts of the effective weight, each contiguous.

        Args:
            rectangles: Parts to return; None means the legal ones.

        Shapes:
            -> for each rectangle (rows, columns, kernel, kernel).
        """
        mask = None if self.weight.is_meta else self.wiring(self.weight)
        if self._confined and (rectangles or self.slots.is_masked) and not self.weight.is_meta:
            legal = self.slots.mask(self.weight.device)
            mask = legal if mask is None else mask & legal
        return select_weight(
            self.weight,
            mask,
            self.slots.rectangles if rectangles is None else rectangles,
            straight_through=self.wiring.straight_through,
            gradient_hook=self.wiring.gradient_hook,
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.effective_weight(), self.bias)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, kind={self.kind!r}"


def wired_layers(model: nn.Module) -> Iterator[tuple[str, WiredConv]]:
    """Find the wired layers of a network by name, in order."""
    for name, module in model.named_modules():
        if isinstance(module, WiredConv):
            yield name, module
