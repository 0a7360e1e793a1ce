"""The rule that no test leaves anything behind: what is found, what is put back, what it costs."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from state import differences, put_back, same_random_numbers, snapshot
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.overrides import TorchFunctionMode

CHANGES: dict[str, Callable[[], object]] = {
    "torch threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "kernels of torch": lambda: torch.set_float32_matmul_precision("medium"),
    "modes of autograd": lambda: torch.set_grad_enabled(False),
    "global hooks of torch": lambda: register_optimizer_step_post_hook(print),
    "environment variables": lambda: os.environ.update(LEFT="behind"),
    "working directory": lambda: os.chdir(os.sep),
    "sys.path": lambda: sys.path.append("behind"),
    "modules of scripts": lambda: sys.modules.update(left=_script()),
    "logging": lambda: logging.getLogger("graph2nn.left").addHandler(logging.NullHandler()),
    "signal handlers": lambda: signal.signal(signal.SIGUSR1, lambda *_: None),
    "settings of matplotlib": lambda: plt.rcParams.update({"font.size": 4}),
    "open figures": plt.figure,
    "backend of joblib": lambda: joblib.parallel_config(backend="threading"),
    "printing and errors of numpy and torch": lambda: np.seterr(all="raise"),
    "garbage collection": gc.disable,
    "recursion limit": lambda: sys.setrecursionlimit(5000),
}


def _script() -> types.ModuleType:
    module = types.ModuleType("left")
    module.__file__ = "/somewhere/left.py"
    return module


@contextmanager
def _undone() -> Iterator[None]:
    """What `put_back` cannot write."""
    precision, handler = torch.get_float32_matmul_precision(), signal.getsignal(signal.SIGUSR1)
    grad, config = torch.is_grad_enabled(), vars(joblib.parallel._backend).copy()
    yield
    torch.set_float32_matmul_precision(precision)
    signal.signal(signal.SIGUSR1, handler)
    torch.set_grad_enabled(grad)
    logging.getLogger("graph2nn.left").handlers.clear()
    vars(joblib.parallel._backend).clear()
    vars(joblib.parallel._backend).update(config)


@pytest.mark.parametrize("part", CHANGES)
def test_a_change_is_found_and_put_back(part: str) -> None:
    before = snapshot()
    with _undone():
        CHANGES[part]()
        found = differences(before, snapshot())
        put_back(before)
    parts = [line.partition(":")[0] for line in found]
    assert parts == [part] or parts == [part, "modes of autograd"]  # a default device is a mode
    assert differences(before, snapshot()) == []


def test_modes_hooks_and_workers_that_stay() -> None:
    class Mode(TorchFunctionMode):
        pass

    before, goes = snapshot(), threading.Event()
    worker = threading.Thread(target=goes.wait, args=(60,), name="left")
    worker.start()
    handle = register_module_forward_hook(lambda *_: None)
    try:
        with Mode():
            found = "\n".join(differences(before, snapshot()))
    finally:
        handle.remove()
        goes.set()
        worker.join()
    assert "modes of autograd" in found and "global hooks" in found
    assert "['thread left'] more, [] fewer" in found
    assert differences(before, snapshot()) == []


def test_random_numbers_are_the_same_for_every_test() -> None:
    def drawn() -> tuple[float, float, float]:
        return torch.rand(1).item(), np.random.rand(), random.random()

    here = drawn()
    for _ in range(2):
        with same_random_numbers():
            assert drawn() == here
    with same_random_numbers(1):
        assert drawn() != here
    later = drawn()
    with same_random_numbers():
        drawn()
        assert drawn() == later, "the generators stand where they stood"


def test_it_costs_little() -> None:
    begin = time.process_time()
    for _ in range(20):
        snapshot()
    assert (time.process_time() - begin) / 20 < 3e-3


def test_importing_the_tests_changed_nothing(changed_by_imports: list[str]) -> None:
    assert changed_by_imports == []
