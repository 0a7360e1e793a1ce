"""Fixtures shared by all tests, and the rule that no test leaves anything behind."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from state import differences, put_back, same_random_numbers, snapshot

from graph2nn.runs import one_thread as single_thread
from graph2nn.runs.variables import variable

BEFORE_IMPORTS = pytest.StashKey[dict[str, Any]]()
AFTER_IMPORTS = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the tests of `tests/gpu` run that have no GPU."""
    parser.addoption(
        "--gpu-device",
        choices=("cuda", "cpu", "pretend"),
        default="cuda",
        help="device of tests/gpu: a GPU, the CPU, or a pretended one that finds what would fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Remember the state before test modules, and with them the library, are imported."""
    if config.pluginmanager.hasplugin("randomly"):
        config.option.randomly_reset_seed = False  # `nothing_left_behind` seeds every test alike
    if hasattr(config, "workerinput"):  # of pytest-xdist: workers share the cores
        count = config.workerinput["workercount"]
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
    config.stash[BEFORE_IMPORTS] = snapshot()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The whole suite takes two cores where there are; `-n 0` takes one, `-n 8` eight.

    A selection, and what looks at one test at a time, stays in one process. A file's tests share
    a process, which makes their fixtures once.
    """
    option = config.option
    if not config.pluginmanager.hasplugin("xdist") or "PYTEST_XDIST_WORKER" in os.environ:
        return  # a worker takes no workers of its own
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    watched = option.keyword or option.maxfail or option.usepdb or option.collectonly or option.lf
    if option.numprocesses is None and whole and not watched and option.capture != "no":
        option.numprocesses = min(2, os.cpu_count() or 1)
    if option.numprocesses and option.dist == "no":
        option.dist = "loadfile"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember the state after imports; what they made lives on, so the collector may skip it."""
    session.config.stash[AFTER_IMPORTS] = snapshot()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Any:
    """What several tests share does not depend on which of them comes first."""
    if fixturedef.scope == "function":
        return (yield)
    with same_random_numbers():
        return (yield)


def _check(before: dict[str, Any], who: str) -> None:
    found = differences(before, snapshot())
    if found:
        put_back(before)
        pytest.fail(f"{who} left behind: " + "; ".join(found), pytrace=False)


@pytest.fixture(autouse=True, scope="module")
def module_leaves_nothing_behind() -> Iterator[None]:
    """Fixtures of a module clean up after themselves."""
    before = snapshot()
    yield
    _check(before, "the fixtures of this module")


@pytest.fixture(autouse=True)
def nothing_left_behind(module_leaves_nothing_behind: None) -> Iterator[None]:
    """A test finds global generators as any other test does, and leaves no global state."""
    before = snapshot()
    with same_random_numbers():
        yield
    _check(before, "this test")


@pytest.fixture(scope="session")
def changed_by_imports(pytestconfig: pytest.Config) -> list[str]:
    """State that differs after the imports of this session's test modules."""
    return differences(pytestconfig.stash[BEFORE_IMPORTS], pytestconfig.stash[AFTER_IMPORTS])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread here and in the processes that tests start: for equality bit for bit.

    Sums come out differently on another number of threads, and a child or a worker of joblib may
    get another number than this process has.
    """
    with pytest.MonkeyPatch.context() as patch, single_thread():
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MKL_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with the reference tables, from `NETWRIGHT_REFERENCE`; skips without it."""
    value = variable("NETWRIGHT_REFERENCE")
    if not value:
        pytest.skip("NETWRIGHT_REFERENCE is not set: no reference tables to compare with")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"NETWRIGHT_REFERENCE={value} is not a folder")
    return folder


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the folder of the reference tables unnamed."""
    for name in ("NETWRIGHT_REFERENCE", "GRAPH2NN_REFERENCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed, so that tests do not depend on each other."""
    return torch.Generator().manual_seed(0)
