"""Generator states survive a checkpoint; parallel results keep their order."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.backend.queues import Queue

from graph2nn.runs import (
    generator_state,
    load_checkpoint,
    parallel_map,
    restore_generator,
    save_checkpoint,
    seeded,
)
from graph2nn.runs.jobs import unordered_map
from graph2nn.runs.seeds import derived_seed

DRAWS = {
    "torch": (lambda: torch.Generator().manual_seed(3), lambda g: torch.rand(4, generator=g)),
    "numpy": (lambda: np.random.default_rng(3), lambda g: g.standard_normal(4)),
    "mt19937": (
        lambda: np.random.Generator(np.random.MT19937(3)),
        lambda g: g.integers(0, 1000, 4),
    ),
    "python": (lambda: random.Random(3), lambda g: [g.gauss(0, 1) for _ in range(3)]),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    make, draw = DRAWS[kind]
    generator = make()
    draw(generator)
    save_checkpoint(tmp_path / "a.pt", {"kind": "x", "rng": generator_state(generator)})
    expected = [draw(generator) for _ in range(3)]
    fresh = make()
    restore_generator(fresh, load_checkpoint(tmp_path / "a.pt")["rng"])
    for value in expected:
        np.testing.assert_array_equal(draw(fresh), value)


def test_states_do_not_mix() -> None:
    state = generator_state(random.Random(0))
    with pytest.raises(ValueError, match="does not fit a torch generator"):
        restore_generator(torch.Generator(), state)
    with pytest.raises(ValueError, match="MT19937.* does not fit .*PCG64"):
        restore_generator(
            np.random.default_rng(), generator_state(np.random.Generator(np.random.MT19937()))
        )
    with pytest.raises(TypeError, match="expected a torch, numpy or random generator"):
        generator_state(3)  # type: ignore[arg-type]


def slow_square(x: int) -> int:
    return x * x


@pytest.mark.parametrize("how", [{"jobs": 1}, {"jobs": 2, "backend": "threading"}])
def test_order_is_kept(how: dict) -> None:
    expected = [x * x for x in range(50)]
    assert list(parallel_map(slow_square, range(50), progress=False, **how)) == expected
    assert list(parallel_map(slow_square, iter(range(50)), progress=False, **how)) == expected


def test_results_come_as_they_are_ready() -> None:
    seen: list[int] = []
    stream = parallel_map(lambda x: seen.append(x) or x, range(10), progress=False)
    assert seen == [] and next(stream) == 0 and seen == [0]


def test_errors_of_a_job_reach_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(parallel_map(lambda x: 1 // x, [1, 0], progress=False))
    with pytest.raises(ValueError, match="jobs must not be 0"):
        parallel_map(slow_square, [1], jobs=0)


@pytest.mark.filterwarnings("ignore:.*tasks which were still being processed")
@pytest.mark.parametrize("backend", [None, "loky"])
def test_processes_that_are_given_up_leave_no_thread(
    backend: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loky's feeder, stopped while it lets go of locks, made its tracker complain after Ctrl-C."""

    def late(*args: Any) -> None:
        feed(*args)
        time.sleep(0.3)

    def feeders() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "QueueFeederThread"}

    feed = Queue._feed
    get_reusable_executor().shutdown()  # of another test, with a feeder of its own
    monkeypatch.setattr(Queue, "_feed", staticmethod(late))
    before = feeders()
    items = [bytes(2**20)] * 20  # more than the pipe takes, so that the feeder waits in vain
    ask = partial(os.getenv, "OMP_NUM_THREADS")
    with joblib.parallel_config(backend="loky", inner_max_num_threads=3):
        stream = parallel_map(ask, items, jobs=2, backend=backend, progress=False)
        with closing(stream):
            first = next(stream)
            assert backend == "loky" or first == "3"  # what joblib was told still holds
            (feeder,) = feeders() - before
    assert not feeder.is_alive()


def test_given_up_without_a_word() -> None:
    """Joblib's warning of cancelled jobs would stand above the traceback of a Ctrl-C."""
    stream = unordered_map(time.sleep, [0.05] * 6, jobs=2, backend="threading")
    assert next(stream) is None
    stream.close()


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match="cannot use the backend 'dusk'.*known: loky, threading"):
        list(parallel_map(abs, [1], jobs=2, backend="dusk", progress=False))


def test_a_seed_for_a_while_leaves_no_trace() -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    with seeded(1):
        inside = [torch.rand(2), torch.rand(2)]
    with pytest.raises(RuntimeError), seeded(2):
        raise RuntimeError
    first = torch.rand(2)
    with seeded(1):
        again = [torch.rand(2), torch.rand(2)]
    assert torch.equal(torch.cat([first, torch.rand(2)]), expected)
    assert all(map(torch.equal, inside, again))
    assert torch.equal(inside[0], torch.rand(2, generator=torch.Generator().manual_seed(1)))
    with pytest.raises(ValueError, match="seed: must not be negative, got -1"), seeded(-1):
        pass


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_seeds_of_a_gpu_are_put_back() -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    torch.cuda.manual_seed(5)
    expected = torch.rand(4, device=device)
    torch.cuda.manual_seed(5)
    with seeded(1, "cuda"):
        inside = torch.rand(2, device=device)
    assert torch.equal(torch.rand(4, device=device), expected)
    with seeded(1, device):
        assert torch.equal(torch.rand(2, device=device), inside)


def test_derived_seeds_differ_by_purpose_and_stay() -> None:
    assert derived_seed(3, "step", 17) == 43398519198678472
    others = {
        derived_seed(s, what, k) for s in (3, 4) for what in ("step", "order") for k in (1, 2)
    }
    assert len(others) == 8
