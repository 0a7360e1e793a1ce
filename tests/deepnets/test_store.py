"""The compact store and the generator script: round trips, sizes, damage, full disks."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from repository import EXPERIMENTS, imported_script

from graph2nn.deepnets import (
    EVAL_SPLITS,
    PDARTS,
    SPLITS,
    NetConfig,
    NetStore,
    NetTable,
    PublishedNets,
    ViT,
    eval_nets,
    load_nets,
    sample_table,
    save_nets,
)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "nets.h5"
    save_nets(eval_nets("val", 200).table, path, split="val", image_size=8, in_channels=1)
    return path


@pytest.mark.parametrize("split", ["train", "dense", "deep", "bnfree"])
def test_round_trip(tmp_path: Path, split: str):
    table = sample_table(SPLITS[split], 300, np.random.default_rng(0))
    size = save_nets(table, tmp_path / "nets.h5", split=split)
    assert size / 300 < 120
    again, attributes = load_nets(tmp_path / "nets.h5")
    assert attributes == {"split": split}
    for name, column in table.columns():
        assert (getattr(again, name) == column).all(), name
    assert [again.config(i) for i in range(300)] == [table.config(i) for i in range(300)]


def test_named_networks(tmp_path: Path):
    configs = [
        NetConfig(genotype=PDARTS, n_cells=14, C=36, norm="bn-track", is_vit=False),
        NetConfig(genotype=ViT, n_cells=12, C=128, preproc=False, C_mult=1, norm=None),
    ]
    save_nets(NetTable.of(configs), tmp_path / "nets.h5")
    assert list(NetStore(tmp_path / "nets.h5")) == configs


def test_store_is_a_data_set(stored: Path):
    nets = NetStore(stored)
    assert len(nets) == 200 and nets.attributes["split"] == "val"
    config, graph = nets.item(7)
    assert (config.image_size, config.in_channels, config.num_classes) == (8, 1, 10)
    assert graph.num_nodes == nets.num_nodes(7) and graph.distances(50).max() > 1
    assert NetStore(stored, image_size=32)[7].image_size == 32


def test_existing_file_is_kept(stored: Path):
    table, _ = load_nets(stored)
    before = stored.read_bytes()
    with pytest.raises(FileExistsError, match="exists; choose another name or pass overwrite"):
        save_nets(table.take(slice(3)), stored)
    assert stored.read_bytes() == before
    save_nets(table.take(slice(3)), stored, overwrite=True)
    assert len(NetStore(stored)) == 3


def test_unwritable_folder(stored: Path, tmp_path: Path):
    table, _ = load_nets(stored)
    for folder in (tmp_path / "missing", stored):
        with pytest.raises(OSError, match="cannot write to the folder .*create it or choose"):
            save_nets(table, folder / "nets.h5")


def test_full_disk_leaves_nothing(stored: Path, tmp_path: Path):
    table, _ = load_nets(stored)
    before = sorted(tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # as if the disk ended there
    try:
        with pytest.raises(OSError, match="cannot write .*larger than .* allows: choose"):
            save_nets(table, tmp_path / "other.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(tmp_path.iterdir()) == before


def test_damaged_files(stored: Path, tmp_path: Path):
    content = stored.read_bytes()
    for name, damaged in {
        "short": content[: len(content) // 2],
        "empty": b"",
        "text": b"not a file of networks",
    }.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{name} is .*damaged or cut off.*copy or generate"):
            load_nets(path)
    table, _ = load_nets(stored)
    flipped = bytearray(content)
    middle = content.index(b"\x78\x5e") if b"\x78\x5e" in content else len(content) // 2
    flipped[middle + 40] ^= 0xFF  # within a compressed block
    stored.write_bytes(bytes(flipped))
    with pytest.raises(ValueError, match="damaged or cut off"):
        load_nets(stored)


def test_other_files(tmp_path: Path, reference: Path):
    with pytest.raises(FileNotFoundError, match="none.h5 not found; write it with"):
        load_nets(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="is not a compact store .*PublishedNets"):
        load_nets(reference / "data/deepnets/deepnets1m_eval.hdf5")


@pytest.fixture
def generator_main():
    with imported_script(EXPERIMENTS / "net_generator.py") as script:
        yield script.main


def test_generator_script(generator_main, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = str(tmp_path / "data")
    generator_main(["train", "150", folder, "--imsize", "8", "--in-channels", "1"])
    printed = capsys.readouterr().out
    assert "train: 150 networks" in printed and "bytes a network" in printed
    nets = NetStore(tmp_path / "data/deepnets_train.h5")
    assert list(nets) == list(eval_nets("train", 150, image_size=8, in_channels=1))
    assert nets.table.num_nodes.all()
    assert (tmp_path / "data/deepnets_train.png").stat().st_size > 1000
    with pytest.raises(SystemExit, match="deepnets_train.h5 exists; choose another folder or"):
        generator_main(["train", "150", folder])


def test_generator_writes_published_files(generator_main, tmp_path: Path):
    generator_main(["eval", "2", str(tmp_path), "--format", "published", "--no-figure"])
    for split in EVAL_SPLITS:
        nets = PublishedNets(tmp_path, split)
        assert [nets.config(i) for i in range(2)] == list(eval_nets(split, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "0", "."], "n: expected at least 1 network, got 0"),
        (["train", "5", ".", "--jobs", "0"], "--jobs: expected a number of processes"),
        (["training", "5", "."], "invalid choice: 'training'"),
    ],
)
def test_generator_arguments(generator_main, arguments, message, capsys):
    with pytest.raises(SystemExit):
        generator_main(arguments)
    assert message in capsys.readouterr().err


def test_generator_rules(generator_main, tmp_path: Path):
    with pytest.raises(SystemExit, match="net_generator: cells: expected 1 <= min <= max"):
        generator_main(["train", "5", str(tmp_path), "--cells", "9", "4"])
    assert list(tmp_path.iterdir()) == []
