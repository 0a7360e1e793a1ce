"""Connectomes: the published statistics, the direction of edges, and the download."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational import download
from graph2nn.relational.download import download_connectomes, main
from graph2nn.relational.graphs import connectomes
from graph2nn.relational.graphs.connectomes import CONNECTOMES, load_connectome
from graph2nn.relational.graphs.measures import clustering, path_length
from graph2nn.runs import sha256_file

# name: nodes, directed edges, density with self-edges, C and L undirected
FACTS = {
    "mcwhole": (71, 746, 0.162, 0.503, 2.245, 0.174),
    "mcvisual": (30, 308, 0.376, 0.634, 1.589, 0.422),
    "cat": (52, 820, 0.322, 0.666, 1.633, 0.384),
}


@pytest.fixture
def no_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder of data besides what comes with the package."""
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path))


@pytest.mark.usefixtures("no_own_data")
@pytest.mark.parametrize("name", CONNECTOMES)
def test_published_statistics(name: str) -> None:
    nodes, edges, density, c, length, sparsity = FACTS[name]
    graph = load_connectome(name)
    assert (graph.num_nodes, graph.num_edges, graph.directed) == (nodes, edges, True)
    assert round(float(graph.with_self_edges().mean()), 3) == density
    both = load_connectome(name, directed=False)
    assert not both.directed
    found = (clustering(both), path_length(both), both.sparsity)
    assert found == pytest.approx((c, length, sparsity), abs=6e-4)


@pytest.mark.usefixtures("no_own_data")
def test_directed_measures() -> None:
    assert path_length(load_connectome("mcwhole")) == float("inf")
    for name, c, length in [("mcvisual", 0.546, 1.722), ("cat", 0.586, 1.808)]:
        graph = load_connectome(name)
        assert (clustering(graph), path_length(graph)) == pytest.approx((c, length), abs=6e-4)


def test_entry_is_character_of_file(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "relational"
    folder.mkdir()
    (folder / "cat.txt").write_text("011\n000\n010")
    with pytest.raises(ValueError, match="cat.txt is not the published file of cat.*delete it"):
        load_connectome("cat", data_dir=tmp_path)
    monkeypatch.setitem(CONNECTOMES, "cat", sha256_file(folder / "cat.txt"))
    graph = load_connectome("cat", data_dir=tmp_path)
    assert graph.adjacency.astype(int).tolist() == [[0, 1, 1], [0, 0, 0], [0, 1, 0]]
    both = load_connectome("cat", directed=False, data_dir=tmp_path)
    assert np.array_equal(both.adjacency, graph.adjacency | graph.adjacency.T)


@pytest.mark.parametrize("text", ["", "010\n10", "012\n100\n100", "0 1\n10\n"])
def test_damaged_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "relational").mkdir()
    (tmp_path / "relational" / "cat.txt").write_text(text)
    with pytest.raises(ValueError, match="n lines of n characters.*delete it, then run: python"):
        load_connectome("cat", data_dir=tmp_path)


def test_unknown_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown connectome 'dog'; choose one of mcwhole, mcv"):
        load_connectome("dog")
    with pytest.raises(ValueError, match="graph2nn.relational.download cat"):
        load_connectome("cat", data_dir=tmp_path)
    with pytest.raises(ValueError, match="leave out the folder for the one that comes with"):
        load_connectome("cat", data_dir=tmp_path)
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path))
    assert load_connectome("cat").num_nodes == 52


def test_own_files_come_before_the_shipped_ones(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "relational").mkdir()
    (tmp_path / "relational" / "cat.txt").write_text("01\n10\n")
    monkeypatch.setitem(CONNECTOMES, "cat", sha256_file(tmp_path / "relational" / "cat.txt"))
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path))
    assert load_connectome("cat").num_nodes == 2
    assert load_connectome("mcvisual").num_nodes == 30


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A source with small files whose checksums are the expected ones."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name in CONNECTOMES:
        path = folder / f"{name}.txt"
        path.write_text("01\n10\n")
        monkeypatch.setitem(CONNECTOMES, name, sha256_file(path))
    return folder.as_uri()


def test_download(site: str, tmp_path: Path) -> None:
    found = download_connectomes(data_dir=tmp_path, source=site, progress=False)
    assert [path.name for path in found] == ["mcwhole.txt", "mcvisual.txt", "cat.txt"]
    assert load_connectome("mcvisual", data_dir=tmp_path).num_edges == 1
    again = download_connectomes(["cat"], data_dir=tmp_path, source="nowhere", progress=False)
    assert again == found[2:]


def test_download_refuses_another_file(site: str, tmp_path: Path) -> None:
    (tmp_path / "site" / "cat.txt").write_text("00\n10\n")
    with pytest.raises(ValueError, match="sha256 is .* put the file there yourself"):
        download_connectomes(["cat"], data_dir=tmp_path, source=site, progress=False)
    assert list((tmp_path / "relational").iterdir()) == []
    with pytest.raises(ValueError, match="unknown connectome 'dog'"):
        download_connectomes(["dog"], data_dir=tmp_path)


def test_download_command(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fetch = download.download_connectomes
    monkeypatch.setattr(
        download,
        "download_connectomes",
        lambda names, data_dir: fetch(names, data_dir=data_dir, source=site, progress=False),
    )
    assert main(["cat", "-D", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'relational' / 'cat.txt'}\n"
    assert main(["dog", "-D", str(tmp_path)]) == 1
    assert "unknown connectome 'dog'" in capsys.readouterr().err


@pytest.mark.usefixtures("no_own_data")
def test_published_checksums() -> None:
    for name, expected in connectomes.CONNECTOMES.items():
        rows = load_connectome(name).adjacency.astype(int).tolist()
        text = "\n".join("".join(map(str, row)) for row in rows)
        assert hashlib.sha256(text.encode()).hexdigest() == expected


def test_published_files(reference: Path) -> None:
    for name, expected in connectomes.CONNECTOMES.items():
        assert sha256_file(reference / "data" / "relational" / f"{name}.txt") == expected
