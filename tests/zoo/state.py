"""What a test could leave behind in its process, and how to put it back."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from repository import ROOT
from torch.nn.modules import module as nn_module
from torch.optim import optimizer as nn_optimizer

__all__ = ["differences", "put_back", "same_random_numbers", "snapshot"]

LIBRARY = ("graph2nn", "ghn", "predictors", "archtokens", "netwright")
FREE_MODULES = (*LIBRARY, "torch_geometric.")  # which writes modules for its convolutions
SIGNALS = [getattr(signal, f"SIG{name}") for name in "INT TERM HUP ALRM USR1 USR2".split()]
HOOKS = [
    table
    for owner in (nn_module, nn_optimizer)
    for name, table in vars(owner).items()
    if name.startswith("_global") and name.endswith(("hooks", "called", "kwargs"))
]
# Written by pytest itself, and by scikit-learn and CUDA when they are first imported.
FREE_VARIABLES = ("PYTEST_", "KMP_", "CUDA_MODULE_LOADING", "TORCHINDUCTOR_")
FREE_VARIABLES += ("RAY_", "PYTHONBREAKPOINT")  # by Ray
# Of executors, tables and logs, which keep a thread or a process for the next call by design.
FREE_WORKERS = (
    "Loky",
    "Executor",
    "QueueFeeder",
    "QueueManager",
    "ray",
    "Dask",
    "IO loop",
    "edges_",
)


class Part(NamedTuple):
    """One piece of global state: how to read it, and how to write it where that is possible."""

    read: Callable[[], Any]
    write: Callable[[Any], object] | None = None


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(FREE_VARIABLES)}


def _set_environment(variables: dict[str, str]) -> None:
    for name in _environment().keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


def _deterministic() -> tuple[bool, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
    )


def _set_deterministic(flags: tuple[bool, ...]) -> None:
    torch.use_deterministic_algorithms(flags[0], warn_only=flags[1])
    torch.utils.deterministic.fill_uninitialized_memory = flags[2]
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags[3:]


def _kernels() -> tuple[object, ...]:
    """Switches that choose among kernels, hence among roundings."""
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch._C._get_mkldnn_enabled(),
        torch._C._get_flash_sdp_enabled(),
        torch._C._get_math_sdp_enabled(),
        # denormal numbers
        float(torch.tensor(1e-310, dtype=torch.float64, device="cpu").mul(2)) > 0,
    )


def _autograd() -> tuple[object, ...]:
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_anomaly_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
    )


def _device() -> torch.device | None:
    """The default device; None without one, and `set_default_device(None)` takes its mode away."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return context and context.device


def _hooks() -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(table) for table in HOOKS)


def _clear_hooks(before: tuple[tuple[int, ...], ...]) -> None:
    for table, kept in zip(HOOKS, before):
        for key in set(table) - set(kept):
            del table[key]


def _path() -> list[str]:
    """Without installed packages: setuptools adds its own when it is imported."""
    return [entry for entry in sys.path if "site-packages" not in entry]


def _set_path(before: list[str]) -> None:
    installed = [entry for entry in sys.path if "site-packages" in entry]
    sys.path[:] = [*before, *installed]


def _modules() -> set[str]:
    """Modules of scripts, benchmarks and temporary folders: libraries may stay imported."""
    fresh = sys.modules.keys() - _known
    if fresh:
        homes = {name: getattr(sys.modules[name], "__file__", None) or "" for name in fresh}
        ours = {n for n, home in homes.items() if n.startswith(FREE_MODULES) or not home}
        _known.update(ours | {n for n, home in homes.items() if "site-packages" in home})
        _known.update(n for n, home in homes.items() if home.startswith(_TESTS))
        _known.update(n for n, home in homes.items() if home.startswith(sys.base_prefix))
    return {name for name in fresh if name not in _known}


def _drop_modules(before: set[str]) -> None:
    for name in _modules() - before:
        sys.modules.pop(name, None)


def _logging() -> list[tuple[str, int, bool, tuple[int, ...]]]:
    loggers = {n: x for n, x in logging.root.manager.loggerDict.items() if n.startswith(LIBRARY)}
    found = [("disabled below", logging.root.manager.disable, False, ())]
    for name, logger in {"root": logging.root, **loggers}.items():
        if isinstance(logger, logging.Logger):
            handlers = [h for h in logger.handlers if "pytest" not in type(h).__module__]
            if logger is logging.root or handlers or logger.level:
                found.append((name, logger.level, logger.disabled, tuple(map(id, handlers))))
    return found


def _workers() -> set[str]:
    """Children and threads that are not there to be used again."""
    children = {f"process {child.name}" for child in multiprocessing.active_children()}
    threads = {f"thread {t.name}" for t in threading.enumerate() if not t.daemon}
    return {w for w in children | threads if not any(free in w for free in FREE_WORKERS)}


def _matplotlib() -> dict[str, object]:
    library = sys.modules.get("matplotlib")
    if library is None or not hasattr(library, "rcParams"):
        return {}
    settings = dict.copy(library.rcParams)
    for name in ("backend", "backend_fallback"):
        settings.pop(name, None)  # found out when it is first needed
    return settings


def _set_matplotlib(settings: dict[str, object]) -> None:
    if settings:
        dict.update(sys.modules["matplotlib"].rcParams, settings)


def _figures() -> list[int]:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return list(helpers.Gcf.figs) if helpers else []


def _close_figures(before: list[int]) -> None:
    for number in set(_figures()) - set(before):
        sys.modules["matplotlib._pylab_helpers"].Gcf.destroy(number)


def _joblib() -> dict[str, str]:
    """What `parallel_config` set for this thread; joblib writes its defaults on the first call."""
    library = sys.modules.get("joblib.parallel")
    config = getattr(getattr(library, "_backend", None), "config", None) or {}
    return {k: str(v) for k, v in config.items() if not str(v).startswith("default(")}


def _printing() -> tuple[object, ...]:
    return (vars(torch._tensor_str.PRINT_OPTS).copy(), np.get_printoptions(), np.geterr())


def _set_printing(before: tuple[Any, ...]) -> None:
    vars(torch._tensor_str.PRINT_OPTS).update(before[0])
    np.set_printoptions(**before[1])
    np.seterr(**before[2])


PARTS = {
    "torch threads": Part(torch.get_num_threads, torch.set_num_threads),
    "torch threads between operations": Part(torch.get_num_interop_threads),
    "deterministic algorithms": Part(_deterministic, _set_deterministic),
    "default dtype": Part(torch.get_default_dtype, torch.set_default_dtype),
    "default device": Part(_device, torch.set_default_device),
    "kernels of torch": Part(_kernels),
    "modes of autograd": Part(_autograd),
    "global hooks of torch": Part(_hooks, _clear_hooks),
    "process group": Part(torch.distributed.is_initialized),
    "environment variables": Part(_environment, _set_environment),
    "working directory": Part(os.getcwd, os.chdir),
    "sys.path": Part(_path, _set_path),
    "modules of scripts": Part(_modules, _drop_modules),
    "logging": Part(_logging),
    "signal handlers": Part(lambda: [signal.getsignal(number) for number in SIGNALS]),
    "threads and child processes": Part(_workers),
    "settings of matplotlib": Part(_matplotlib, _set_matplotlib),
    "open figures": Part(_figures, _close_figures),
    "backend of joblib": Part(_joblib),
    "printing and errors of numpy and torch": Part(_printing, _set_printing),
    "garbage collection": Part(gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    "recursion limit": Part(sys.getrecursionlimit, sys.setrecursionlimit),
    "files in the repository's root": Part(
        lambda: {name for name in os.listdir(ROOT) if not name.startswith(".")}
    ),
}
_TESTS = str(ROOT / "tests")
_known = set(sys.modules)


def snapshot() -> dict[str, Any]:
    """The global state of this process, in less than a millisecond."""
    with torch._C.DisableTorchFunction():  # a mode that is left must not see this
        return {name: part.read() for name, part in PARTS.items()}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What changed, a line each; matplotlib's settings count from its first import on."""
    return [
        f"{name}: {_changed(old, after[name])}"
        for name, old in before.items()
        if old != after[name] and not (name == "settings of matplotlib" and not old)
    ]


def _changed(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [k for k in {**old, **new} if old.get(k) != new.get(k)]
        return ", ".join(f"{k} {old.get(k)!r} -> {new.get(k)!r}" for k in keys)
    if isinstance(old, set):
        return f"{sorted(new - old)} more, {sorted(old - new)} fewer"
    return f"{old!r} -> {new!r}"


def put_back(before: Mapping[str, Any]) -> None:
    """Write the state that can be written, so that one careless test does not fail the rest."""
    for name, part in PARTS.items():
        if part.write and part.read() != before[name]:
            part.write(before[name])


@contextmanager
def same_random_numbers(seed: int = 0) -> Iterator[None]:
    """Global generators start from `seed` and stand where they stood afterwards."""
    states = torch.default_generator.get_state(), np.random.get_state(), random.getstate()
    gpus = torch.cuda.default_generators if torch.cuda.is_initialized() else ()
    theirs = [generator.get_state() for generator in gpus]
    for generator in (torch.default_generator, *gpus):
        generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(states[0])
        for generator, state in zip(gpus, theirs):
            generator.set_state(state)
        np.random.set_state(states[1])
        random.setstate(states[2])
