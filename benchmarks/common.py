"""What the benchmarks share: clocks, memory, the original to compare with, tables and reports."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from graph2nn.runs.pages import markdown_table
from graph2nn.vision import ImageData

__all__ = [
    "FIELDS",
    "GHN2",
    "cpu_seconds",
    "fresh_process",
    "hardware",
    "load_reference",
    "memory",
    "parser",
    "quiet",
    "random_images",
    "ratio",
    "report",
    "reset_peak",
    "save",
    "side_by_side",
    "start",
    "table",
]

GHN2: dict[str, Any] = {
    "max_shape": (64, 64, 11, 11),
    "num_classes": 10,
    "hypernet": "gatedgnn",
    "decoder": "conv",
    "weight_norm": True,
    "ve": True,
    "layernorm": True,
    "hid": 32,
}
"""Constructor arguments of GHN-2 for CIFAR-10, the same for the original and for ours."""

FIELDS = ("VmRSS", "VmHWM")  # resident memory now and at its highest


def parser(description: str | None, *, reference: bool = True) -> argparse.ArgumentParser:
    """A command line with the arguments that all benchmarks have.

    Args:
        reference: whether the script compares with the original hypernetworks (ppuda).
    """
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if reference:
        found.add_argument("--reference", type=Path, metavar="PATH", help="an unpacked ppuda")
    found.add_argument("--out", type=Path, metavar="FILE", help="also write the figures as JSON")
    found.add_argument("--repeats", type=int, default=7, help="default: %(default)s")
    found.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    found.add_argument("--measure", help=argparse.SUPPRESS)  # what a fresh process is to do
    return found


def start(args: argparse.Namespace) -> None:
    """One thread, and sensible arguments; ends the program with a message otherwise."""
    if args.repeats < 1:
        sys.exit(f"--repeats: expected at least 1, got {args.repeats}")
    folder = args.out.parent if args.out else None
    if folder is not None and not folder.is_dir():
        sys.exit(f"--out: the folder {folder} does not exist; create it first")
    torch.set_num_threads(1)


def load_reference(path: Path | None) -> bool:
    """Make `import ppuda` work; False without a path."""
    if path is None:
        return False
    if not (path / "ppuda" / "ghn" / "nn.py").is_file():
        sys.exit(f"--reference: {path} is no unpacked ppuda: it lacks ppuda/ghn/nn.py")
    sys.path.insert(0, str(path.resolve()))
    warnings.simplefilter("ignore")
    import matplotlib

    matplotlib.use("Agg")
    try:
        import ppuda.ghn.nn  # noqa: F401
    except ImportError as error:
        sys.exit(f"--reference: the original needs {error.name}: pip install {error.name}")
    return True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the original prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def cpu_seconds(action: Callable[[], Any]) -> float:
    """CPU time of one call, garbage collected before and not during it."""
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time()
        action()
        return time.process_time() - begin
    finally:
        gc.enable()


def side_by_side(
    actions: Mapping[str, Callable[[], Any]], repeats: int, *, warmup: int = 1
) -> dict[str, float]:
    """Median CPU seconds of each action, taken in turns so that all see the same machine."""
    for _ in range(warmup):
        for action in actions.values():
            action()
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            taken[name].append(cpu_seconds(action))
    return {name: statistics.median(values) for name, values in taken.items()}


def memory(field: str = "VmRSS") -> float:
    """Resident memory of this process in MB: now (`VmRSS`) or at its highest (`VmHWM`)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        sys.exit("memory is read from /proc, which only Linux has")
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def reset_peak() -> float:
    """Forget the highest memory so far; returns the memory now, in MB."""
    gc.collect()
    with contextlib.suppress(OSError):  # else the peak includes the preparation
        Path("/proc/self/clear_refs").write_text("5")
    return memory()


def fresh_process(script: str, what: str, args: argparse.Namespace, *extra: str) -> dict[str, Any]:
    """Run `script --measure what` by itself; returns the JSON of its last line."""
    command = [sys.executable, script, "--measure", what, "--repeats", str(args.repeats), *extra]
    if getattr(args, "reference", None):
        command += ["--reference", str(args.reference)]
    if args.quick:
        command.append("--quick")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"measuring {what!r} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def hardware() -> dict[str, Any]:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def random_images(count: int, side: int) -> ImageData:
    """Make stand-ins for CIFAR-10, for what only takes time."""
    generator = torch.Generator().manual_seed(0)
    return ImageData(
        images=torch.randint(256, (count, 3, side, side), generator=generator, dtype=torch.uint8),
        labels=torch.randint(10, (count,), generator=generator),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        num_classes=10,
        name="random",
        split="train",
    )


def ratio(theirs: float | None, ours: float) -> str:
    """How many times theirs is of ours; a dash without theirs."""
    return "-" if theirs is None or not ours else f"{theirs / ours:.1f}x"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A markdown table, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    return markdown_table(header, cells, padded=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def report(args: argparse.Namespace, tables: Sequence[str], figures: dict[str, Any]) -> None:
    """Print the tables and the machine; write the figures to `--out`."""
    machine = hardware()
    print("\n\n".join(tables))
    if "reference" in args and args.reference is None:
        print("\nWithout --reference: the original was not run, no ratios.")
    print(
        f"\n{machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread, "
        f"torch {machine['torch']}, Python {machine['python']}"
    )
    save(args, figures)


def save(args: argparse.Namespace, figures: Mapping[str, Any]) -> None:
    """Write the machine and the figures to `--out`, whole or not at all."""
    if args.out:
        content = json.dumps({"hardware": hardware(), **figures}, indent=1) + "\n"
        temporary = args.out.with_suffix(args.out.suffix + ".tmp")
        temporary.write_text(content)
        temporary.replace(args.out)
