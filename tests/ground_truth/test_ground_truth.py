"""Tables of trained networks: drawn once each, trained once each, read back, made again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from campaigns import send_through_pickle
from torch import nn
from unsealed import unsealed

from graph2nn.archgraph import structural_hash
from graph2nn.deepnets import Network, build_graph, eval_nets
from graph2nn.families.source import is_held_out
from graph2nn.ground_truth import (
    TABLES,
    GroundTruth,
    GroundTruthSettings,
    add_attributes,
    count_flops,
    draw_networks,
    find_table,
    generate,
    inference_times,
    networks,
    plot_ground_truth,
    read_ground_truth,
    regenerate,
    summarise_ground_truth,
    train_all,
    train_group,
    training,
    write_ground_truth,
)
from graph2nn.runs import from_dict, to_dict
from graph2nn.training import Recipe
from graph2nn.vision import ImageSettings

SETTINGS = GroundTruthSettings(
    name="tiny",
    images=ImageSettings(train=64, val=40, test=40, noise=0.4),
    recipe=Recipe(epochs=2, batch_size=32, test_batch_size=40, lr=0.05, precise_bn=0),
    train_networks=2,
    test_networks=2,
    repeated=2,
    timing_batch=4,
    timing_rounds=2,
)
QUIET = {"progress": False, "save_seconds": None}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[GroundTruth, Path, Path]:
    folder = tmp_path_factory.mktemp("truth")
    path = folder / "tiny.h5"
    return generate(SETTINGS, path, folder=folder / "run", **QUIET), path, folder / "run"


def test_networks_are_drawn_once_each() -> None:
    entries = draw_networks(replace(SETTINGS, train_networks=15, test_networks=12))
    assert [entry.half for entry in entries].count("train") == 15
    assert len({entry.key for entry in entries}) == len(entries) == 27
    assert entries[0].net == eval_nets("val", 1, 0, image_size=8)[0]
    assert entries[1].net == eval_nets("test", 1, 0, image_size=8)[0]
    fewer = draw_networks(replace(SETTINGS, train_networks=4, test_networks=4))
    assert fewer == entries[:8]  # a longer table begins with the same networks


def test_a_table_is_extended_without_its_run(made, tmp_path, monkeypatch) -> None:
    truth, made_path, _ = made
    path = shutil.copy(made_path, tmp_path / "old.h5")
    add_attributes(path, {"zc_mine": [1.0, 2.0, 3.0, 4.0]})
    more = replace(SETTINGS, train_networks=3)
    trained = []
    train = training.train_group

    def watched(entries, *args, **kwargs):
        trained.extend(entry.name for entry in entries)
        return train(entries, *args, **kwargs)

    monkeypatch.setattr(training, "train_group", watched)
    again = generate(more, tmp_path / "more.h5", folder=tmp_path / "run", extend=path, **QUIET)
    assert trained == ["val2"] and again.names == ("val0", "val1", "val2", "test0", "test1")
    old = [0, 1, 3, 4]
    for name, values in {**truth.curves, **truth.final}.items():
        found = {**again.curves, **again.final}[name][:, old]
        np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(again.seconds[:, old], truth.seconds)
    assert again.made["extends"] == truth.made
    np.testing.assert_array_equal(again.attributes["zc_mine"], [1, 2, np.nan, 3, 4])
    other = replace(more, recipe=replace(more.recipe, lr=0.1))
    with pytest.raises(ValueError, match=r"tiny cannot be extended: .*other settings \(recipe\)"):
        generate(other, tmp_path / "o.h5", folder=tmp_path / "other", extend=path, **QUIET)
    assert not (tmp_path / "other").exists()


def test_a_table_of_several_families(tmp_path) -> None:
    settings = replace(
        SETTINGS,
        name="mixed",
        families="relational,wirings,deepnets",
        train_networks=4,
        test_networks=4,
        seeds=(0,),
    )
    path = tmp_path / "mixed.h5"
    truth = generate(settings, path, folder=tmp_path / "run", **QUIET)
    assert set(truth.families) == {"relational", "wirings", "deepnets"}
    assert truth.names[:2] == ("train0", "train1") and (truth.status == 1).all()
    assert truth.settings == settings and "families" in to_dict(settings)
    assert "families" not in to_dict(SETTINGS)  # as tables were stored before there were others
    for graph, config, key in zip(truth.graphs(), truth.configs, truth.keys):
        assert structural_hash(graph) == key
        assert graph.attributes["flops"] == count_flops(config, settings.images) > 0
    held_out = [n.cell for n, half in zip(truth.configs, truth.split) if hasattr(n, "cell")]
    assert [is_held_out(cell) for cell in held_out] == [
        half == "test" for n, half in zip(truth.configs, truth.split) if hasattr(n, "cell")
    ]
    assert regenerate(path, 1).identical and regenerate(path, 5).identical
    with pytest.raises(ValueError, match="images: expected what .* takes, got None"):
        count_flops(next(c for c in truth.configs if hasattr(c, "cell")))
    with pytest.raises(ValueError, match="families: expected one of .*, got 'wires'"):
        replace(settings, families="wires")


class Stream(list):
    """Networks as a source."""

    def item(self, index: int, rng: object = None) -> tuple:
        return self[index], build_graph(self[index])


def test_repeated_architectures_are_passed_over(monkeypatch) -> None:
    nets = eval_nets("val", 3, 0, image_size=8)
    stream = [nets[0], nets[1], nets[0], nets[2], *[nets[0]] * 30]
    monkeypatch.setattr(networks, "_deepnets", lambda settings, split, count: Stream(stream))
    found = draw_networks(replace(SETTINGS, train_networks=3, test_networks=0))
    assert [entry.name for entry in found] == ["val0", "val1", "val3"]
    with pytest.raises(ValueError, match="too few different networks; missing: {'test': 1}"):
        draw_networks(replace(SETTINGS, train_networks=1, test_networks=3))


def flops_by_hooks(config) -> int:
    """From the sizes of what convolutions and linear layers return."""
    net, total = Network(config).eval(), []

    def count(layer, inputs, output):
        taps = layer.weight[0].numel()
        total.append(output[0].numel() * taps)  # a multiply-add counts as one

    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(2, 3, 8, 8))
    return sum(total)


def test_flops_equal_those_of_the_layers() -> None:
    nets = [c for c in eval_nets("val", 12, 0, image_size=8) if not c.genotype.uses("msa")]
    assert len(nets) >= 4
    for config in nets[:4]:
        assert count_flops(config) == flops_by_hooks(config)


def test_inference_times_grow_with_the_network() -> None:
    config = eval_nets("val", 1, 0, image_size=8)[0]
    wider = config.with_(C=8 * config.C)
    times = inference_times([config, wider], batch=16, rounds=3, progress=False).min(0)
    assert 0 < times[0] < times[1]


def test_table(made) -> None:
    truth, path, _ = made
    assert len(truth) == 4 and truth.split.tolist() == ["train"] * 2 + ["test"] * 2
    assert truth.names == ("val0", "val1", "test0", "test1")
    assert truth.status.tolist() == [[1, 1, 1, 1], [1, 0, 1, 0]]
    assert truth.curves["val_acc"].shape == (2, 4, 3)
    assert np.isnan(truth.curves["train_acc"][0, :, 0]).all()  # no training before epoch 0
    targets = truth.targets
    wanted = {"val_acc", "val_acc_noise", "test_acc", "test_acc_noise", "test_acc_blur"}
    assert wanted | {"inference_time", "convergence_time", "train_loss"} <= set(targets)
    assert all(np.isfinite(values).all() for values in targets.values())
    assert (targets["val_acc"] > 10).any() and (targets["inference_time"] > 0).all()
    assert np.isnan(truth.targets_of(1)["val_acc"]).tolist() == [False, True, False, True]
    for graph, config in zip(truth.graphs(), truth.configs):
        params = sum(p.numel() for p in Network(config).parameters())
        assert graph.attributes["params"] == params == graph.num_params()
        assert graph.attributes["flops"] == count_flops(config)
    assert path.stat().st_size < 200_000
    assert -1 <= truth.noise("val_acc") <= 1 and -1 <= truth.noise("inference_time") <= 1


def assert_same(one: GroundTruth, other: GroundTruth) -> None:
    assert one.settings == other.settings and one.configs == other.configs
    assert one.names == other.names and (one.keys == other.keys).all()
    for name in ("facts", "curves", "final", "attributes"):
        mine, its = getattr(one, name), getattr(other, name)
        assert set(mine) == set(its)
        for key in mine:
            np.testing.assert_array_equal(mine[key], its[key])
    for name in ("split", "status", "seconds", "timing"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_round_trip(made) -> None:
    truth, path, _ = made
    assert_same(read_ground_truth(path), truth)
    assert from_dict(GroundTruthSettings, json.loads(json.dumps(to_dict(SETTINGS)))) == SETTINGS


def test_tables_of_version_1_counted_a_multiply_add_twice(made, tmp_path) -> None:
    truth, path, _ = made
    old = tmp_path / "old.h5"
    shutil.copy(path, old)
    unsealed(old)
    with h5py.File(old, "r+") as file:
        file.attrs["version"] = 1
        file["facts/flops"][...] *= 2
    assert_same(read_ground_truth(old), truth)


def test_a_row_regenerates_bit_for_bit(made) -> None:
    truth, path, _ = made
    for row, repeat in ((3, 0), (2, 1)):
        found = regenerate(path, row, repeat=repeat)
        assert found.identical and found.difference == 0 and len(found.stored) == 6 * 3 + 8
    assert found.stored["val_acc"] == truth.targets_of(1)["val_acc"][2]
    changed = replace(truth, curves={k: v + 1 for k, v in truth.curves.items()})
    other = path.with_name("changed.h5")
    write_ground_truth(changed, other)
    found = regenerate(other, 3)
    assert not found.identical and found.difference == pytest.approx(1, abs=1e-4)


def test_group_does_not_change_results(made) -> None:
    truth, _, _ = made
    entries = draw_networks(SETTINGS)
    together = train_group(entries, SETTINGS, 0)
    for entry, result in zip(entries, together):
        row = truth.names.index(entry.name)
        np.testing.assert_array_equal(
            np.float32(result["curves"]["val_loss"]), truth.curves["val_loss"][0, row]
        )


def test_nothing_is_trained_twice(made, monkeypatch) -> None:
    truth, path, folder = made
    seen: list[str] = []

    def counted(entries, settings, seed, **how):
        seen.extend(entry.name for entry in entries)
        return train_group(entries, settings, seed, **how)

    monkeypatch.setattr(training, "train_group", counted)
    monkeypatch.setattr(
        "graph2nn.ground_truth.making.inference_times",
        lambda nets, images, rounds, **how: np.ones((rounds, len(nets))),
    )
    other = path.with_name("again.h5")
    assert_same(generate(SETTINGS, other, folder=folder, **QUIET), truth)
    assert seen == []
    add_attributes(other, {"zc_snip": [1, 2, 3, 4]})
    more = generate(replace(SETTINGS, train_networks=3), other, folder=folder, **QUIET)
    assert seen == ["val2"] and more.names == ("val0", "val1", "val2", "test0", "test1")
    kept = more.attributes["zc_snip"]
    np.testing.assert_array_equal(kept, [1, 2, np.nan, 3, 4])
    with pytest.raises(ValueError, match="run with other settings: recipe"):
        train_all(replace(SETTINGS, recipe=replace(SETTINGS.recipe, lr=0.1)), folder, **QUIET)


def test_an_interrupted_run_loses_nothing(made, tmp_path, monkeypatch) -> None:
    """Kills at any moment are tested with the engine of campaigns."""
    truth, _, _ = made
    begun: list[tuple[str, int]] = []

    def dying(entries, settings, seed, **how):
        begun.append((entries[0].name, seed))
        if len(begun) == 3:
            raise KeyboardInterrupt
        return train_group(entries, settings, seed, **how)

    monkeypatch.setattr(training, "train_group", dying)
    with pytest.raises(KeyboardInterrupt):
        train_all(SETTINGS, tmp_path / "run", **QUIET)
    assert len(list((tmp_path / "run" / "results").glob("*.jsonl"))) == 2
    resumed = generate(SETTINGS, tmp_path / "t.h5", folder=tmp_path / "run", **QUIET)
    again = [("val0", 1), ("test0", 1)]
    assert begun == [("val0", 0), ("test0", 0), *[("val1", 0)] * 2, ("test1", 0), *again]
    for name, values in truth.curves.items():
        np.testing.assert_array_equal(resumed.curves[name], values)


def test_divergence_is_recorded(tmp_path) -> None:
    recipe = replace(SETTINGS.recipe, lr=1e30)
    settings = replace(SETTINGS, recipe=recipe, test_networks=0, repeated=0, seeds=(0,))
    truth = generate(settings, tmp_path / "t.h5", folder=tmp_path / "run", **QUIET)
    assert truth.status.tolist() == [[2, 2]]
    assert np.isnan(truth.targets["val_acc"]).all()
    assert np.isnan(truth.convergence()).all() and np.isfinite(truth.timing).all()
    assert np.isfinite(truth.curves["val_acc"][0, :, 0]).all()  # before training
    assert np.isnan(truth.noise("val_acc"))
    assert regenerate(tmp_path / "t.h5", 1).identical


def test_damaged_result_is_trained_again(made, tmp_path) -> None:
    _, _, folder = made
    shutil.copytree(folder, tmp_path / "run")
    broken = tmp_path / "run" / "results" / "val1_s0.jsonl"
    whole = broken.read_text()
    broken.write_text(whole[:-40])
    with pytest.warns(RuntimeWarning, match="val1 is trained again"):
        train_all(SETTINGS, tmp_path / "run", **QUIET)
    assert broken.with_suffix(".damaged").is_file()
    curves = [json.loads(text.splitlines()[1])["curves"] for text in (whole, broken.read_text())]
    assert curves[0] == curves[1]


def test_a_failing_network_does_not_stop_the_others(tmp_path, monkeypatch) -> None:
    def failing(entries, settings, seed, **how):
        if entries[0].name == "val0":
            raise MemoryError("no room")
        return train_group(entries, settings, seed, **how)

    monkeypatch.setattr(training, "train_group", failing)
    settings = replace(SETTINGS, repeated=0, test_networks=0)
    with pytest.raises(RuntimeError, match="1 of 2 jobs failed.*val0_s0: MemoryError: no room"):
        train_all(settings, tmp_path, **QUIET)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["val1_s0.jsonl"]


def test_checkpoints_and_several_processes(made, tmp_path, monkeypatch) -> None:
    truth, _, _ = made
    send_through_pickle(monkeypatch)
    how = {"progress": False, "save_seconds": 0.0, "group_size": 2}
    train_all(replace(SETTINGS, repeated=0, test_networks=1), tmp_path, **how)
    assert len(list((tmp_path / "results").iterdir())) == 3
    assert not list((tmp_path / "jobs").iterdir())
    row = json.loads((tmp_path / "results" / "val1_s0.jsonl").read_text().splitlines()[1])
    np.testing.assert_array_equal(
        np.float32(row["curves"]["train_loss"][1:]), truth.curves["train_loss"][0, 1, 1:]
    )


def test_convergence_time(made) -> None:
    truth, _, _ = made
    curves = np.full((1, 4, 5), np.nan, np.float32)
    curves[0, :, 1:] = [[20, 40, 60, 80], [70, 80, 90, 95], [10, 10, 12, 15], [30, 50, 49, 60]]
    status = np.array([[1, 1, 1, 1]], np.int8)
    mine = replace(truth, curves={**truth.curves, "train_acc": curves}, status=status)
    found = mine.convergence(accuracy=50.0)
    # 50 lies midway between epochs 2 and 3; between chance (10) and 70 in epoch 1; never; at 2
    assert found.tolist() == pytest.approx([2.5 / 4, 2 / 3 / 4, 2.0, 2 / 4])
    lost = replace(mine, status=np.array([[1, 2, 1, 0]], np.int8))
    assert np.isnan(lost.convergence(accuracy=50.0)).tolist() == [False, True, False, True]


def test_attributes(made, tmp_path) -> None:
    truth, _, _ = made
    path = tmp_path / "t.h5"
    write_ground_truth(truth, path)
    add_attributes(path, {"zc_snip": [1, 2, 3, np.nan]})
    add_attributes(path, {"zc_fisher": np.ones(4), "zc_snip": [5, 2, 3, 4]})
    read = read_ground_truth(path)
    assert read.graphs()[0].attributes["zc_snip"] == 5.0
    assert set(read.attributes) == {"zc_snip", "zc_fisher"}
    np.testing.assert_array_equal(read.curves["val_acc"], truth.curves["val_acc"])
    with pytest.raises(ValueError, match="zc_snip: expected 4 values, one a network"):
        add_attributes(path, {"zc_snip": [1.0]})
    with pytest.raises(ValueError, match="the table has a fact of this name"):
        add_attributes(path, {"params": np.ones(4)})


def test_summary_and_figures(made, tmp_path) -> None:
    truth, _, _ = made
    text = summarise_ground_truth(truth)
    assert "4 networks (2 train, 2 test), 6 trainings of which 0 diverged" in text
    assert text.count("\n| ") == len(truth.targets) + 1
    files = plot_ground_truth(truth, tmp_path / "new")
    assert [path.name for path in files] == [
        "tiny_accuracy.png", "tiny_curves.png", "tiny_cost.png"]  # fmt: skip
    assert all(path.stat().st_size > 5000 for path in files)


def test_files_that_are_no_tables(made, tmp_path) -> None:
    _, path, _ = made
    with pytest.raises(
        FileNotFoundError, match="does not exist; expected a table .*generate.* make it"
    ):
        read_ground_truth(tmp_path / "deepnets_digits.h5")
    (tmp_path / "text.h5").write_text("no")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:20000])
    for bad in (tmp_path / "text.h5", cut):
        with pytest.raises(ValueError, match="damaged or cut off"):
            read_ground_truth(bad)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match="no table of trained networks"):
        read_ground_truth(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seeds": (0, 0)}, "different seeds"),
        ({"seeds": ()}, "different seeds"),
        ({"converged": 0.0}, "expected a percentage"),
        ({"train_networks": -1}, "train_networks: expected at least 0"),
        ({"train_networks": 0, "test_networks": 0}, "at least one network"),
        ({"timing_rounds": 1}, "timing_rounds: expected at least 2"),
    ],
)
def test_bad_settings(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **wrong)


def test_stored_settings_are_read_and_stay_as_they_are() -> None:
    stored = {
        "name": "deepnets_cifar10",
        "images": {
            "dataset": "cifar10", "imsize": 16, "train": 2000, "val": 500, "test": 500,
            "noise": 0.08, "crop": False, "seed": 0,
        },
    }  # fmt: skip
    read = from_dict(GroundTruthSettings, stored)
    assert read.images == TABLES["deepnets_cifar10"].images and read.images.image_size == 16
    assert to_dict(read)["images"] == stored["images"]
    assert to_dict(TABLES["deepnets_digits"])["images"]["imsize"] == 8


def test_bad_images_and_rows(made, tmp_path) -> None:
    _, path, _ = made
    with pytest.raises(ValueError, match="val says how many images validate"):
        replace(SETTINGS, images=ImageSettings(train=64))
    with pytest.raises(ValueError, match="unknown table 'nets'; choose one of deepnets_digits"):
        find_table("nets")
    with pytest.raises(ValueError, match="has the rows 0 to 3, not 4"):
        regenerate(path, 4)
    with pytest.raises(ValueError, match="row 1 was not trained with seed number 1"):
        regenerate(path, 1, repeat=1)
    with pytest.raises(ValueError, match="at least 1 network a job"):
        train_all(SETTINGS, tmp_path / "run", group_size=0)
    with pytest.raises(FileNotFoundError, match="graph2nn.vision.download cifar10"):
        train_all(TABLES["deepnets_cifar10"], tmp_path / "run", data_dir=str(tmp_path), **QUIET)


def test_unknown_target(made) -> None:
    with pytest.raises(ValueError, match="unknown target 'latency'; choose one of val_acc"):
        made[0].noise("latency")


def test_graphs_are_those_of_the_networks(made) -> None:
    truth, _, _ = made
    for graph, config in zip(truth.graphs(), truth.configs):
        plain = build_graph(config)
        assert graph.op_names() == plain.op_names()
        np.testing.assert_array_equal(graph.edges, plain.edges)
