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
def test_published_graphs(name: str) -> None:
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
def test_published_results(by_epoch: bool, rows: int) -> None:
    table = published_results(by_epoch=by_epoch)
    assert table.num_rows == rows
    assert len(np.unique(table["task"])) == 6


def test_unknown_graphs() -> None:
    with pytest.raises(ValueError, match="unknown graphs 'n64'; choose one of n64_3942"):
        published_graphs("n64")


@pytest.mark.parametrize("name", PUBLISHED_GRAPHS)
def test_shipped_graphs_are_the_published_ones(name: str, reference: Path) -> None:
    original = np.load(reference / "data" / "relational" / f"graphs_{name}.npy")
    assert np.array_equal(published_graphs(name), original)
