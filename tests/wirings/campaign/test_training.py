"""Training of wirings: curves, exact resume, killed runs, tickets, pictures, bad checkpoints."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from repository import ROOT

from graph2nn.runs import load_checkpoint, save_checkpoint, to_dict
from graph2nn.vision import ImageData, load_images
from graph2nn.wirings import WiringConfig, swap_rate, wired_layers, wiring_masks
from graph2nn.wirings.campaign.checkpoints import find_run, load_wiring, read_weights
from graph2nn.wirings.campaign.evaluation import evaluate_wiring
from graph2nn.wirings.campaign.published import find_config
from graph2nn.wirings.campaign.start import find_start
from graph2nn.wirings.campaign.training import WiringObserver, draw_run, train_wiring

CONFIG = WiringConfig(
    name="test/tiny",
    dataset="digits",
    nodes=60,
    inputs=8,
    outputs=10,
    layers=4,
    keep=0.1,
    epochs=2,
    batch_size=64,
    schedule="cosine",
    rewire_every=2,
    seed=3,
)
QUIET = {"progress": False, "pictures": False}
TIMES = ("seconds", "test_seconds")

pytestmark = pytest.mark.usefixtures("one_thread")  # a killed process counts alike


def begin(config: WiringConfig, images: ImageData) -> torch.nn.Module:
    return config.build(images, find_start(config))


@pytest.fixture(scope="module")
def digits() -> tuple[ImageData, ImageData]:
    train = load_images("digits", split="train").subset(torch.arange(300))
    return train, load_images("digits", split="test").subset(torch.arange(100))


def timeless(records: list[dict]) -> list[dict]:
    return [{key: v for key, v in record.items() if key not in TIMES} for record in records]


class Stop(Exception):
    pass


def _lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def interrupt(monkeypatch, at: int) -> None:
    """The training stops before that step."""
    before = WiringObserver.before_step

    def step(self, number: int) -> None:
        if number == at:
            raise Stop
        before(self, number)

    monkeypatch.setattr(WiringObserver, "before_step", step)


@pytest.mark.parametrize(
    ("kind", "every_step"),
    [("dnw", True), ("rigl", True), ("rigl", False), ("set", True), ("td", False)],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    kind: str, every_step: bool, digits, tmp_path: Path
) -> None:
    config = replace(CONFIG, kind=kind)
    whole, expected = train_wiring(config, *digits, folder=tmp_path / "whole", **QUIET)
    how = {**QUIET, "folder": tmp_path / "cut", "save_seconds": 0.0 if every_step else 1e9}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        interrupt(patch, at=8)  # of 5 an epoch: in the midst of the second
        train_wiring(config, *digits, **how)
    stored = load_checkpoint(tmp_path / "cut" / "last.pt")
    assert (stored["done"], stored["images"]["position"]) == (1, 3 if every_step else 0)
    model, records = train_wiring(config, *digits, **how)
    assert timeless(records) == timeless(expected)
    for (name, one), other in zip(whole.state_dict().items(), model.state_dict().values()):
        assert torch.equal(one, other), name
    lines = _lines(tmp_path / "cut")
    assert [line["step"] for line in lines] == [0, 1, 2]
    assert [line["swap_rate"] for line in lines] == [r["swap_rate"] for r in expected]


KILLED = """
import os, signal, torch
from graph2nn.vision import load_images
from graph2nn.wirings.campaign.published import find_config
from graph2nn.wirings.campaign.start import find_start
from graph2nn.wirings.campaign.training import WiringObserver, train_wiring
from test_training import CONFIG, QUIET
train = load_images("digits", split="train").subset(torch.arange(300))
test = load_images("digits", split="test").subset(torch.arange(100))
WiringObserver.before_step = lambda self, step: step < 8 or os.kill(os.getpid(), signal.SIGKILL)
train_wiring(CONFIG, train, test, folder={folder!r}, **QUIET)
"""


def test_a_killed_run_loses_the_present_epoch_at_most(digits, tmp_path: Path) -> None:
    own = [str(Path(__file__).parent), str(ROOT), str(ROOT / "tests" / "zoo")]
    paths = [*own, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    code = KILLED.format(folder=str(tmp_path / "run"))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert load_checkpoint(tmp_path / "run" / "last.pt")["done"] == 1
    _, records = train_wiring(CONFIG, *digits, folder=tmp_path / "run", **QUIET)
    assert timeless(records) == timeless(train_wiring(CONFIG, *digits, **QUIET)[1])


def test_records_follow_the_graph(digits) -> None:
    snapshots = []

    class Follow(WiringObserver):
        def after_epoch(self, epoch: int) -> dict:
            snapshots.append(wiring_masks(self.model))
            return super().after_epoch(epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graph2nn.wirings.campaign.training.WiringObserver", Follow)
        model, records = train_wiring(CONFIG, *digits, **QUIET)
    rates = [swap_rate(*pair) for pair in zip(snapshots, snapshots[1:])]
    assert [record["swap_rate"] for record in records] == [None, *rates]
    assert all(0 < rate < 1 for rate in rates)
    budget = next(iter(wired_layers(model)))[1].keep
    assert {record["edges"] for record in records} == {budget} == {360}
    for record in records:
        assert 0 < record["C"] < 1 < record["L"]
        assert 10 <= record["alive"] <= 60
        assert record["in_entropy"] > 0 < record["out_entropy"]


@pytest.mark.parametrize(("kind", "swaps"), [("random", False), ("rigl", True), ("set", True)])
def test_rewiring_happens_in_training_and_nothing_else_moves_fixed_edges(
    kind: str, swaps: bool, digits
) -> None:
    model, records = train_wiring(replace(CONFIG, kind=kind, epochs=1), *digits, **QUIET)
    assert (records[-1]["swap_rate"] > 0) == swaps
    assert records[-1]["edges"] == records[0]["edges"] == 360


def test_other_networks_are_followed_as_far_as_they_have_a_graph(digits) -> None:
    dense = replace(CONFIG, model="mobilenetv1_dense", kind="complete", epochs=1)
    few = digits[0].subset(torch.arange(64)), digits[1]
    assert "edges" not in train_wiring(dense, *few, **QUIET)[1][-1]
    continuous = replace(CONFIG, model="continuous", solver="euler", solver_steps=2, epochs=1)
    assert train_wiring(continuous, *few, **QUIET)[1][-1]["nfe"] == 2


def test_label_smoothing_changes_training_and_not_the_test(digits) -> None:
    plain, smooth = (
        train_wiring(replace(CONFIG, epochs=1, label_smoothing=s), *digits, **QUIET)[1]
        for s in (0.0, 0.3)
    )
    assert plain[0]["test_loss"] == smooth[0]["test_loss"]
    assert plain[1]["train_loss"] != smooth[1]["train_loss"]


@pytest.fixture(scope="module")
def complete(digits, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("complete") / "run"
    train_wiring(replace(CONFIG, kind="complete", keep=1.0, epochs=2), *digits, folder=folder,
                 **QUIET)  # fmt: skip
    return folder


def test_fine_tuning_starts_from_trained_weights_and_lottery_from_initial_ones(
    digits, complete: Path
) -> None:
    final, first = read_weights(complete), read_weights(complete, initial=True)
    assert not torch.equal(final["wires.weight"], first["wires.weight"])
    masks = []
    for kind, weights in (("fine_tune", final), ("lottery", first)):
        model = begin(replace(CONFIG, kind=kind, trained=str(complete)), digits[0])
        assert torch.equal(model.wires.weight, weights["wires.weight"])
        masks.append(model.wires.edges())
        kept = final["wires.weight"].abs()[masks[-1]].min()
        legal = model.wires.slots.mask(torch.device("cpu"))
        assert kept >= final["wires.weight"].abs()[legal & ~masks[-1]].max()
    assert torch.equal(*masks)
    assert int(masks[0].sum()) == 360


def test_a_ticket_resumes_without_the_network_it_came_from(
    digits, complete: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, kind="lottery", trained=str(complete), epochs=1)
    model, _ = train_wiring(config, *digits, folder=tmp_path, **QUIET)
    away = complete.rename(complete.with_name("away"))
    try:
        again, records = train_wiring(config, *digits, folder=tmp_path, **QUIET)
    finally:
        away.rename(complete)
    assert len(records) == 2
    assert torch.equal(model.wires.edges(), again.wires.edges())
    assert load_wiring(tmp_path)[0] == config


def test_tickets_need_a_trained_network_and_others_take_none(digits, complete: Path) -> None:
    with pytest.raises(ValueError, match="train the complete graph first"):
        begin(replace(CONFIG, kind="fine_tune"), digits[0])
    with pytest.raises(ValueError, match="only the kinds fine_tune and lottery"):
        begin(replace(CONFIG, trained=str(complete)), digits[0])
    other = replace(CONFIG, kind="fine_tune", nodes=70, trained=str(complete))
    with pytest.raises(ValueError, match="of the same kind and sizes"):
        begin(other, digits[0])


def test_a_run_is_loaded_drawn_and_evaluated(digits, tmp_path: Path) -> None:
    model, records = train_wiring(CONFIG, *digits, folder=tmp_path, progress=False)
    figures = tmp_path / "figures"
    assert sorted(p.name for p in figures.iterdir()) == [
        "adjacency.gif",
        *(f"adjacency_{epoch:03d}.png" for epoch in range(3)),
        "curves.png",
    ]
    with Image.open(figures / "adjacency.gif") as moving:
        assert (moving.n_frames, moving.size) == (3, (800, 816))
    with Image.open(figures / "adjacency_002.png") as picture:
        colours = {colour for _, colour in picture.getcolors(1 << 16)}
    assert {(25, 45, 110), (235, 95, 0), (225, 225, 225), (255, 255, 255)} <= colours
    config, loaded = load_wiring(tmp_path / "last.pt")
    assert config == CONFIG and not loaded.training
    found = evaluate_wiring(loaded, digits[1], batch_size=33)
    assert found["top1_error"] == pytest.approx(records[-1]["top1_error"])
    assert found["test_loss"] == pytest.approx(records[-1]["test_loss"], rel=1e-5)
    _, untrained = load_wiring(tmp_path, initial=True)
    before = evaluate_wiring(untrained, digits[1])["test_loss"]
    assert before == pytest.approx(records[0]["test_loss"], rel=1e-5)
    (figures / "curves.png").unlink()
    assert [path.name for path in draw_run(tmp_path)] == ["curves.png", "adjacency.gif"]
    assert (figures / "curves.png").is_file()


def test_checkpoints_of_the_original_are_refused_with_the_reason(tmp_path: Path) -> None:
    weights = {"model": {"module.fc.weight": torch.zeros(10, 100)}, "last_epoch": 159}
    torch.save(weights, tmp_path / "epoch_159.pt")
    torch.save({**weights, "meters": Stop()}, tmp_path / "objects.pt")
    for name in ("epoch_159.pt", "objects.pt"):
        with pytest.raises(ValueError, match="allenai/dnw are not read: their terms"):
            read_weights(tmp_path / name)
        with pytest.raises(ValueError, match="Train the configuration of the same name"):
            find_run(tmp_path / name)
    with pytest.raises(ValueError, match="no run of a wiring"):
        find_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="folder of a run"):
        find_run(tmp_path / "nothing")


def test_a_used_folder_is_not_taken_for_another_run(digits, tmp_path: Path) -> None:
    short = replace(CONFIG, epochs=1)
    train_wiring(short, *digits, folder=tmp_path, **QUIET)
    with pytest.raises(ValueError, match="test/tiny.wiring.rewire_every was 2, is 5"):
        train_wiring(replace(short, rewire_every=5), *digits, folder=tmp_path, **QUIET)
    with pytest.raises(ValueError, match="holds a run already"):
        train_wiring(short, *digits, folder=tmp_path, resume=False, **QUIET)


def test_a_diverging_run_is_left_behind_with_a_warning(digits) -> None:
    with pytest.warns(RuntimeWarning, match="not finite"):
        _, records = train_wiring(replace(CONFIG, lr=1e18, kind="rigl"), *digits, **QUIET)
    assert records[-1]["top1_error"] is None


def test_checkpoints_hold_tensors_and_plain_values_only(digits, tmp_path: Path) -> None:
    train_wiring(replace(CONFIG, epochs=1), *digits, folder=tmp_path, **QUIET)
    content = load_checkpoint(tmp_path / "last.pt", kind="networks")
    packed = content["observers"]["test/tiny"]["before"]["wires"]
    assert packed["shape"] == [60, 60, 1, 1] and packed["bits"].dtype == torch.uint8
    save_checkpoint(tmp_path / "copy.pt", content)


def test_a_ticket_from_a_checkpoint_file_finds_the_initial_weights(digits, complete: Path) -> None:
    first = read_weights(complete, initial=True)
    config = replace(CONFIG, kind="lottery", trained=str(complete / "last.pt"))
    assert torch.equal(begin(config, digits[0]).wires.weight, first["wires.weight"])
    _, model = load_wiring(complete / "initial.pt")
    assert torch.equal(model.wires.weight, first["wires.weight"])


def test_rewiring_that_never_happens_is_said(digits) -> None:
    with pytest.warns(
        UserWarning, match="rigl: no edge is ever exchanged, with one exchange every"
    ):
        train_wiring(replace(CONFIG, kind="rigl", epochs=1, rewire_every=100), *digits, **QUIET)


def test_a_run_of_an_earlier_release_is_loaded_and_goes_on(digits, tmp_path: Path) -> None:
    """`stored_run` was stopped after step 7 of 10, when settings were one flat list."""
    folder = shutil.copytree(Path(__file__).with_name("stored_run"), tmp_path / "run")
    config, network = load_wiring(folder)
    assert config == find_config(
        "small/static_dnw",
        **{"name": "test/tiny", "dataset": "digits", "kind": "rigl", "rewire_every": 2},
        **{"nodes": 24, "inputs": 4, "outputs": 6, "layers": 3, "keep": 0.2, "seed": 3},
        **{"epochs": 2, "batch_size": 64, "schedule": "cosine"},
    )
    assert config.training.milestones == (80, 120) and network.wires.keep == 116
    stored = json.loads((folder / "config.json").read_text())["observers"]["test/tiny"]["wiring"]
    assert stored == to_dict(config)
    _, records = train_wiring(config, *digits, folder=folder, **QUIET)
    assert [record["epoch"] for record in records] == [0, 1, 2]
    assert records[-1]["test_loss"] == pytest.approx(2.2836553955078127, rel=1e-5)
    assert records[-1]["C"] == pytest.approx(0.3946577727827727)
