"""Memory: what is left, read from files as Linux writes them."""

from __future__ import annotations

import pytest

from graph2nn.sparsity.graphs.metrics.memory import available_memory, check_memory


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"


def test_what_linux_holds_available(tmp_path):
    write(tmp_path, proc__meminfo=MEMINFO)
    assert available_memory(tmp_path) == 600 * 1024


def test_the_tightest_group_counts(tmp_path):
    write(tmp_path, proc__meminfo=MEMINFO, proc__self__cgroup="0::/outer/inner\n")
    for name, limit in {"outer": "500000\n", "outer/inner": "max\n"}.items():
        folder = tmp_path / "sys/fs/cgroup" / name
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text("300000\n")
        (folder / "memory.stat").write_text("anon 250000\ninactive_file 50000\n")
    assert available_memory(tmp_path) == 500_000 - 300_000 + 50_000


def test_groups_of_version_1(tmp_path):
    groups = "4:memory:/job\n3:cpu,cpuacct:/\n0::/\n"
    write(tmp_path, proc__meminfo=MEMINFO, proc__self__cgroup=groups)
    folder = tmp_path / "sys/fs/cgroup/memory/job"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("400000\n")
    (folder / "memory.usage_in_bytes").write_text("450000\n")
    assert available_memory(tmp_path) == 0
    (folder / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert available_memory(tmp_path) == 600 * 1024


def test_here(tmp_path):
    here, elsewhere = available_memory(), available_memory(tmp_path)
    assert here is None or here > 2**20
    assert elsewhere is None or elsewhere > 2**20  # no such files: the free pages, if any tells


def test_a_run_that_would_not_fit_is_refused_with_what_to_do():
    check_memory(1000, 10, available=1000)
    with pytest.raises(ValueError, match=r"77,800,000 edges.* 35 GB .*20 GB.*edge-free"):
        check_memory(35_000_000_000, 77_800_000, available=20_000_000_000)
