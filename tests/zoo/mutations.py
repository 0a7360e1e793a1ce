"""Damage to files, and what readers make of it: in a process of its own, which may die or hang."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from readers import Case

ROOT = Path(__file__).parents[2]
SECONDS = 20
BYTES = 6 << 30  # of memory beyond what imports take


@dataclass
class Outcome:
    """What became of the mutations of one file.

    Args:
        counts: Number of each outcome: equal, refused, wrong (another content, silently), other
            (an error that is no ValueError or OSError, or does not name the file), dead, hung.
        examples: A line for each that is neither equal nor refused.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """How many were neither refused nor read as they were written."""
        return self.counts.total() - self.counts["equal"] - self.counts["refused"]


def mutated(data: bytes, seed: int) -> bytes:
    """Damage some bytes as disks, transfers and people do; never returns the same bytes."""
    random_ = random.Random(seed)
    while True:
        found = _mutated(data, random_)
        if found != data:
            return found


def _mutated(data: bytes, random_: random.Random) -> bytes:
    size = len(data)
    at, other = random_.randrange(size), random_.randrange(size)
    length = min(1 + int(random_.expovariate(1 / 16)), size)
    kind = random_.choice(["bit", "bytes", "cut", "zeros", "lost", "twice", "swapped", "digit"])
    if kind == "bit":
        changed = bytearray(data)
        changed[at] ^= 1 << random_.randrange(8)
        return bytes(changed)
    if kind == "digit":  # a number becomes another one, which a text does not show
        places = [k for k in range(at, min(size, at + 4096)) if data[k : k + 1].isdigit()]
        if not places:
            return data
        place = places[0]
        return data[:place] + str(random_.randrange(10)).encode() + data[place + 1 :]
    if kind == "bytes":
        return data[:at] + random_.randbytes(length) + data[at + length :]
    if kind == "zeros":
        return data[:at] + bytes(len(data[at : at + 512])) + data[at + 512 :]
    if kind == "cut":
        return data[:at]
    if kind == "lost":
        return data[:at] + data[at + length :]
    if kind == "twice":
        return data[: at + length] + data[at:]
    a, b = min(at, other), max(at, other)
    n = min(length, b - a)
    return data[:a] + data[b : b + n] + data[a + n : b] + data[a : a + n] + data[b + n :]


def fuzzed(cases: Sequence[str], count: int, folder: Path) -> dict[str, Outcome]:
    """Read so many damaged copies of the file of each case.

    Args:
        cases: Names in `readers.CASES`.
        count: Number of mutations of each, with seeds from 0.
        folder: Folder for the files.
    """
    found = {case: Outcome() for case in cases}
    todo = [(case, seed) for case in cases for seed in range(count)]
    while todo:
        done = 0
        for case, seed, what, text in _child(todo, folder):
            done += 1
            found[case].counts[what] += 1
            if what not in ("equal", "refused"):
                found[case].examples.append(f"{case}, seed {seed}: {what} {text}")
        todo = todo[done:]
    return found


def _child(todo: list[tuple[str, int]], folder: Path) -> Iterator[tuple[str, int, str, str]]:
    """Outcomes of a child, in the end that of the mutation at which it died."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "todo.json").write_text(json.dumps(todo))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests/zoo'}"}
    with (folder / "errors").open("w+") as errors, (folder / "found").open("w+") as found:
        command = [sys.executable, __file__, str(folder)]
        status = subprocess.run(command, stdout=found, stderr=errors, env=environment).returncode
        found.seek(0)
        lines = [json.loads(line) for line in found if line.endswith("\n")]
        errors.seek(0)
        text = errors.read()[-2000:]
    yield from (line for line in lines if line[2] != "begun")
    if lines and lines[-1][2] == "begun":
        what = "hung" if status == -signal.SIGALRM else "dead"
        yield (*lines[-1][:2], what, f"status {status} {text[-200:]}")
    elif status:
        raise RuntimeError(f"the process that reads damaged files failed: {text}")


def _main(folder: Path) -> None:
    import resource
    import warnings

    from readers import CASES

    warnings.simplefilter("ignore")
    files: dict[str, tuple[Path, bytes, Any]] = {}
    todo = json.loads((folder / "todo.json").read_text())
    for case in dict.fromkeys(case for case, _ in todo):
        own = folder / case.replace(" ", "_")
        own.mkdir(exist_ok=True)
        path = CASES[case].write(own)
        files[case] = path, path.read_bytes(), plain(CASES[case].read(path))
        assert plain(CASES[case].read(path)) == files[case][2], "reading twice gives the same"
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    for case, seed in todo:
        path, data, right = files[case]
        path.write_bytes(mutated(data, seed))
        print(json.dumps([case, seed, "begun", ""]), flush=True)
        signal.alarm(SECONDS)  # ends the process where a reader hangs, in C, too
        outcome = _outcome(CASES[case], path, right)
        signal.alarm(0)
        print(json.dumps([case, seed, *outcome]), flush=True)
        path.write_bytes(data)


def _outcome(case: Case, path: Path, right: Any) -> tuple[str, str]:
    try:
        found = plain(case.read(path))
    except (ValueError, OSError) as error:
        named = path.name in str(error) or path.parent.name in str(error)
        text = f"{type(error).__name__}: {str(error)[:200]}"
        return ("refused", "") if named else ("other", text)
    except BaseException as error:
        return "other", f"{type(error).__name__}: {str(error)[:200]}"
    return ("equal", "") if case.same(found, right) else ("wrong", "")


def plain(value: Any) -> Any:
    """A value whose equality tells whether contents are equal: NaN is itself, arrays are bytes."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        kind = value.tolist() if value.dtype == object else np.ascontiguousarray(value).tobytes()
        return (str(value.dtype), value.shape, repr(kind) if isinstance(kind, list) else kind)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return repr(value)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
