"""Which code would fail on a GPU? A device of its own name whose tensors are computed on the CPU.

Tensors on it hold a tensor of the CPU, which does the work. As on a GPU, an operation refuses to
mix them with tensors of the CPU (numbers, copies and indices excepted), numpy cannot read them,
draws come from a generator of the device's own, and every wait for the device is noted. So device
bugs show where there is no GPU; what CUDA rounds, and how it fails, do not.

The device is registered with torch once and for all, so it belongs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = ["NAME", "PretendDevice", "can_pretend"]

NAME = "pretend"
_COPIES = {"aten::copy_", "aten::_to_copy", "aten::_copy_from"}
_INDEXED = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
_AUTOCAST = "AutocastPrivateUse1"
_PRODUCTS = ("conv2d", "linear", "matmul", "mm", "addmm", "bmm", "baddbmm")
_WAITS = {  # the size or value of what they return is in the device's memory
    *("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select"),
    *("aten::unique_dim", "aten::_unique2", "aten::repeat_interleave", "aten::bincount"),
}


def can_pretend() -> bool:
    """Whether this torch lets Python stand in for a device."""
    return hasattr(backend_registration, "_setup_privateuseone_for_python_backend")


def _autocast() -> list[torch.library.Library]:
    """Mixed precision of the device: products in half, everything else as it comes."""
    every = torch.library.Library("_", "IMPL", _AUTOCAST)
    every.fallback(torch.library.fallthrough_kernel)
    some = torch.library.Library("aten", "IMPL", _AUTOCAST)
    for name in _PRODUCTS:
        some.impl(name, _in_half(getattr(torch.ops.aten, name).default))
    return [every, some]


def _in_half(func: Any) -> Callable[..., Any]:
    def product(*args: Any, **kwargs: Any) -> Any:
        half = torch.get_autocast_dtype(NAME)
        args, kwargs = tree_map_only(
            Tensor, lambda t: t.to(half) if t.dtype is torch.float32 else t, (args, kwargs)
        )
        key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
        with torch._C._ExcludeDispatchKeyGuard(key):
            return func(*args, **kwargs)

    return product


class _Runtime:
    """What torch asks of the module of a device."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(99)

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    manual_seed_all = manual_seed

    def get_rng_state(self, device: Any = None) -> Tensor:
        return self.generator.get_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        self.generator.set_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


class _Held(Tensor):
    """A tensor on the device."""

    value: Tensor

    @staticmethod
    def __new__(cls, value: Tensor) -> _Held:
        with torch.inference_mode(False):  # else views of other tensors cannot be made in that mode
            made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
                cls,
                value.size(),
                strides=value.stride(),
                storage_offset=value.storage_offset(),
                dtype=value.dtype,
                device=torch.device(NAME, 0),
            )
        made.value = value
        return made

    def __repr__(self, **_: Any) -> str:
        return f"{self.value!r} on {NAME}"

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the context of PretendDevice")


class PretendDevice(TorchDispatchMode):
    """Context in which tensors of `device` exist.

    Attributes:
        device: The device.
        waits: Names of operations for which a GPU would have made the program wait, in order.
    """

    _runtime: _Runtime | None = None
    _libraries: list[torch.library.Library]

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        if cls._runtime is None:
            cls._runtime = _Runtime()
            backend_registration._setup_privateuseone_for_python_backend(NAME, cls._runtime)
            cls._libraries = _autocast()
        self.device = torch.device(NAME, 0)
        self.waits: list[str] = []
        self._lifts: list[bool] = []

    def __enter__(self) -> PretendDevice:
        # torch.tensor makes its tensor on the CPU, then moves it where this mode sees it
        self._lifts.append(torch._C._only_lift_cpu_tensors())
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self._lifts.pop())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        held = [leaf for leaf in leaves if isinstance(leaf, _Held)]
        asked = kwargs.get("device")
        there = bool(held) if asked is None else torch.device(asked).type == NAME
        if not held and not there:
            return func(*args, **kwargs)
        name = func._schema.name
        if name == "aten::_has_compatible_shallow_copy_type":
            return False  # so that modules get new parameters, which are of this class
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:  # in inference mode, operations come before they are taken apart
                return func.decompose(*args, **kwargs)
        self._check(name, args, leaves, held)
        self._note(name, args, held, there)
        plain = {**kwargs, "device": torch.device("cpu")} if there and asked else kwargs
        out = self._computed(func, *tree_map_only(_Held, lambda t: t.value, (args, plain)))
        if there:
            out = tree_map_only(Tensor, lambda t: t if isinstance(t, _Held) else _Held(t), out)
        return return_and_correct_aliasing(func, args, kwargs, out) if held else out

    def _check(self, name: str, args: Any, leaves: list[Any], held: list[_Held]) -> None:
        """Raise what a GPU would raise where tensors of the CPU take part."""
        others = [t for t in leaves if isinstance(t, Tensor) and not isinstance(t, _Held)]
        if name in _INDEXED and held:
            if not isinstance(args[0], _Held):
                raise RuntimeError(f"{name}: an index on {NAME} of a tensor on the CPU")
            others = [t for t in others if not any(t is index for index in args[1])]
        if held and name not in _COPIES and any(t.dim() for t in others):
            shapes = [tuple(t.shape) for t in others]
            raise RuntimeError(f"{name}: tensors of shapes {shapes} on the CPU, others on {NAME}")
        for leaf in leaves:
            if isinstance(leaf, torch.Generator) and leaf.device.type != NAME:
                raise RuntimeError(f"{name}: a generator on {leaf.device}, draws on {NAME}")

    def _note(self, name: str, args: Any, held: list[_Held], there: bool) -> None:
        crosses = name in _COPIES and any(
            isinstance(t, Tensor) and isinstance(t, _Held) != there for t in args[:2]
        )
        masked = name in _INDEXED and any(
            t is not None and (t.dtype is torch.bool or not isinstance(t, _Held)) for t in args[1]
        )
        if crosses or held and (name in _WAITS or masked):
            self.waits.append(name.removeprefix("aten::"))

    def _computed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result on the CPU; what is drawn comes from the device's generator."""
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        assert self._runtime is not None
        outside, own = torch.default_generator.get_state(), self._runtime.generator
        torch.default_generator.set_state(own.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            own.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(outside)
