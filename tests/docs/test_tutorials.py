"""Do the tutorials run for a user of the package, and are they stored with true outputs?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import LIMIT, complaints, read
from repository import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
LARGEST = 400_000
"""Bytes of a notebook with its outputs."""

MACHINE = re.compile(r"/(?:home|root|tmp|work|Users)/\S*")

every_tutorial = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


@pytest.mark.tutorial
@every_tutorial
def test_a_tutorial_runs(path: Path) -> None:
    """In a process of its own, which takes the kernel's threads and loops with it."""
    code = (
        "import sys; from pathlib import Path; from notebooks import complaints, executed;"
        "print(*complaints(executed(Path(sys.argv[1]))), sep='\\n')"
    )
    command = [sys.executable, "-c", code, str(path)]
    folder = ROOT / "tests" / "zoo"
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    assert run.returncode == 0, run.stderr[-3000:]
    assert not run.stdout.strip()


@every_tutorial
def test_outputs_are_stored(path: Path) -> None:
    notebook = read(path)
    assert not list(complaints(notebook))
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert notebook.cells[0].source.startswith("# ")
    assert path.stat().st_size <= LARGEST
    assert not MACHINE.findall(path.read_text(encoding="utf-8"))
