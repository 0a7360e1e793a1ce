"""Campaigns: each job once, whatever is killed, full, damaged or run twice."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import campaigns
import pytest
from campaigns import Task, at_work, plan, results, run_folder, square, squares, starts
from pages import python_blocks
from repository import ROOT
from state import put_back, snapshot

from graph2nn.runs import (
    Job,
    RunFolder,
    folder,
    parallel_map,
    read_job,
    read_metrics,
    run_campaign,
)
from graph2nn.runs.campaign import engine
from graph2nn.runs.jobs import clusters as cluster_module
from graph2nn.runs.lock import claimed

SCRIPT = str(Path(campaigns.__file__))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a campaign of one process leaves that nothing has disturbed."""
    place = tmp_path_factory.mktemp("whole")
    squares(plan(place))
    return results(place)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def logged(place: Path) -> list[str]:
    return [line["job"] for line in read_metrics(place / "run")]


def script(*arguments: object, **how: Any) -> subprocess.Popen:
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, **how)


def wait_for(true: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.05)


def test_every_job_once_and_a_line_for_each(tmp_path: Path) -> None:
    jobs = plan(tmp_path, 5)
    found = squares(jobs[:3])
    assert (found.total, found.failed, found.place) == (3, [], tmp_path / "run")
    squares(jobs)
    assert starts(tmp_path) == [0, 1, 2, 3, 4]
    lines = read_metrics(tmp_path / "run")
    assert [line["square"] for line in lines] == [0, 1, 4, 9, 16]
    assert lines[3] == {"step": 3, "job": "job03", "networks": 1, "error": "", "square": 9}
    assert read_job(jobs[4].results[0]) == [{"n": 4, "square": 16, "third": 4 / 3}]


def test_the_bar_counts_networks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    squares(plan(tmp_path, 2))
    squares(plan(tmp_path, 3), done=4, progress=True, postfix=lambda r: f"last {r['square']}")
    last = capsys.readouterr().err.split("\r")[-1]
    assert "7/7" in last and "network" in last and "last 4" in last


def test_failures_are_told_after_all_others_are_done(tmp_path: Path, whole: dict) -> None:
    broken = Task(n=2, folder=tmp_path, error="no luck")
    found = squares(plan(tmp_path, special=[broken]))
    assert sorted(results(tmp_path)) == sorted(set(whole) - {"job02.jsonl"})
    assert [report["job"] for report in found.failed] == ["job02"]
    with pytest.raises(
        RuntimeError, match=r"1 of 8 jobs failed, the first \(job02: ValueError: no luck\).*repeats"
    ):
        found.check()
    squares(plan(tmp_path)).check()
    assert results(tmp_path) == whole
    assert starts(tmp_path) == [*range(8), 2]


@pytest.mark.parametrize("damage", ["truncated", "altered", "cut at a line", "empty", "no rows"])
def test_a_damaged_result_is_put_aside_and_made_again(
    damage: str, tmp_path: Path, whole: dict
) -> None:
    squares(plan(tmp_path))
    path = tmp_path / "run" / "results" / "job03.jsonl"
    text = path.read_text()
    changed = {
        "truncated": text[: len(text) // 2],
        "altered": text.replace('"square": 9', '"square": 8'),
        "cut at a line": text.splitlines(keepends=True)[0],
        "empty": "",
        "no rows": json.dumps({"job": "job03", "rows": 0, "sha256": digest(b"")}) + "\n",
    }[damage]
    path.write_text(changed)
    with pytest.warns(
        RuntimeWarning, match="job03.jsonl (is half-written|has no rows).*made again"
    ):
        squares(plan(tmp_path)).check()
    aside = path.with_suffix(".damaged")
    assert aside.read_text() == changed
    aside.unlink()
    assert results(tmp_path) == whole and starts(tmp_path) == [*range(8), 3]


def test_killed_between_result_and_log(tmp_path: Path) -> None:
    jobs = plan(tmp_path, 3)
    squares(jobs)
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]) + '{"step": 2, "jo')
    left = jobs[2].scratch
    left.mkdir(parents=True)
    (left / "last.pt").touch()
    squares(jobs)
    assert logged(tmp_path) == ["job00", "job01", "job02"]
    assert not left.exists() and starts(tmp_path) == [0, 1, 2]


def test_several_files_and_other_units(tmp_path: Path) -> None:
    def pair(n: int) -> list[list[dict]]:
        return [[{"n": n}], [{"n": -n}]]

    files = tuple(tmp_path / f"{name}.jsonl" for name in "ab")
    job = Job(name="pair", work=pair, payload=3, results=files, networks=2)
    assert run_campaign(tmp_path, [job], progress=False).failed == []
    assert [read_job(path) for path in files] == [[{"n": 3}], [{"n": -3}]]
    short = Job(name="short", work=pair, payload=1, results=(tmp_path / "c.jsonl",))
    (report,) = run_campaign(tmp_path, [short], progress=False).failed
    assert report["error"] == "ValueError: results for 2 files, expected 1"
    nothing = Job(name="n", work=lambda _: [[]], payload=0, results=(tmp_path / "d.jsonl",))
    (report,) = run_campaign(tmp_path, [nothing], progress=False).failed
    assert report["error"] == "ValueError: no rows for d.jsonl"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs of different names, job01 comes twice"):
        squares([*plan(tmp_path, 3), plan(tmp_path, 2)[1]])
    with pytest.raises(ValueError, match="jobs must not be 0"):
        squares(plan(tmp_path, 3), jobs=0)
    with pytest.raises(ValueError, match="cannot use the backend 'dusk'"):
        squares(plan(tmp_path, 3), jobs=2, backend="dusk")
    assert starts(tmp_path) == []


def test_the_page_of_campaigns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    page = ROOT / "docs" / "understand" / "campaigns.md"
    code = python_blocks(page.read_text(encoding="utf-8"))[0].code
    monkeypatch.chdir(tmp_path)
    exec(code.replace("jobs=2", "jobs=1"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("[0, 1, 4, 9, 16,")


# Kills


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """A dozen kills while the results are written, at moments that differ from run to run."""
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    moments = [f"{rng.uniform(0.0, 0.15):.3f}" for _ in range(12)]
    done = script("killed", tmp_path, *moments, stderr=subprocess.PIPE)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 0, f"seed {seed}: {errors}"
    other = tmp_path / "other"
    other.mkdir()
    squares(plan(other, 30))
    assert results(tmp_path) == results(other), seed
    assert not list((tmp_path / "run").rglob("*.tmp")), seed
    assert sorted(logged(tmp_path)) == logged(other), seed
    assert len(starts(tmp_path)) <= 30 + 12, seed  # what was being done, at most


def test_workers_end_with_a_killed_campaign(tmp_path: Path) -> None:
    begun = script("processes", tmp_path)
    wait_for(lambda: starts(tmp_path))
    workers = children(begun.pid)
    assert len(workers) >= 2
    begun.kill()
    begun.wait()
    wait_for(lambda: not any(map(alive, workers)), 5)
    count = len(starts(tmp_path))
    time.sleep(0.6)
    assert len(starts(tmp_path)) == count
    squares(plan(tmp_path, 6)).check()


def test_interrupted_by_the_keyboard(tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of a terminal: one traceback, finished results are kept."""
    begun = script("processes", tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    # A worker that is not at work yet does not ignore Ctrl-C yet.
    wait_for(lambda: at_work(tmp_path) == 2 and len(starts(tmp_path)) > 2)
    workers = children(begun.pid)
    os.killpg(begun.pid, signal.SIGINT)
    _, errors = begun.communicate(timeout=30)
    assert begun.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1 and errors.strip().endswith("KeyboardInterrupt"), errors
    wait_for(lambda: not any(map(alive, workers)), 5)
    assert len(results(tmp_path)) >= 1
    assert all(name.endswith(".jsonl") for name in results(tmp_path))


def test_interrupted_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(task: Task) -> list:
        if task.n == 2:
            (jobs[2].results[0].parent / ".job02.jsonl.abcdefgh.tmp").touch()  # a killed worker's
            raise KeyboardInterrupt
        return square(task)

    jobs = plan(tmp_path, 4)
    with pytest.raises(KeyboardInterrupt):
        squares([Job(**{**vars(job), "work": interrupted}) for job in jobs])
    assert sorted(results(tmp_path)) == ["job00.jsonl", "job01.jsonl"]
    assert starts(tmp_path) == [0, 1] and logged(tmp_path) == ["job00", "job01"]
    squares(jobs).check()
    assert starts(tmp_path) == [0, 1, 2, 3]


def children(parent: int) -> list[int]:
    """Worker processes, without the tracker of shared memory, which ends last."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            command = path.with_name("cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == parent and "resource_tracker" not in command:
            found.append(int(path.parent.name))
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def deadly(place: Path) -> list[Job]:
    """A job that kills its worker once, and one that always does."""
    special = [Task(n=2, folder=place, deaths=1), Task(n=5, folder=place, deaths=99)]
    return plan(place, special=special, seconds=0.05)


def check_deadly(place: Path, found: Any, whole: dict[str, bytes], deaths: int) -> None:
    (report,) = found.failed
    assert report["job"] == "job05" and "WorkerDied: its worker died" in report["error"]
    assert results(place) == {k: v for k, v in whole.items() if k != "job05.jsonl"}
    assert sorted(logged(place)) == [f"job{n:02d}" for n in range(8)]
    assert starts(place).count(5) == deaths
    squares(plan(place)).check()
    assert results(place) == whole


@pytest.mark.filterwarnings("ignore:A worker stopped while some jobs")
def test_a_process_that_dies(tmp_path: Path, whole: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RESTARTS", 1)
    # What else was running dies with the worker, so that a job need not be deadly to be restarted.
    jobs = plan(tmp_path, special=[Task(n=5, folder=tmp_path, deaths=99)], seconds=0.05)
    found = squares(jobs, jobs=2)
    check_deadly(tmp_path, found, whole, deaths=2)


@contextmanager
def cluster_environment() -> Iterator[None]:
    """Workers find the modules that this process finds; what clusters set is put back."""
    before, handler = snapshot(), signal.getsignal(signal.SIGTERM)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        put_back(before)


@pytest.fixture
def put_back_afterwards() -> Iterator[None]:
    """Dask changes the environment whenever it starts a worker."""
    with cluster_environment():
        yield


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A Dask cluster of two processes, where a job may kill two workers."""
    with cluster_environment():
        reason = "needs Dask: pip install 'dask[distributed]'"
        config = pytest.importorskip("dask", reason=reason).config
        distributed = pytest.importorskip("distributed", reason=reason)
        where = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        with (
            config.set({"distributed.scheduler.allowed-failures": 1}),
            distributed.LocalCluster(**where, silence_logs=50) as cluster,
        ):
            yield cluster


class Unreadable:
    """What is sent as it is, and cannot be made again where it arrives."""

    def __reduce__(self) -> tuple:
        return int, ("no number",)


def test_what_a_worker_cannot_read_is_said_at_once(tmp_path: Path) -> None:
    """Nobody died, so nothing is started again."""
    jobs = [
        Job(name=f"{n}", work=len, payload=Unreadable(), results=(tmp_path / f"{n}.jsonl",))
        for n in range(3)
    ]
    with pytest.raises(
        ValueError, match="cannot read its job .ValueError: invalid literal.*jobs=1"
    ):
        run_campaign(None, jobs, jobs=2)


@pytest.mark.usefixtures("dask", "put_back_afterwards")
def test_dask_with_a_worker_killed(dask: Any, tmp_path: Path, whole: dict) -> None:
    where = f"dask:{dask.scheduler_address}"
    found = squares(deadly(tmp_path), jobs=-1, backend=where)
    check_deadly(tmp_path, found, whole, deaths=4)  # two among others, two alone


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray with two workers, which find the modules that this process finds."""
    with cluster_environment():
        ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "CRITICAL"}
        ray.init(num_cpus=2, **quiet)
        yield ray
        ray.shutdown()


@pytest.mark.usefixtures("ray", "put_back_afterwards")
def test_ray_with_a_worker_killed(
    ray: Any, tmp_path: Path, whole: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "RESTARTS", 1)
    found = squares(deadly(tmp_path), jobs=2, backend="ray")
    check_deadly(tmp_path, found, whole, deaths=4)  # two among others, two alone


def check_map(backend: str) -> None:
    how: dict[str, Any] = {"jobs": -1, "backend": backend, "progress": False}
    assert list(parallel_map(abs, range(-20, 0), **how)) == list(range(20, 0, -1))
    with pytest.raises(TypeError, match="bad operand"):
        list(parallel_map(abs, [1, "two", 3], **how))


@pytest.mark.usefixtures("dask", "put_back_afterwards")
def test_a_map_over_dask(dask: Any) -> None:
    check_map(f"dask:{dask.scheduler_address}")


@pytest.mark.usefixtures("ray", "put_back_afterwards")
def test_a_map_over_ray() -> None:
    check_map("ray")


@pytest.mark.usefixtures("put_back_afterwards")
def test_clusters_that_do_not_run() -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'dask[distributed]'")
    with pytest.raises(ValueError, match="cannot use the backend 'dask'.*No global client"):
        list(parallel_map(abs, [1], backend="dask", progress=False))


# Two at a time


def test_two_campaigns_in_one_folder(tmp_path: Path, whole: dict) -> None:
    other = script("hold", tmp_path, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        who = f"in use by process {other.pid} on {platform.node()} since 20.*choose another folder"
        with pytest.raises(ValueError, match=who):
            squares(plan(tmp_path))
        assert read_metrics(tmp_path / "run") == [] and starts(tmp_path) == []
    finally:
        other.kill()  # its lock is stale now
        other.wait()
        other.communicate()
    squares(plan(tmp_path)).check()
    assert results(tmp_path) == whole


def test_two_campaigns_of_one_process(tmp_path: Path) -> None:
    run, again = run_folder(tmp_path), run_folder(tmp_path)
    assert run.path == again.path  # one after the other is fine
    with claimed(run.path), pytest.raises(ValueError, match=f"process {os.getpid()}, this one"):
        squares(plan(tmp_path))
    assert starts(tmp_path) == []


def test_a_lock_goes_with_the_run(tmp_path: Path) -> None:
    def free() -> bool:
        code = "import filelock, sys; filelock.FileLock(sys.argv[1]).acquire(timeout=0)"
        command = [sys.executable, "-c", code, str(tmp_path / "run" / ".lock")]
        return subprocess.run(command, capture_output=True).returncode == 0

    run = run_folder(tmp_path)
    assert not free() and (tmp_path / "run" / ".holder.json").exists()
    run.close()
    run.close()
    assert free()
    held, again = run_folder(tmp_path), run_folder(tmp_path)
    del again
    assert not free()
    thread = threading.Thread(target=held.close)
    thread.start()
    thread.join()
    assert not (tmp_path / "run" / ".holder.json").exists()
    assert isinstance(RunFolder(tmp_path / "run", {"kind": "other"}), RunFolder)


# A full disk


def test_a_full_disk(tmp_path: Path, whole: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **how: Any) -> Any:
        path = Path("/dev/full") if mode == "wb" and "job03" in path.name else path
        return opened(path, mode, *args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        found = squares(plan(tmp_path))
    (report,) = found.failed
    assert "OSError: [Errno 28] cannot write" in report["error"]
    assert "job03.jsonl: No space left on device; the disk is full" in report["error"]
    assert sorted(results(tmp_path)) == sorted(set(whole) - {"job03.jsonl"})
    squares(plan(tmp_path)).check()
    assert results(tmp_path) == whole


def test_what_a_dead_worker_was_writing_goes(tmp_path: Path, whole: dict, monkeypatch) -> None:
    def dying(job: Job) -> Any:
        if job.name == "job03":
            (job.results[0].parent / ".job03.jsonl.abcdefgh.tmp").touch()
        return done(job)

    done = engine._done
    monkeypatch.setattr(engine, "_done", dying)
    squares(plan(tmp_path)).check()
    assert results(tmp_path) == whole


def test_paths_are_the_callers(tmp_path: Path, whole: dict, monkeypatch) -> None:
    """Workers that have worked in another folder before find what is meant; also one that went."""
    for name in ("first", "second", "third"):
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        squares(plan(Path("."), special=[]), jobs=2).check()
        assert results(place) == whole and at_work(place) >= 1
        if name == "first":
            place.rename(tmp_path / "gone")


def test_no_room_for_the_log(tmp_path: Path, whole: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, line: str) -> None:
        raise OSError(errno.ENOSPC, f"cannot write {path}: no room")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "_append_line", full)
        with pytest.warns(RuntimeWarning, match="no room; the results are not affected"):
            squares(plan(tmp_path)).check()
    assert results(tmp_path) == whole and logged(tmp_path) == []
    squares(plan(tmp_path)).check()
    assert logged(tmp_path) == [json.loads(whole[k].split(b"\n")[0])["job"] for k in sorted(whole)]
