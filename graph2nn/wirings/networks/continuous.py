"""The tiny classifier in continuous time: the wiring is the right side of an equation."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from graph2nn.wirings.networks.ode import Solver, require_torchdiffeq
from graph2nn.wirings.networks.tiny import TinyWiring

__all__ = ["ContinuousTimeWiring"]


class ContinuousTimeWiring(TinyWiring):
    """The continuous setting: dx/dt = IN(W · dw(ReLU(x))) from t = 0 to 1.

    arXiv:1906.00586, section 2.2, solved by torchdiffeq's dopri5 with tolerances of 1e-3 and plain
    back-propagation, as published; about 32 evaluations at the start of training. The edges are
    chosen once a forward pass.

    Args:
        kind: Name in `KINDS` of the way to choose edges.
        solver: Method by which the equation is solved; fixed steps (`Solver(method="rk4")`) need
            nothing installed.
        how: Further arguments of `TinyWiring`; `layers` means nothing here.

    Attributes:
        nfe: Number of evaluations of the right side in the last forward pass, and in the backward
            pass that follows it where the solver uses the adjoint.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).

    Raises:
        ValueError: See `TinyWiring`.
        ImportError: The solver needs torchdiffeq, which is not installed.

    Examples:
        >>> model = ContinuousTimeWiring("dnw", solver=Solver(method="rk4", steps=4))
        >>> model(torch.zeros(1, 3, 32, 32)).shape, model.nfe
        (torch.Size([1, 10]), 16)
    """

    setting = "continuous"

    def __init__(self, kind: str = "dnw", *, solver: Solver | None = None, **how: Any) -> None:
        solver = solver or Solver()
        if solver.needs_torchdiffeq:
            require_torchdiffeq()
        super().__init__(kind, **how)
        self.solver, self.nfe = solver, 0

    def forward(self, images: Tensor) -> Tensor:
        weight, state = self.wires.effective_weight(), self.initial_state(images)
        self.nfe = 0

        def flow(x: Tensor) -> Tensor:
            self.nfe += 1
            return self.update(x, weight)

        parameters = (weight, self.depthwise.weight, self.norm_weight, self.norm_bias)
        return self.classify(self.solver(flow, state, parameters))
