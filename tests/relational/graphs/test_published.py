"""Published data: found in the reference folder, checked, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational.campaign.results import published_results
from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.published import (
    PUBLISHED_GRAPHS,
    published_graph,
    published_graphs,
)


@pytest.mark.parametrize("name", PUBLISHED_GRAPHS)
def test_published_graphs(name: str, reference: Path) -> None:
    nodes, count = (int(part) for part in name[1:].split("_"))
    rows = published_graphs(name)
    assert rows.shape == (count, 6)
    assert (rows[:, 0] == nodes).all()


def test_rounded_unless_told_otherwise() -> None:
    row = np.array([16.0, 0.4700004, 0.5, 3.0])
    assert published_graph(row).num_edges == round(16 * 0.47 * 16 / 2)
    row = (16, 0.25, 0.1234564, 3, 0.5, 1.5)
    exact = published_graph(row, rounded=False)
    assert np.array_equal(exact.adjacency, ws_flex(16, 4, 0.1234564, 3).adjacency)
    assert published_graph(row).name == "n16_s0.25_p0.123456_g3"


@pytest.mark.parametrize(("by_epoch", "rows"), [(False, 20_496), (True, 98_679)])
def test_published_results(by_epoch: bool, rows: int, reference: Path) -> None:
    table = published_results(by_epoch=by_epoch)
    assert table.num_rows == rows
    assert len(np.unique(table["task"])) == 6


@pytest.mark.usefixtures("no_reference")
def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="set NETWRIGHT_REFERENCE to the folder"):
        published_graphs("n64_52")
    monkeypatch.setenv("NETWRIGHT_REFERENCE", str(tmp_path))
    with pytest.raises(ValueError, match="has no folder data/relational"):
        published_graphs("n64_52")


def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "relational"
    folder.mkdir(parents=True)
    monkeypatch.setenv("NETWRIGHT_REFERENCE", str(tmp_path))
    with pytest.raises(ValueError, match="unknown graphs 'n64'; choose one of n64_3942"):
        published_graphs("n64")
    with pytest.raises(ValueError, match="cannot read .*n64_52.npy"):
        published_graphs("n64_52")
    path = folder / "graphs_n64_52.npy"
    np.save(path, np.zeros((51, 6)))
    with pytest.raises(ValueError, match=r"expected shape \(52, 6\), got \(51, 6\)"):
        published_graphs("n64_52")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="cannot read .*copy the file again"):
        published_graphs("n64_52")
