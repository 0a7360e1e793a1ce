"""How do tensors keep their values where a forward pass writes into them? By copies in time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from graph2nn.archgraph.tracing.caller.finding import tensors_in

__all__ = ["TensorGuard", "memory_of"]

# Positions of running statistics that these change, though their schemas do not say so.
_UNMARKED = dict.fromkeys(["native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"], (3, 4))


class TensorGuard(TorchDispatchMode):
    """A mode that copies what is about to be overwritten, unless it was made under the mode.

    Nothing is copied of a network that only reads its weights, whatever their size.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: set[int] = set()
        self._kept: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._bindings: dict[int, tuple[Tensor, Tensor, Tensor | None, bool]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        schema = func._schema
        if schema.is_mutable:
            for k, argument in enumerate(schema.arguments):
                if argument.is_write:
                    self.keep(args[k] if k < len(args) else kwargs.get(argument.name))
        for k in _UNMARKED.get(schema.name.rpartition("::")[2], ()):
            self.keep(args[k])
        given = {memory_of(t) for t in tensors_in((args, kwargs))}
        out = func(*args, **kwargs)
        self._made |= {memory_of(t) for t in tensors_in(out)} - given
        return out

    def watch(self, tensors: Iterable[Tensor]) -> None:
        """Note which memory, gradient and flag tensors of the caller have, of any shape."""
        for t in tensors:
            if id(t) not in self._bindings and _has_memory(t):
                grad = t.grad if t.is_leaf else None
                self._bindings[id(t)] = t, t.detach(), grad, t.requires_grad

    def keep(self, value: Any) -> None:
        """Copy the memory behind the tensors in a value, of any shape, once."""
        for tensor in tensors_in(value):
            memory = memory_of(tensor)
            if memory not in self._made and memory not in self._kept and not tensor.is_meta:
                storage = tensor.untyped_storage()
                self._kept[memory] = storage, storage.clone()

    def restore(self) -> None:
        """Put everything back."""
        for storage, content in self._kept.values():
            storage.copy_(content)
        for tensor, values, grad, needs_grad in self._bindings.values():
            if _moved(tensor, values):
                tensor.data = values
            if tensor.is_leaf:
                if tensor.grad is not grad:
                    tensor.grad = grad
                if tensor.requires_grad != needs_grad:
                    tensor.requires_grad_(needs_grad)


def _has_memory(tensor: Tensor) -> bool:
    """Wrappers of transformations and of torch's compiler have none, and do not outlive the run."""
    if tensor.is_nested:
        return False
    try:
        tensor.data_ptr()
    except RuntimeError:
        return tensor.is_meta or tensor.layout != torch.strided
    return True


def _moved(tensor: Tensor, before: Tensor) -> bool:
    if tensor.shape != before.shape or tensor.device != before.device:
        return True
    if tensor.is_meta or tensor.layout != torch.strided:
        return False
    return tensor.data_ptr() != before.data_ptr() or tensor.stride() != before.stride()


def memory_of(tensor: Tensor) -> int:
    """Return a number that is equal for two tensors of any shape just if they share memory."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # wrappers without memory of their own
        return id(tensor)
