"""`experiments/studies/sparse_regression.py`."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from repository import EXPERIMENTS
from sparse_table import made_up_table

from graph2nn.sparsity.campaign.results import KEY, SparseTable

SCRIPT = EXPERIMENTS / "studies" / "sparse_regression.py"


def write(table: SparseTable, folder: Path) -> Path:
    """The table and its layers as `sparse_topology.py` writes them."""
    keys = table.keys_of_rows()
    layers = {k: v for k, v in table.layers.items() if k != "row"}
    rows = [
        [*keys[row], *values] for row, values in zip(table.layers["row"], zip(*layers.values()))
    ]
    for name, header, lines in (
        ("own.csv", list(table), zip(*table.values())),
        ("own_layers.csv", [*KEY, *layers], rows),
    ):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(lines)
    return folder / "own.csv"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


def test_report_of_an_own_table(tmp_path):
    path = write(made_up_table(), tmp_path)
    done = run("--source", str(path), "--study", "ranking", "--quick", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "leave-pruner-out, density8: R2" in done.stdout
    out = tmp_path / "runs" / "sparse_regression_own"
    text = (out / "report.md").read_text()
    assert text.startswith("# Sparse networks: own table") and "Single metrics" in text
    assert (out / "metrics.png").stat().st_size > 5000 and (out / "regression.csv").is_file()
    assert not (out / "importance.csv").exists()


def test_bad_arguments(script, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="none.csv does not exist"):
        script.main(["--source", str(tmp_path / "none.csv")])
    for arguments, message in (
        (["--repeats", "0"], "repeats: expected at least 1"),
        (["--study", "sorting"], "invalid choice: 'sorting'"),
    ):
        with pytest.raises(SystemExit):
            script.main(arguments)
        assert message in capsys.readouterr().err


@pytest.mark.usefixtures("no_reference")
@pytest.mark.filterwarnings("ignore:nothing vouches")
def test_sources(script, tmp_path):
    path = write(made_up_table(), tmp_path)
    name, table = script.open_source(str(path))
    assert name == "own" and table.num_rows == made_up_table().num_rows
    assert len(table.layers["row"]) == 5 * table.num_rows
    for source in (None, "published"):
        name, table = script.open_source(source)
        assert name == "published" and table.num_rows == 1251
