"""Training of a detector: what it begins with, that it learns, and that it can be stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ghn import from_pretrained
from ghn.detection import (
    DetectionRecipe,
    MapBackbone,
    backbone_network,
    build_detector,
    make_shapes,
    train_detector,
)
from ghn.detection import training as module
from ghn.finetuning import NamedNetwork, Start
from graph2nn.runs import load_checkpoint

TINY = DetectionRecipe(epochs=2, image_size=64, regions=8, lr=0.01, test_batch_size=2)


def network(seed: int = 0) -> NamedNetwork:
    return backbone_network("DARTS", channels=8, n_cells=3, seed=seed)


@pytest.fixture(scope="module")
def data():
    return make_shapes(9, image_size=64).split_off_test(1, 3)


def run(data, recipe=TINY, start="random", **how):
    return train_detector(network(), data, recipe, start, progress=False, seed=2, **how)


def test_published_rates():
    """Linear from 1/1000 over the first epoch, a tenth every third epoch."""
    recipe = DetectionRecipe()
    assert recipe.factor(0, 60) == pytest.approx(0.001)
    assert recipe.factor(30, 60) == pytest.approx(0.001 + 0.999 * 30 / 59)
    assert recipe.factor(59, 60) == recipe.factor(179, 60) == 1
    assert recipe.factor(180, 60) == pytest.approx(0.1)
    assert recipe.factor(599, 60) == pytest.approx(0.001)
    assert recipe.factor(1000, 2000) == 1, "at most 1000 steps"
    assert recipe.factor(0, 1) == 1, "an epoch of one step has no warm-up"


def test_published_detector():
    detector = build_detector(MapBackbone(network().model), 1)
    (sizes,) = detector.rpn.anchor_generator.sizes
    assert sizes == (32, 64, 128, 256, 512)
    assert detector.rpn.anchor_generator.num_anchors_per_location() == [15]
    pool = detector.roi_heads.box_roi_pool
    assert (pool.output_size, pool.sampling_ratio) == ((7, 7), 2)
    assert pool.scales == [1 / 32]
    assert (detector.transform.min_size, detector.transform.max_size) == ((800,), 1333)
    assert detector.roi_heads.fg_bg_sampler.batch_size_per_image == 512
    vit = build_detector(MapBackbone(network().model), 1, image_size=320)
    assert vit.transform.max_size == 533


def test_it_learns():
    """A few images by heart, from initial weights."""
    data = make_shapes(4, image_size=96, seed=4)
    recipe = DetectionRecipe(
        epochs=28, image_size=192, regions=32, lr=0.01, milestones=(24,), flip=0
    )
    records = run((data, data), recipe).records
    assert records[-1]["ap50"] > 0.2 > 0.1 > records[0]["ap50"]
    assert records[-1]["train_loss"] < 0.6 * records[0]["train_loss"]


def test_predicted_weights_and_their_statistics(data, one_thread):
    ghn = from_pretrained("ghn2-cifar10")
    detector, records = run(data, DetectionRecipe(epochs=0, image_size=64), ghn)
    said = "predicted weights but of the classification layer; statistics of 4 images"
    assert records[0]["epoch"] == 0 and records[0]["start"] == said
    wanted = network()
    predicted = ghn.predict(wanted.model, graph=wanted.graph, predict_class_layers=False)
    found = dict(detector.backbone.network.named_parameters())
    assert len(found) > 20
    for name, value in found.items():
        assert torch.equal(value, predicted[name]), name
    means = [b for n, b in detector.named_buffers() if n.endswith("running_mean")]
    assert not any(torch.equal(mean, torch.zeros_like(mean)) for mean in means)
    bare = run(data, DetectionRecipe(epochs=0, image_size=64), Start(source=ghn, statistics=0))
    means = [b for n, b in bare.model.named_buffers() if n.endswith("running_mean")]
    assert all(torch.equal(mean, torch.zeros_like(mean)) for mean in means)


def test_other_parts_begin_alike_whatever_the_backbone(data):
    recipe = DetectionRecipe(epochs=0, image_size=64)
    first, second = (run(data, recipe, start).model for start in ("random", "orth"))
    assert torch.equal(first.rpn.head.cls_logits.weight, second.rpn.head.cls_logits.weight)
    name = "cells.0.preprocess1.op.1.weight"
    a, b = (net.backbone.network.get_parameter(name) for net in (first, second))
    assert not torch.equal(a, b)


def test_global_state_stays(data):
    rng = torch.get_rng_state()
    run(data)
    assert torch.equal(rng, torch.get_rng_state())


def test_stored_backbone_and_stored_detector(data, tmp_path):
    other = network(seed=7).model
    torch.save({"state_dict": other.state_dict()}, tmp_path / "network.pt")
    recipe = DetectionRecipe(epochs=0, image_size=64)
    detector, records = run(data, recipe, tmp_path / "network.pt")
    assert records[0]["start"] == "network.pt: stored weights"
    for name, value in detector.backbone.network.named_parameters():
        assert torch.equal(value, other.get_parameter(name))
    trained, records = run(data, TINY)
    torch.save({"kind": "detector", "state_dict": trained.state_dict()}, tmp_path / "detector.pt")
    again = run(data, replace(TINY, epochs=0), tmp_path / "detector.pt")
    assert again.records[0]["start"] == "detector.pt: a whole detector"
    assert again.records[0]["ap50"] == records[-1]["ap50"]
    wide = backbone_network("DARTS", channels=12, n_cells=3)
    with pytest.raises(ValueError, match="holds another detector: .* entries differ"):
        train_detector(wide, data, recipe, tmp_path / "detector.pt", progress=False)


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_stopped_and_resumed_is_equal_bit_for_bit(data, tmp_path, monkeypatch, one_thread, stop):
    """At any step, within an epoch or at its end."""
    whole = run(data, folder=tmp_path / "whole")
    step = module._Training._train_step

    def stopping(self, *args):
        if self.step == stop:
            raise _Stopped
        step(self, *args)

    monkeypatch.setattr(module._Training, "_train_step", stopping)
    with pytest.raises(_Stopped):
        run(data, folder=tmp_path / "run", save_seconds=0)
    monkeypatch.undo()
    monkeypatch.setattr(module, "start_network", None)  # not called again
    resumed = run(data, folder=tmp_path / "run")
    weights = resumed.model.state_dict()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, weights[name]), name
    for mine, other in zip(resumed.records, whole.records, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}
    logged = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(logged) == 2, "nothing twice"
    assert load_checkpoint(tmp_path / "run" / "last.pt")["step"] == 6


def test_folder_of_another_run(data, tmp_path):
    first = run(data, folder=tmp_path)
    assert run(data, folder=tmp_path).records == first.records, "nothing is left to do"
    with pytest.raises(ValueError, match=r"recipe.lr was 0.01, is 0.02"):
        run(data, replace(TINY, lr=0.02), folder=tmp_path)
    with pytest.raises(ValueError, match="holds a run already"):
        run(data, folder=tmp_path, resume=False)
    fewer = (data[0].subset(range(4)), data[1])
    with pytest.raises(ValueError, match="data was"):
        run(fewer, folder=tmp_path)


def test_wrong_starts(data, tmp_path):
    with pytest.raises(ValueError, match="no-such"):
        run(data, start="no-such")
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="holds neither a hypernetwork"):
        run(data, start=tmp_path / "other.pt")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": -1}, "epochs: expected 0 or more"),
        ({"regions": 0}, "regions: expected 1 or more"),
        ({"flip": 2}, "flip: expected a probability"),
        ({"lr": float("nan")}, "lr: expected 0 or more"),
        ({"optimizer": "lamb"}, "optimizer"),
    ],
)
def test_wrong_recipes(settings, message):
    with pytest.raises(ValueError, match=message):
        DetectionRecipe(**settings)


def test_small_images_and_divergence(data):
    with pytest.raises(ValueError, match="image_size: expected at least 64 pixels, got 32"):
        run(data, DetectionRecipe(image_size=32))
    wild = DetectionRecipe(epochs=5, image_size=64, regions=8, lr=1e9, warmup_steps=0)
    with pytest.raises(ValueError, match="the loss is not finite at step .* lower the learning"):
        run(data, wild)
