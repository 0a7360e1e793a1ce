"""Training on a mixture of families: settings, going on, validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ghn.training import TrainConfig, Trainer
from ghn.training.networks import evaluation_nets, mixed_evaluation_nets, training_nets
from graph2nn.deepnets import EndlessNets, NetConfig
from graph2nn.families import FAMILIES
from graph2nn.runs import RunFolder, Workers, to_dict

KIND = {"image_size": 8, "num_classes": 10, "in_channels": 3}
ALONE = Workers(0, 1, torch.device("cpu"))


def small(**fields: Any) -> TrainConfig:
    """One step an epoch."""
    defaults: dict[str, Any] = {
        "families": "deepnets,relational,wirings,transformers,convnets",
        "hid": 8,
        "max_shape": (8, 8, 7, 7),
        "meta_batch_size": 2,
        "batch_size": 1000,
        "epochs": 2,
        "val_every": 0,
        "save_every": 1,
        "debug": 0,
        "processes": 1,
        "device": "cpu",
    }
    return TrainConfig(**{**defaults, **fields}).resolved()


@pytest.mark.usefixtures("one_thread")
def test_a_stopped_run_goes_on_with_the_same_networks(tmp_path: Path) -> None:
    whole = Trainer(small()).fit().state_dict()
    config = small(epochs=1)
    run = RunFolder(tmp_path / "run", to_dict(config))
    Trainer(config, run=run).fit()
    again = Trainer(small(), resume_from=run.last)
    assert again.step == 1
    for name, value in again.fit().state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_deepnets_are_what_they_were() -> None:
    config = small(families="deepnets:2", seed=7)
    nets = training_nets(config, ALONE, start=0, cutoff=50, **KIND).batch(3).configs
    assert list(nets) == [EndlessNets("train", 7, **KIND)[k] for k in (6, 7)]


def test_one_family_alone() -> None:
    config = small(families="transformers", seed=7)
    nets = training_nets(config, ALONE, start=0, cutoff=50, **KIND).batch(3).configs
    assert list(nets) == [FAMILIES["transformers"](7, **KIND)[k] for k in (6, 7)]


def test_names_of_runs() -> None:
    assert small(families="deepnets").name == "ghn2-digits"
    assert small(families="relational").name == "ghn2-digits-mixed"
    with pytest.raises(ValueError, match="families: expected one of deepnets, relational"):
        small(families="resnets")


def test_mixed_evaluation_is_of_held_out_networks() -> None:
    nets = mixed_evaluation_nets("deepnets:0.5,relational:0.5", "test", 8, **KIND)
    expected = {
        True: [net for net, _ in evaluation_nets("test", 8, **KIND)],
        False: [net for net, _ in evaluation_nets("relational", 8, **KIND)],
    }
    for of_deepnets, some in expected.items():
        found = [net for net, _ in nets if isinstance(net, NetConfig) == of_deepnets]
        assert found and found == some[: len(found)]
    alone = mixed_evaluation_nets("deepnets", "val", 3, **KIND)
    assert [net for net, _ in alone] == [net for net, _ in evaluation_nets("val", 3, **KIND)]
