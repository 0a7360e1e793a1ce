"""The tests of tests/gpu run, and find device bugs, where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pretend_device import can_pretend
from repository import ROOT

QUICK = (
    *("test_pretended_device", "test_a_step_does_not_wait", "test_what_is_pruned_stays_zero"),
    *(
        "test_wirings[dnw]",
        "test_an_overflow_in_fp16_costs",
        "test_graphs_of_networks",
        "test_batches",
    ),
    *("test_gradients_equal_those_of_the_cpu[gatedgnn]", "test_masks_equal_those_of_the_cpu[snip]"),
    *("test_predictions_equal_those_of_the_cpu[gcn]", "test_losses[mse]", "test_proxies"),
)


def run(device: str, *selection: str) -> str:
    """The last line of pytest on a device that stands in for a GPU, in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    command += ["tests/gpu", "--gpu-device", device, *selection]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.skipif(not can_pretend(), reason="this torch lets no device be pretended")
def test_on_a_pretended_device() -> None:
    """One or two of every kind; all of them: -m slow."""
    words = " or ".join(name.replace("[", " and ").rstrip("]") for name in QUICK)
    assert "passed" in run("pretend", "-k", words)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "pretend"])
def test_all_of_them(device: str) -> None:
    assert "passed" in run(device)


def test_every_file_is_marked() -> None:
    files = sorted((ROOT / "tests" / "gpu").glob("test_*.py"))
    assert files and all("pytestmark = pytest.mark.gpu\n" in f.read_text() for f in files)
