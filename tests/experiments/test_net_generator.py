"""`experiments/net_generator.py`: both formats, the same networks as drawn, wrong flags."""

from __future__ import annotations

import pytest

from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import EVAL_SPLITS, NetStore, PublishedNets, eval_nets


def test_training_networks(script, tmp_path, capsys):
    script.main(["TRAIN", "40", str(tmp_path / "new")])
    path = tmp_path / "new" / "deepnets_train.h5"
    printed = capsys.readouterr().out
    assert "train: 40 networks" in printed and "networks/s" in printed
    assert str(path) in printed and path.with_suffix(".png").stat().st_size
    store = NetStore(path)
    config, graph = store.item(0)
    assert len(store) == 40 and config.num_classes == 10
    assert isinstance(graph, ArchGraph) and len(graph.op) > 10


def test_the_file_holds_the_networks_of_the_split(script, tmp_path, capsys):
    flags = ["--no-figure", "--imsize", "8", "--seed", "3"]
    script.main(["deep", "2", str(tmp_path), *flags])
    stored = NetStore(tmp_path / "deepnets_deep.h5", image_size=8)
    drawn = eval_nets("deep", 2, 3, image_size=8)
    assert [stored.item(k)[0] for k in range(2)] == list(drawn)
    assert "wrote" in capsys.readouterr().out and not list(tmp_path.glob("*.png"))


def test_processes_change_nothing(script, tmp_path, capsys):
    for jobs in ("1", "2"):
        script.main(["test", "3", str(tmp_path / jobs), "--no-figure", "--jobs", jobs])
    one, two = (NetStore(tmp_path / jobs / "deepnets_test.h5") for jobs in ("1", "2"))
    assert [one.item(k)[0] for k in range(3)] == [two.item(k)[0] for k in range(3)]


def test_eval_is_every_split_in_the_published_format(script, tmp_path, capsys):
    script.main(["eval", "1", str(tmp_path), "--format", "published", "--no-figure"])
    path = tmp_path / "deepnets1m_eval.hdf5"
    for split in EVAL_SPLITS:
        assert len(PublishedNets(path, split)) == 1
    assert "1 networks" in capsys.readouterr().out


def test_own_limits(script, tmp_path, capsys):
    flags = ["--no-figure", "--cells", "4", "4", "--max-nodes", "150"]
    script.main(["train", "5", str(tmp_path), *flags])
    store = NetStore(tmp_path / "deepnets_train.h5")
    items = [store.item(k) for k in range(5)]
    assert all(config.n_cells == 4 and len(graph.op) <= 150 for config, graph in items)


def test_existing_files_are_kept(script, tmp_path):
    script.main(["train", "1", str(tmp_path), "--no-figure"])
    path = tmp_path / "deepnets_train.h5"
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="exists; choose another folder or pass --overwrite"):
        script.main(["train", "2", str(tmp_path), "--no-figure"])
    assert path.read_bytes() == before
    script.main(["train", "2", str(tmp_path), "--no-figure", "--overwrite"])
    assert len(NetStore(path)) == 2


def test_a_file_where_the_folder_should_be(script, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="net_generator: .*file"):
        script.main(["train", "1", str(tmp_path / "file")])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("tset 1 x", "invalid choice: 'tset'"),
        ("train 0 x", "expected at least 1 network, got 0"),
        ("train 1 x --jobs 0", "expected a number of processes"),
        ("train 9 x --format published --imsize 8", "expected --imsize 32 or 224"),
    ],
)
def test_wrong_flags(script, capsys, flags, message):
    with pytest.raises(SystemExit):
        script.main(flags.split())
    assert message in capsys.readouterr().err
