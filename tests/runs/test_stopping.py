"""How programs end: stopped, failed, killed, alone or as several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graph2nn.runs.processes import Stopped, run_script, stoppable, stopping_between_steps
from graph2nn.runs.processes.stopping import stopped_with

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys, time
from pathlib import Path
from graph2nn.runs.processes import Workers, relaunch, run_script, stopping_between_steps

OUT = Path(sys.argv[1])

def main():
    if "WORLD_SIZE" not in os.environ:
        sys.exit(relaunch(2))
    workers = Workers.start("cpu")
    (OUT / f"{os.getpid()}.pid").touch()
    with stopping_between_steps(workers) as request:
        for step in range(6000):
            time.sleep(0.01)
            assert workers.sum(1)[0] == 2
            if request.asked():
                (OUT / f"step-{workers.rank}").write_text(str(step))
                request.stop(f"step {step} is kept")

if __name__ == "__main__":
    run_script(main)
"""


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Also where the tests run in a shell's background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def wait_for(happens: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start(folder: Path, *launcher: str) -> tuple[subprocess.Popen, list[int]]:
    """A run of two processes, at work."""
    (folder / "script.py").write_text(SCRIPT)
    program = subprocess.Popen(
        [sys.executable, *launcher, str(folder / "script.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(list(folder.glob("*.pid"))) == 2 or program.poll() is not None)
    return program, [int(path.stem) for path in folder.glob("*.pid")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_loop_ends_after_its_step(number: signal.Signals) -> None:
    steps = []
    with stoppable(), pytest.raises(Stopped) as stop:
        with stopping_between_steps() as request:
            for step in range(5):
                assert not request.asked()
                if step == 2:
                    signal.raise_signal(number)
                steps.append(step)
                if request.asked():
                    request.stop("step 2")
    assert steps == [0, 1, 2]
    assert (stop.value.number, stop.value.kept) == (number, "step 2")


def test_a_request_during_the_last_step_is_not_forgotten() -> None:
    with stoppable(), pytest.raises(Stopped), stopping_between_steps():
        signal.raise_signal(signal.SIGTERM)


def test_the_second_request_ends_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph2nn.runs.processes.stopping._AGAIN", 0.0)
    with stoppable(), pytest.raises(Stopped), stopping_between_steps():
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")


def test_other_code_ends_at_once_and_says_what_is_kept() -> None:
    with stoppable(), pytest.raises(Stopped) as stop, stopped_with("all jobs"):
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("went on")
    assert stop.value.kept == "all jobs"
    assert isinstance(stop.value, KeyboardInterrupt), "as every other Ctrl-C"


def test_signals_are_the_callers_again() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    with stopping_between_steps() as request:
        assert not request.asked()


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup`, and shells for what is in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (Stopped(signal.SIGTERM, "step 3"), 143, "stopped: step 3; the same command goes on"),
        (Stopped(signal.SIGINT), 130, "stopped\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_what_a_stopped_script_says(capsys, error, status, text) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        run_script(main)
    assert end.value.code == status and text in capsys.readouterr().err


def test_what_users_can_mend_is_one_line_and_the_rest_an_error() -> None:
    def main() -> None:
        open("no/such/file")

    with pytest.raises(SystemExit, match="No such file"):
        run_script(main)
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: print(1 / 0))


def test_several_processes_stop_after_the_same_step(tmp_path: Path) -> None:
    program, workers = start(tmp_path)
    program.terminate()
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 143, errors
    steps = [(tmp_path / f"step-{rank}").read_text() for rank in (0, 1)]
    assert steps[0] == steps[1]
    assert errors.count(f"script: stopped: step {steps[0]} is kept; the same command") == 1
    assert "Traceback" not in errors
    assert not any(map(alive, workers))


def test_several_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    program, workers = start(tmp_path)
    program.kill()
    wait_for(lambda: not any(map(alive, workers)), 5)
    program.communicate()


def test_several_processes_end_when_one_is_killed(tmp_path: Path) -> None:
    program, workers = start(tmp_path)
    os.kill(workers[0], signal.SIGKILL)
    _, errors = program.communicate(timeout=60)
    assert program.returncode in (1, 137), errors  # whichever is seen first
    assert not any(map(alive, workers))


@pytest.mark.slow
def test_processes_of_torchrun_end_with_it(tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    program, workers = start(tmp_path, *launcher)
    assert len(workers) == 2
    program.kill()
    wait_for(lambda: not any(map(alive, workers)), 5)
    program.communicate()
