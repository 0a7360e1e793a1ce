"""`RunFolder`: everything a run writes, in one folder that can be resumed."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from graph2nn.runs.checkpoint import (
    load_checkpoint,
    remove_leftovers,
    save_checkpoint,
    unwritable,
    write_text,
)
from graph2nn.runs.lock import LOCK_FILES, FolderLock

__all__ = [
    "RunFolder",
    "check_settings",
    "describe_environment",
    "json_value",
    "read_metrics",
    "run_path",
]


_CHECKSUM = re.compile(rb'"[^"]*": "[0-9a-f]{8}"\}')  # also with its name damaged
_RESULTS = ("metrics.jsonl", "last.pt", "best.pt")  # what a run has once it has got anywhere


class RunFolder:
    """`config.json`, `environment.json`, `metrics.jsonl`, `last.pt` and `best.pt` of one run.

    Args:
        path: Path of the folder; made if missing.
        config: JSON-able settings of the run.
        resume: Whether to go on with what the folder holds, where it holds anything.
        may_differ: Settings that a resumed run may change (more epochs, another log interval).
        defaults: Values of settings that a run of before they existed does not name.
        tensorboard: Whether scalars are also written for TensorBoard (extra `log`).

    The folder belongs to this process until it ends, the run is closed or nothing refers to it any
    more: a second one is refused meanwhile, so that two runs do not mix their files. Reading what a
    folder holds (`read_metrics`) needs nobody's leave.

    A run that ended before it logged or saved anything leaves nothing to protect: any settings may
    take over its folder.

    Raises:
        ValueError: The folder holds something else, or a run with other settings, or a run while
            `resume` is off, or another process works in it.
        OSError: The folder cannot be written; says what to do.

    Examples:
        >>> run = RunFolder("runs/first", {"lr": 0.1})
        >>> run.log(0, loss=2.3)
        >>> path = run.save_last({"kind": "net", "step": 1, "state_dict": {}})
        >>> sorted(path.name for path in run.path.iterdir() if not path.name.startswith("."))
        ['config.json', 'environment.json', 'last.pt', 'metrics.jsonl']
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        may_differ: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.path = Path(path)
        self.config = json.loads(json.dumps(config))  # what will be read back: lists, no tuples
        rules: dict[str, Any] = {"may_differ": may_differ, "defaults": defaults}
        check_settings(self.path, self.config, resume=resume, **rules)
        self._lock = _locked(self.path)  # who held it may have left something meanwhile
        check_settings(self.path, self.config, resume=resume, **rules)
        if self._lock.first:
            remove_leftovers(self.path)
        _write_json(self.path / "config.json", self.config)
        _write_json(self.path / "environment.json", describe_environment())
        self._record = self.path / "best.json"
        self.best_value = self._stored_best()
        self._metrics = self.path / "metrics.jsonl"
        self._board = _summary_writer(self.path) if tensorboard else None

    @property
    def last(self) -> Path:
        """Path of the latest checkpoint, which may not be there yet."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """Path of the best checkpoint, which may not be there yet."""
        return self.path / "best.pt"

    @property
    def can_resume(self) -> bool:
        """Whether a checkpoint to go on from exists."""
        return self.last.is_file()

    def log(self, step: int, **metrics: float | int | str | None) -> None:
        """Append a line to `metrics.jsonl`, with its checksum; non-finite numbers become null."""
        clean = {key: json_value(value) for key, value in metrics.items()}
        _append_line(self._metrics, _line({"step": step, **clean}))
        if self._board is not None:
            for key, value in clean.items():
                if isinstance(value, (int, float)):
                    self._board.add_scalar(key, value, step)

    def metrics(self) -> list[dict[str, Any]]:
        """Return all logged lines; one cut short by a crash is left out."""
        return read_metrics(self.path)

    def rewind(self, step: int) -> None:
        """Drop lines logged after `step`, so that a resumed run does not log them twice."""
        kept = [row for row in self.metrics() if row.get("step", 0) <= step]
        write_text(self._metrics, "".join(_line(row) + "\n" for row in kept))

    def save_last(self, payload: Mapping[str, Any]) -> Path:
        """Replace `last.pt`; see `save_checkpoint`."""
        return save_checkpoint(self.last, payload)

    def save_best(
        self, value: float, payload: Mapping[str, Any], *, larger_is_better: bool = True
    ) -> bool:
        """Replace `best.pt` where `value` is the best so far (finite only); tell whether."""
        if not math.isfinite(value):
            return False
        old = self.best_value
        if old is not None and (value <= old if larger_is_better else value >= old):
            return False
        save_checkpoint(self.best, payload)
        _write_json(self._record, {"value": value})
        self.best_value = value
        return True

    def load_last(self, *, kind: str | None = None) -> dict[str, Any]:
        """Load the contents of `last.pt`; see `load_checkpoint`."""
        return load_checkpoint(self.last, kind=kind)

    def close(self) -> None:
        """Let go of the folder, and flush what TensorBoard has not written yet."""
        if self._board is not None:
            self._board.close()
        self._lock.release()

    def _stored_best(self) -> float | None:
        try:
            return float(json.loads(self._record.read_text(encoding="utf-8"))["value"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def run_path(save_dir: str, name: str) -> Path | None:
    """Return the folder of a run by its name; None where nothing is to be saved.

    Args:
        save_dir: Folder of run folders, or "none".
        name: Name of the run, a folder in it.

    Raises:
        ValueError: A name that leads out of it.
    """
    if save_dir == "none":
        return None
    if Path(name).is_absolute() or ".." in Path(name).parts or not Path(name).parts:
        raise ValueError(f"--name: expected the name of a folder in {save_dir}, got {name!r}")
    return Path(save_dir) / name


def check_settings(
    folder: str | Path,
    config: Mapping[str, Any],
    *,
    resume: bool = True,
    may_differ: tuple[str, ...] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Raise an error unless a folder is free or holds a run with these settings.

    Args:
        folder: Path of the folder.
        config: JSON-able settings.
        resume: Whether a run may go on there; otherwise one that is there is an error.
        may_differ: Names of settings that may be others.
        defaults: Values of settings that a run of before they existed does not name.

    Raises:
        ValueError: Says what is there, and what to do.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, expected a folder for the run")
    if not folder.is_dir() or all(path.name in LOCK_FILES for path in folder.iterdir()):
        return
    stored = folder / "config.json"
    if not stored.is_file():
        raise ValueError(f"{folder} is not empty and holds no run; choose another folder")
    try:
        old = json.loads(stored.read_text(encoding="utf-8"))
        if not isinstance(old, dict):
            raise ValueError("expected settings by name")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{stored} is damaged ({error}); choose another folder") from None
    before, now = (
        {key: value for key, value in settings.items() if key not in may_differ}
        for settings in ({**(defaults or {}), **old}, json.loads(json.dumps(config)))
    )
    other = _differences(before, now)
    if not any((folder / name).exists() for name in _RESULTS):
        return
    if other:
        raise ValueError(
            f"{folder} holds a run with other settings: {'; '.join(other)}; "
            "use these settings, or another folder"
        )
    if not resume:
        raise ValueError(f"{folder} holds a run already; resume it or choose another folder")


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """Return all lines that a run has logged, whether or not it is still going on.

    A line cut short by a crash is left out. Lines of before they had checksums are taken as they
    are.

    Args:
        folder: Path of the run folder.

    Raises:
        ValueError: A line that is altered, with its number.
    """
    path = Path(folder) / "metrics.jsonl"
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = []
    sealed = False
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                row, own = _row(line)
                if sealed and not own:
                    raise ValueError("no checksum")
                rows.append(row)
                sealed = own
        except (ValueError, RecursionError):
            torn = number == len(lines) or (line[:1] == b"{" and line[-1:] != b"}")
            if not torn:
                raise ValueError(
                    f"{path}, line {number} is altered: remove the line, or copy the file again"
                ) from None
    return rows


def _line(row: Mapping[str, Any]) -> str:
    """A line of the log, which ends with the checksum of what stands before."""
    text = json.dumps(row, allow_nan=False)[:-1]
    return f'{text}, "crc32": "{zlib.crc32(text.encode()):08x}"}}'


def _row(line: bytes) -> tuple[dict[str, Any], bool]:
    """What a line says, and whether it has a checksum, which those of older versions have not."""
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("expected an object")
    text, _, stated = line.rpartition(b", ")
    found = _CHECKSUM.fullmatch(stated)
    if found is None and "crc32" not in row:
        return row, False
    if found is None or found[0] != f'"crc32": "{zlib.crc32(text):08x}"}}'.encode():
        raise ValueError("another checksum")
    del row["crc32"]
    return row, True


def describe_environment() -> dict[str, Any]:
    """Describe versions, hardware and command of this process, JSON-able."""
    cuda = torch.cuda.is_available()
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda if cuda else None,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "commit": _commit(),
    }


def json_value(value: Any) -> Any:
    """Return a plain number for a number of NumPy or a tensor, None for one that is not finite."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _locked(folder: Path) -> FolderLock:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FolderLock(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def _append_line(path: Path, line: str) -> None:
    """Add a line, whole or not at all, and never to half a line that a crash has left."""
    try:
        with path.open("a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            data = (line + "\n").encode()
            data = data if file.read(1) in (b"", b"\n") else b"\n" + data
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
    except OSError as error:
        raise unwritable(path, error) from error


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs, settings within settings named by their path."""
    found = []
    for key in sorted({*old, *new}):
        before, now = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found.append(f"{prefix}{key} was {before!r}, is {now!r}")
    return found


def _commit() -> str | None:
    """Of the checkout this file is in; None for an installed wheel."""
    try:
        run = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2) + "\n"
    write_text(path, text)


def _summary_writer(path: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            'TensorBoard is not installed; run: pip install "netwright[log]", or switch it off'
        ) from None
    return SummaryWriter(str(path / "tensorboard"))
