"""From t = 0 to t = 1 along a differential equation: fixed steps, or those of torchdiffeq."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from graph2nn.names import choose

__all__ = ["ADAPTIVE", "FIXED", "SOLVERS", "Solver", "require_torchdiffeq"]

Flow = Callable[[Tensor], Tensor]
"""State to its derivative; time does not matter."""

FIXED = ("euler", "rk4")
"""Solvers of `steps` equal steps, which need nothing installed."""

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun")
"""Solvers of torchdiffeq that choose their steps by the tolerances."""

SOLVERS = (*ADAPTIVE, *FIXED)


@dataclass(frozen=True, kw_only=True)
class Solver:
    """How an autonomous equation dx/dt = f(x) is solved over [0, 1].

    Args:
        method: Name in `SOLVERS`. The published setting is dopri5.
        rtol, atol: Relative and absolute tolerance of the adaptive ones.
        steps: Number of steps of the fixed ones.
        adjoint: Whether to solve the equation backwards for the gradients instead of keeping every
            evaluation (arXiv:1806.07366, section 2): less memory, about twice the evaluations, and
            gradients that are as exact as the tolerances. Needs torchdiffeq, whose rk4 is another
            rule of fourth order (3/8) than the classical one that is used without.

    Raises:
        ValueError: A setting is out of range.

    Examples:
        >>> Solver(method="rk4", steps=10)(lambda x: -x, torch.ones(()))
        tensor(0.3679)
    """

    method: str = "dopri5"
    rtol: float = 1e-3
    atol: float = 1e-3
    steps: int = 8
    adjoint: bool = False

    def __post_init__(self) -> None:
        choose("method", self.method, SOLVERS, where="solver")
        if self.steps < 1:
            raise ValueError(f"solver: expected at least 1 step, got {self.steps}")
        if not (self.rtol > 0 and self.atol > 0):
            raise ValueError(
                f"solver: expected tolerances above 0, got rtol {self.rtol} and atol {self.atol}"
            )

    @property
    def needs_torchdiffeq(self) -> bool:
        """Whether the library is needed."""
        return self.adjoint or self.method in ADAPTIVE

    def __call__(self, flow: Flow, state: Tensor, parameters: Sequence[Tensor] = ()) -> Tensor:
        """Return the state at t = 1.

        Args:
            flow: Function from a state to its derivative.
            state: State at t = 0.
            parameters: Tensors that the derivative depends on, for the adjoint.

        Shapes:
            state of any shape -> the same.

        Raises:
            ImportError: Torchdiffeq is needed and not installed.
        """
        if not self.needs_torchdiffeq:
            return _fixed(flow, state, self.steps, self.method)
        library = require_torchdiffeq()
        times = torch.tensor([0.0, 1.0], device=state.device, dtype=state.dtype)
        how = {"method": self.method, "rtol": self.rtol, "atol": self.atol}
        if self.method in FIXED:
            how["options"] = {"step_size": 1 / self.steps}
        if self.adjoint:
            how["adjoint_params"] = tuple(p for p in parameters if p.requires_grad)
        solve = library.odeint_adjoint if self.adjoint else library.odeint
        return solve(lambda time, x: flow(x), state, times, **how)[-1]


def require_torchdiffeq() -> ModuleType:
    """Import the library.

    Raises:
        ImportError: It is not installed; says what to do.
    """
    try:
        return importlib.import_module("torchdiffeq")
    except ImportError as error:
        raise ImportError(
            'adaptive solvers and the adjoint need torchdiffeq: pip install "netwright[ode]"; '
            f"or use one of the solvers {' and '.join(FIXED)} without adjoint"
        ) from error


def _fixed(flow: Flow, state: Tensor, steps: int, method: str) -> Tensor:
    size = 1 / steps
    for _ in range(steps):
        first = flow(state)
        if method == "euler":
            state = state + size * first
            continue
        second = flow(state + size / 2 * first)
        third = flow(state + size / 2 * second)
        fourth = flow(state + size * third)
        state = state + size / 6 * (first + 2 * (second + third) + fourth)
    return state
