"""Quick jobs for tests of campaigns, deadly on demand; as a script, a campaign to be killed."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph2nn.runs import Job, RunFolder, run_campaign
from graph2nn.runs.campaign import engine

_WORKER = "worker-"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A number to square, and what happens meanwhile."""

    n: int
    folder: Path
    deaths: int = 0  # times that it kills the process it runs in
    seconds: float = 0.0
    error: str = ""

    @property
    def name(self) -> str:
        return f"job{self.n:02d}"


def square(task: Task) -> list[list[dict]]:
    """The rows of the only file of a job."""
    with (task.folder / "starts").open("a") as file:
        file.write(f"{task.n}\n")
    (task.folder / f"{_WORKER}{os.getpid()}").touch()
    if starts(task.folder).count(task.n) <= task.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(task.seconds)
    if task.error:
        raise ValueError(task.error)
    return [[{"n": task.n, "square": task.n**2, "third": task.n / 3}]]


def at_work(folder: Path) -> int:
    """The number of processes that have begun a job."""
    return len(list(folder.glob(f"{_WORKER}*")))


def starts(folder: Path) -> list[int]:
    """The jobs that were started, in order."""
    path = folder / "starts"
    return [int(line) for line in path.read_text().split()] if path.is_file() else []


def plan(folder: Path, count: int = 8, special: Sequence[Task] = (), **how: float) -> list[Job]:
    """Jobs with the numbers below `count`, those of `special` in place of their like."""
    instead = {task.n: task for task in special}
    tasks = [instead.get(n, Task(n=n, folder=folder, **how)) for n in range(count)]  # type: ignore[arg-type]
    return [
        Job(
            name=task.name,
            work=square,
            payload=task,
            results=(folder / "run" / "results" / f"{task.name}.jsonl",),
            scratch=folder / "run" / "jobs" / task.name,
        )
        for task in tasks
    ]


def run_folder(folder: Path) -> RunFolder:
    return RunFolder(folder / "run", {"kind": "squares"}, resume=True)


def squares(todo: Sequence[Job], **how: object):
    """Run a campaign in the folder of its first task."""
    run = run_folder(todo[0].payload.folder)
    how = {"progress": False, "report": lambda files: {"square": files[0][0]["square"]}, **how}
    return run_campaign(run, todo, **how)  # type: ignore[arg-type]


def send_through_pickle(monkeypatch: Any) -> list[str]:
    """Let campaigns do their jobs in this process, but as if they came from another one.

    Returns:
        The names of the jobs, as they are done.
    """
    done: list[str] = []

    def sent(function: Any, items: Any, **how: Any) -> Any:
        for job in items:
            done.append(job.name)
            yield pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(job)))))

    monkeypatch.setattr(engine, "unordered_map", sent)
    return done


def results(folder: Path) -> dict[str, bytes]:
    """The result files by name; a leftover of a write that was interrupted counts too."""
    found = (folder / "run" / "results").iterdir()
    return {path.name: path.read_bytes() for path in found}


def killed_at(folder: Path, moments: Sequence[float], count: int) -> None:
    """Let a campaign be killed at each of the moments, in seconds, then run to its end."""
    for moment in moments:
        child = os.fork()
        if child == 0:
            squares(plan(folder, count, seconds=0.01))
            os._exit(0)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    squares(plan(folder, count, seconds=0.01))


if __name__ == "__main__":
    command, place, *rest = sys.argv[1:]
    if command == "killed":
        killed_at(Path(place), [float(value) for value in rest], count=30)
    elif command == "hold":
        held = run_folder(Path(place))
        print("held", flush=True)
        time.sleep(60)
    elif command == "processes":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
        squares(plan(Path(place), 40, seconds=0.5), jobs=2)
