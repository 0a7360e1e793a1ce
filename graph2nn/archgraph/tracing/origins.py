"""Which op made what a tensor holds? Also through views, `.data` and wrappers of `torch.func`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch._C import _functorch

from graph2nn.archgraph.tracing.caller.finding import PLAIN
from graph2nn.archgraph.tracing.caller.guarding import memory_of

__all__ = ["Origins", "overlap", "transformed"]


class Origins:
    """Where the content of every tensor comes from.

    Attributes:
        of: Origin of each tensor, by its id: `i >= 0` is op i, `~j` is parameter j.
        made: All tensors of which this is known.
    """

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        # Ids identify tensors, so every tensor seen must stay alive until the end.
        self._alive: list[Any] = []
        self._constants: set[int] = set()
        self._owners: dict[int, Tensor] = {}  # of tensors that share memory and are no views
        self._writes: dict[int, list[tuple[int, Tensor]]] = {}  # by the owner of the memory
        self.made: list[Tensor] = []
        self._memory: dict[int, Tensor] = {}
        self._mapped = 0

    def declare(self, tensor: Tensor, origin: int) -> None:
        """Say where the content of a tensor of any shape comes from."""
        self.of[id(tensor)] = origin
        self.made.append(tensor)

    def declare_wrapped(self, tensor: Tensor, origin: int) -> None:
        """Say the same of everything that transformations of `torch.func` have wrapped.

        Tensors may be of any shape.
        """
        inner = _unwrapped(tensor)
        while inner is not None:
            self.declare(inner, origin)
            inner = _unwrapped(inner)

    def declare_constants(self, tensors: Iterable[Tensor]) -> None:
        """Say that tensors, of any shape, come from nowhere until something is written to them."""
        tensors = list(tensors)
        self._alive.append(tensors)
        self._constants.update(map(id, tensors))

    def share(self, tensor: Tensor, owner: Tensor) -> None:
        """Say that two tensors of any shape share memory, where `tensor` is no view."""
        self._alive.append(tensor)
        self._owners[id(tensor)] = self._owners.get(id(owner), owner)

    def collect(self, values: Iterable[Any], refs: list[int]) -> None:
        """Append the origins of all tensors in nested values."""
        of, writes = self.of, self._writes
        for value in values:
            if type(value) in PLAIN:
                continue
            ref = of.get(id(value))
            if ref is None and isinstance(value, Tensor):
                ref = self._search(value)
            if ref is not None:
                refs.append(ref)
                if writes and ref >= 0 and (value._base is not None or id(value) in self._owners):
                    self._collect_later_writes(value, ref, refs)
            elif isinstance(value, (tuple, list)):
                self.collect(value, refs)
            elif isinstance(value, dict):
                self.collect(value.values(), refs)

    def write(self, tensor: Tensor, index: int, refs: list[int]) -> Tensor | None:
        """Note that op `index` writes to a tensor of any shape.

        Returns the tensor that the memory belongs to, if that is another one. It holds old content
        and new: what made the old content is appended to `refs`, the origins of the op.
        """
        owner = self.owner(tensor)
        memory = tensor if owner is None else owner
        old = self.of.get(id(memory))
        if old is None:
            self._constants.clear()  # views of what is written to are none any more
        if owner is not None:
            if old is not None and old not in refs:
                refs.append(old)
            self.declare(owner, index)
        self._writes.setdefault(id(memory), []).append((index, tensor))
        self.declare(tensor, index)
        return owner

    def owner(self, tensor: Tensor) -> Tensor | None:
        """Find the tensor whose memory another one, of any shape, shares; None if it is its own."""
        base = tensor._base
        base = tensor if base is None else base
        base = self._owners.get(id(base), base)
        return None if base is tensor else base

    def _collect_later_writes(self, tensor: Tensor, ref: int, refs: list[int]) -> None:
        """The last op that wrote to the tensor's memory by another name, after op `ref`."""
        owner = self.owner(tensor)
        for index, written in reversed(self._writes.get(id(owner), ())):
            if index <= ref:
                break
            if overlap(tensor, written):
                if index not in refs:
                    refs.append(index)
                break

    def find(self, tensor: Tensor) -> int | None:
        """Return the origin of a tensor of any shape; None of a constant."""
        ref = self.of.get(id(tensor))
        return self._search(tensor) if ref is None else ref

    def _search(self, tensor: Tensor) -> int | None:
        """The origin of a tensor that no recorded op returned."""
        if id(tensor) in self._constants:
            return None
        owner = tensor._base
        if owner is None or id(owner) not in self.of:
            owner = _unwrapped(tensor)
            if owner is not None and id(owner) not in self.of:
                self._search(owner)
        if owner is None or id(owner) not in self.of:
            owner = self._in_same_memory(tensor)
        if owner is None:
            self._alive.append(tensor)
            self._constants.add(id(tensor))
            return None
        if tensor._base is None:
            self.share(tensor, owner)
        self.declare(tensor, self.of[id(owner)])
        return self.of[id(owner)]

    def _in_same_memory(self, tensor: Tensor) -> Tensor | None:
        for made in self.made[self._mapped :]:
            if made._base is None:  # a view may be one of a constant
                self._memory.setdefault(memory_of(made), made)
        self._mapped = len(self.made)
        return self._memory.get(memory_of(tensor))


def transformed() -> bool:
    """Tell whether a transformation of `torch.func` (vmap, grad) is at work."""
    return _functorch.peek_interpreter_stack() is not None


def _unwrapped(tensor: Tensor) -> Tensor | None:
    """What a transformation of `torch.func` has wrapped."""
    if not _functorch.is_functorch_wrapped_tensor(tensor):
        return None
    return _functorch.get_unwrapped(tensor)


def overlap(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors in the same memory have an element in common.

    They may be of any shape. Where it cannot be told from their strides, they have.
    """
    strides = sorted({s for t in (a, b) for s, n in zip(t.stride(), t.shape) if n > 1})
    boxes = [_box(t, strides[::-1]) for t in (a, b)]
    if boxes[0] is None or boxes[1] is None:
        return True
    return all(p <= q + n and q <= p + m for (p, m), (q, n) in zip(*boxes))


def _box(tensor: Tensor, strides: list[int]) -> list[tuple[int, int]] | None:
    """First place and reach of a tensor along each of the strides, if these are axes of a grid."""
    offset, above = int(tensor.storage_offset()), 0
    box: list[tuple[int, int]] = []
    for stride in strides:
        if stride < 1 or above % stride:
            return None
        place, offset = divmod(offset, stride)
        axes = zip(tensor.stride(), tensor.shape)
        reach = sum(n - 1 for s, n in axes if s == stride)
        if above and place + reach >= above // stride:
            return None
        box.append((place, reach))
        above = stride
    return [*box, (offset, 0)]
