"""A cell: two inputs, a few summed pairs of operations, one concatenated output."""

from __future__ import annotations

import torch
from torch import nn

from graph2nn.deepnets.graphs.layout import CellSpec
from graph2nn.deepnets.networks.layers import drop_path
from graph2nn.deepnets.networks.ops import FactorizedReduce, Stride, build_op, relu_conv_norm

__all__ = ["Cell"]

Device = torch.device | str | None


class Cell(nn.Module):
    """A cell of a DeepNets-1M network (DARTS, arXiv:1806.09055, section 2.1).

    Args:
        spec: Structure and widths.
        norm: Normalisation, see `NetConfig`.
        preproc: Whether inputs get a 1x1 preprocessing.
        unused: Whether operations that do not contribute are built, too (they never run).

    Shapes: (B, c_prev_prev, H0, W0), (B, c_prev, H1, W1) -> (B, len(concat) * c, H, W).
    """

    def __init__(
        self,
        spec: CellSpec,
        norm: str | None,
        preproc: bool,
        *,
        unused: bool = False,
        device: Device = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        uses = (True, True) if unused else spec.plan.uses if spec.plan else (False, False)
        self.preprocess0: nn.Module = nn.Identity()
        self.preprocess1: nn.Module = nn.Identity()
        if uses[0] and preproc and spec.shrink0:
            self.preprocess0 = FactorizedReduce(spec.c_prev_prev, spec.c, norm, device)
        elif uses[0] and preproc:
            self.preprocess0 = relu_conv_norm(spec.c_prev_prev, spec.c, 1, 1, norm, device)
        elif spec.shrink0:
            self.preprocess0 = Stride()
        if uses[1] and preproc:
            self.preprocess1 = relu_conv_norm(spec.c_prev, spec.c, 1, 1, norm, device)
        self._ops = nn.ModuleList()
        for j, (name, state) in enumerate(spec.edges):
            live = spec.plan is not None and spec.plan.live[j]
            if name == "none" or not (live or unused):
                self._ops.append(nn.Identity())
                continue
            stride = spec.stride if state < 2 else 1
            self._ops.append(build_op(name, spec.c, stride, norm, device))

    def forward(
        self,
        s0: torch.Tensor | None,
        s1: torch.Tensor | None,
        drop_prob: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor | None:
        """Compute the output, or None if nothing needs it.

        States that nothing uses may be None.

        Shapes:
            s0 (B, c_prev_prev, H0, W0), s1 (B, c_prev, H1, W1) -> (B, len(concat) * c, H, W).
        """
        edges, concat, plan = self.spec.edges, self.spec.concat, self.spec.plan
        if plan is None:
            return None
        states = [
            self.preprocess0(s0) if plan.uses[0] else None,
            self.preprocess1(s1) if plan.uses[1] else None,
        ]
        for step in range(0, len(edges), 2):
            total = None
            for j in (step, step + 1):
                if not plan.live[j]:
                    continue
                op = self._ops[j]
                h = op(states[edges[j][1]])
                if drop_prob > 0 and self.training and not isinstance(op, nn.Identity):
                    h = drop_path(h, drop_prob, generator)
                total = h if total is None else total + h
            states.append(total)
        return _concat([states[i] for i in concat])


def _concat(parts: list[torch.Tensor | None]) -> torch.Tensor:
    """Concatenates along channels; a missing state stands for zeros shaped like the others."""
    if any(part is None for part in parts):
        first = next(part for part in parts if part is not None)
        zeros = first * 0  # keeps an infinite or missing value visible, as in the original
        parts = [zeros if part is None else part for part in parts]
    return torch.cat(parts, dim=1)  # type: ignore[arg-type]
