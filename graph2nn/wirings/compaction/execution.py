"""How a fixed wiring is multiplied with: dense, or only its edges."""

from __future__ import annotations

import importlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from types import ModuleType
from typing import TypeVar

import torch
from torch import Tensor, nn

from graph2nn.names import choose

__all__ = ["AUTO_DENSITY", "EXECUTIONS", "EdgeProduct", "choose_execution", "set_execution"]

EXECUTIONS = ("dense", "csr")
"""Ways to multiply: with all slots, or with the edges alone, stored by rows."""

AUTO_DENSITY = {"compiled": 0.3, "torch": 0.15}
"""Share of slots that are edges below which "auto" takes csr, with numba and without;
`benchmarks/wirings.py` measures it."""

_CHUNK = 2048  # columns that are worth a thread of their own

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class EdgeProduct(nn.Module):
    """Sums of what nodes receive, for evaluation: W · sent + bias with a fixed wiring.

    Only the edges are stored, and the dense matrix beside them where it is multiplied with, so that
    the state dict does not depend on the execution. No gradients.

    Args:
        weight: Weights of all slots, 0 where there is no edge.
        bias: Summand of each receiver; None means zeros.
        execution: Name in `EXECUTIONS`, or "auto".

    Attributes:
        values: Weights of the edges, row by row.
        positions: Number of columns of the last product.

    Shapes:
        weight (receivers, senders), bias (receivers,); (senders, N) -> (receivers, N).

    Examples:
        >>> product = EdgeProduct(torch.tensor([[0.0, 2.0]]), execution="csr")
        >>> product(torch.tensor([[1.0], [3.0]]))
        tensor([[6.]])
    """

    pointers: Tensor
    senders: Tensor
    bias: Tensor | None
    dense: Tensor | None

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, execution: str = "auto"
    ) -> None:
        super().__init__()
        self.shape, self.positions = (weight.shape[0], weight.shape[1]), 0
        weight, edges = weight.detach().float(), weight.detach() != 0
        ends = edges.sum(1).cumsum(0)
        self.register_buffer("pointers", torch.cat([ends.new_zeros(1), ends]))
        self.register_buffer("senders", edges.nonzero()[:, 1].contiguous())
        self.values = nn.Parameter(weight[edges], requires_grad=False)
        if bias is not None:
            bias = nn.Parameter(bias.detach().to(weight).clone(), requires_grad=False)
        self.register_parameter("bias", bias)
        self.register_buffer("dense", None, persistent=False)
        self.set_execution(execution)

    @property
    def density(self) -> float:
        """Share of slots that are edges."""
        return len(self.values) / max(1, self.shape[0] * self.shape[1])

    @property
    def macs(self) -> int:
        """Number of multiply-adds for one column, as executed."""
        return self.shape[0] * self.shape[1] if self.execution == "dense" else len(self.values)

    def weight(self) -> Tensor:
        """Return the weights of all slots, 0 where there is no edge.

        Shapes:
            -> (receivers, senders).
        """
        found = self.values.new_zeros(self.shape)
        counts = self.pointers.diff()
        rows = torch.arange(self.shape[0], device=counts.device).repeat_interleave(counts)
        found[rows, self.senders] = self.values.detach()
        return found

    def set_execution(self, execution: str) -> None:
        """Change how this product is executed; see `set_execution` for all of a model.

        Raises:
            ValueError: The execution is unknown; lists them.
        """
        _check_execution(execution)
        if execution == "auto":
            execution = choose_execution(self)
        self.execution = execution
        self.dense = self.weight() if execution == "dense" else None

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self.set_execution(self.execution)

    @torch.no_grad()
    def forward(self, sent: Tensor) -> Tensor:
        self.positions = sent.shape[1]
        if self.dense is not None:
            bias = sent.new_zeros(1, 1) if self.bias is None else self.bias[:, None]
            return torch.addmm(bias, self.dense, sent)
        sent = sent.to(self.values.dtype)
        if _is_compiled(sent):
            return self._multiply(sent.contiguous())
        with warnings.catch_warnings(), torch.autocast(sent.device.type, enabled=False):
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            edges = torch.sparse_csr_tensor(
                self.pointers, self.senders, self.values, self.shape, check_invariants=False
            )
            heard = edges @ sent
        return heard if self.bias is None else heard.add_(self.bias[:, None])

    def _multiply(self, sent: Tensor) -> Tensor:
        loops = _compiled()
        assert loops is not None
        heard = sent.new_empty(self.shape[0], sent.shape[1])
        bias = sent.new_zeros(self.shape[0]) if self.bias is None else self.bias
        tensors = (self.pointers, self.senders, self.values, bias, sent, heard)
        multiply = partial(loops.multiply_edges, *[t.detach().numpy() for t in tensors])
        columns, threads = sent.shape[1], torch.get_num_threads()
        step = max(_CHUNK, -(-columns // threads))
        if threads == 1 or columns <= step:
            multiply(0, columns)
            return heard
        work = [
            _pool(threads).submit(multiply, first, min(first + step, columns))
            for first in range(0, columns, step)
        ]
        for part in work:
            part.result()
        return heard

    def extra_repr(self) -> str:
        return (
            f"{self.shape[1]} -> {self.shape[0]}, edges={len(self.values)}, "
            f"density={self.density:.3g}, execution={self.execution!r}"
        )


def choose_execution(product: EdgeProduct) -> str:
    """Return what "auto" means for a product.

    On a CPU csr below the density at which it is as fast as dense (`AUTO_DENSITY`), else dense.
    """
    if product.values.device.type not in ("cpu", "meta"):
        return "dense"
    limit = AUTO_DENSITY["torch" if _compiled() is None else "compiled"]
    return "csr" if product.density < limit else "dense"


def set_execution(model: ModuleT, execution: str) -> ModuleT:
    """Change how all products of a compacted model are executed, in place.

    Args:
        model: Network that `compact` returned.
        execution: Name in `EXECUTIONS`, or "auto": the fastest for each product, see
            `choose_execution`.

    Returns:
        The model.

    Raises:
        ValueError: The execution is unknown, or the model is still being trained.
    """
    _check_execution(execution)
    products = [module for module in model.modules() if isinstance(module, EdgeProduct)]
    if not products:
        raise ValueError(
            f"expected a model of compact(), got {type(model).__name__}; a wiring that can still "
            "change is multiplied with dense; use compact(model, prune=False) to keep all nodes"
        )
    for product in products:
        product.set_execution(execution)
    return model


def _check_execution(execution: str) -> None:
    choose("execution", execution, (*EXECUTIONS, "auto"))


@cache
def _compiled() -> ModuleType | None:
    """The compiled loops, where numba is installed."""
    try:
        return importlib.import_module("graph2nn.wirings.compaction.compiled")
    except ImportError:
        return None


def _is_compiled(sent: Tensor) -> bool:
    plain = sent.device.type == "cpu" and sent.dtype == torch.float32
    return plain and _compiled() is not None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="edges")
