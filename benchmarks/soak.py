"""Kill and resume every kind of run until it ends; nothing may be lost, doubled or left behind.

    python benchmarks/soak.py --hours 8
    python benchmarks/soak.py --minutes 10 --kinds hypernetwork relational

Each round takes a command, starts it in a new folder and stops it again and again: after a while
drawn at random, by SIGKILL, SIGTERM or Ctrl-C, the whole program or one of its processes. When it
has ended by itself its results are compared with those of a run that nobody stopped. Then nothing
may be left of it: no process, no temporary file, no holder of the folder, nothing in shared memory.
Ends with status 1 at the first fault and says which; the folder is kept.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph2nn.runs import load_checkpoint

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = ("seconds", "minutes", "time_avg")  # parts of the names of what differs from run to run

Results = dict[str, Any]


def rows(path: Path) -> list[dict[str, str]]:
    """Lines of a table without what is a time."""
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not any(t in k for t in TIMES)} for row in found]


def weights(path: Path) -> str:
    """Checkpoints are equal if every number of their weights is."""
    state = load_checkpoint(path)["state_dict"]
    return json.dumps({name: value.tolist() for name, value in state.items()})


def steps(path: Path) -> list[Any]:
    """What was logged, each line once."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [line.get("job", line["step"]) for line in lines]


def hypernetwork(folder: Path) -> Results:
    """Weights and steps of `train_ghn.py`."""
    run = folder / "soak"
    return {"weights": weights(run / "ghn.pt"), "steps": steps(run)}


def relational(folder: Path) -> Results:
    """Errors by epoch of `relational.py train`."""
    return {"rows": rows(folder / "results_by_epoch.csv"), "jobs": sorted(steps(folder))}


def sparse(folder: Path) -> Results:
    """Networks and layers of `sparse_topology.py --grid`."""
    names = ("table.csv", "table_layers.csv")
    return {name: rows(folder / name) for name in names} | {"jobs": sorted(steps(folder))}


def network(folder: Path) -> Results:
    """Weights of `train_net.py`."""
    return {"weights": weights(folder / "soak" / "network.pt"), "steps": steps(folder / "soak")}


GHN = (
    "train_ghn.py --steps 30 --save_every 4 -l 2 --val_every 0 --test_nets 0 --debug 0 -m 2 -b 380"
)
RELATIONAL = "relational.py train --task mlp_digits --division best --epochs 3 --jobs 2 --group 1"
SPARSE = "sparse_topology.py --grid tiny --dataset digits --training --jobs 2"
NETWORK = "sgd/train_net.py -d digits --split test --arch 0 --epochs 3 --debug 0"
KINDS: dict[str, tuple[str, Callable[[Path], Results]]] = {
    "hypernetwork": (f"{GHN} --processes 2 --name soak -S", hypernetwork),
    "relational": (f"{RELATIONAL} --out", relational),
    "sparse": (f"{SPARSE} --out", sparse),
    "network": (f"{NETWORK} --name soak -S", network),
}


def started(kind: str, folder: Path) -> subprocess.Popen:
    """The command of a kind at work, with its words in a file beside the folder."""
    words = KINDS[kind][0].split()
    command = [sys.executable, str(ROOT / "experiments" / words[0]), *words[1:], str(folder)]
    said = (folder.parent / "said.txt").open("a")
    return subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)


def processes(folder: Path) -> list[int]:
    """Processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def stopped(program: subprocess.Popen, folder: Path, draw: random.Random) -> str:
    """Stop a program some way and return which."""
    number = draw.choice(SIGNALS)
    victims = processes(folder) or [program.pid]
    whole = number != signal.SIGKILL or draw.random() < 0.5
    victim = program.pid if whole else draw.choice(victims)
    try:
        os.kill(victim, number)
    except ProcessLookupError:
        return "gone"
    return f"{number.name} of {'the program' if victim == program.pid else 'a process of it'}"


def left_behind(folder: Path) -> list[str]:
    """What a run that is over has left."""
    found = [f"process {one}" for one in processes(folder)]
    odd = (".tmp", ".parts", ".damaged", ".holder.json")
    found += [str(path) for path in folder.rglob("*") if path.name.endswith(odd)]
    return found


def shared_memory() -> set[str]:
    """Names of what is in shared memory, but for what belongs to a process that is alive."""
    folder = Path("/dev/shm")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return {name for name in names if not any(map(alive, re.findall(r"[0-9]+", name)))}


def alive(process: str) -> bool:
    """Tell whether there is a process of this number."""
    return Path(f"/proc/{process}").exists()


def soaked(kind: str, draw: random.Random, longest: float, expected: Results | None) -> Results:
    """Run a kind, stopped again and again unless nothing is expected yet; return its results."""
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{kind}-")) / "run"
    memory, stops, begun = shared_memory(), [], time.monotonic()
    while True:
        program = started(kind, folder)
        try:
            patience = None if expected is None or len(stops) > 20 else longest * draw.random()
            status = program.wait(patience)
            if status == 0:
                break
            if not stops or stops[-1] == "":
                raise SystemExit(f"{kind}: status {status}, see {folder.parent}/said.txt")
            stops.append("")  # a process of it had been killed, and the program ended with it
        except subprocess.TimeoutExpired:
            stops.append(stopped(program, folder, draw))
            program.wait(60)
            end = time.monotonic() + 5
            while processes(folder) and time.monotonic() < end:
                time.sleep(0.1)
            if processes(folder):
                raise SystemExit(f"{kind}: orphans 5 s after {stops[-1]}: {folder}") from None
    found = KINDS[kind][1](folder)
    faults = left_behind(folder) + [f"/dev/shm/{name}" for name in shared_memory() - memory]
    if expected is not None and found != expected:
        wrong = [part for part in found if found[part] != expected[part]]
        faults.append(f"{', '.join(wrong)} differ from those of a run that nobody stopped")
    if faults:
        raise SystemExit(f"{kind}, after {stops}: {'; '.join(faults)}; folder {folder}")
    shutil.rmtree(folder.parent)
    took = time.monotonic() - begun
    print(f"{kind:14} stopped {len(stops):2} times, {took:6.1f} s", flush=True)
    return found


def main() -> None:
    """Soak until the time is over."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one round of each kind")
    options = parser.parse_args()
    draw, rounds = random.Random(options.seed), 0
    end = time.monotonic() + 3600 * options.hours + 60 * options.minutes
    begun = time.monotonic()
    expected = {kind: soaked(kind, draw, 0.0, None) for kind in options.kinds}
    longest = (time.monotonic() - begun) / len(expected)
    while (rounds < len(options.kinds) and options.quick) or time.monotonic() < end:
        kind = options.kinds[rounds % len(options.kinds)]
        soaked(kind, draw, longest, expected[kind])
        rounds += 1
    print(f"{rounds} rounds, nothing lost, doubled or left behind")


if __name__ == "__main__":
    main()
