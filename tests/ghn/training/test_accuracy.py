"""Accuracies learned beside parameters: from labels, from the steps themselves, resumed, shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ghn import GHN
from ghn.training import LabelledNetworks, TrainConfig, Trainer
from ghn.training.accuracy import AccuracyTask
from ghn.training.init import add_accuracy_head
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import build_graph, eval_nets
from graph2nn.runs import RunFolder, to_dict

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def labelled() -> LabelledNetworks:
    """Networks whose label is their number of nodes, a tenth of it."""
    graphs = [build_graph(config) for config in eval_nets("val", 24, seed=3, image_size=8)]
    return LabelledNetworks(graphs=graphs, labels=[graph.num_nodes / 10 for graph in graphs])


def config(save_dir: Path | str = "none", **fields: Any) -> TrainConfig:
    given: dict[str, Any] = {
        **{"dataset": "digits", "image_size": 4, "hid": 8, "max_shape": (8, 8, 3, 3)},
        **{"meta_batch_size": 2, "batch_size": 200, "max_nodes": 150, "steps": 4},
        **{"val_every": 0, "test_nets": 0, "log_interval": 1, "save_every": 1, "debug": 0},
        **{"processes": 1, "device": "cpu", "name": "run", "save_dir": str(save_dir)},
        **{"accuracy": "mine", "accuracy_batch": 4},
    }
    return TrainConfig(**{**given, **fields}).resolved()


def weights(ghn: GHN) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in ghn.state_dict().items()}


def gradients(ghn: GHN) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in ghn.named_parameters() if p.grad is not None}
    ghn.zero_grad(set_to_none=True)
    return found


def test_learns_both_labels(tiny: Callable[..., GHN], labelled: LabelledNetworks) -> None:
    """Sizes of networks as labels, and as accuracies that a step has measured."""
    ghn = tiny(accuracy=True).train()
    task = AccuracyTask(ghn, labelled, batch_size=8)
    graphs = labelled.graphs
    own = [graph.num_nodes / 250 for graph in graphs]
    optimiser = torch.optim.Adam(ghn.parameters(), lr=1e-2)
    losses = []
    for step in range(60):
        optimiser.zero_grad()
        at = [step % 24, (step + 7) % 24]
        losses.append(
            task.add_gradients(task.rows(step), [graphs[k] for k in at], [own[k] for k in at])
        )
        optimiser.step()
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5
    trained, predicted = (
        ghn.predict_accuracy(graphs, parameters=name).mean.numpy()
        for name in ("trained", "predicted")
    )
    assert np.corrcoef(trained, labelled.labels)[0, 1] > 0.7
    assert np.corrcoef(predicted, own)[0, 1] > 0.7
    assert abs(trained.mean() - labelled.labels.mean()) < labelled.labels.std()
    assert abs(predicted.mean() - 100 * np.mean(own)) < 15  # percent


def test_shares_of_processes_add_up(tiny: Callable[..., GHN], labelled: LabelledNetworks) -> None:
    ghn = tiny(accuracy=True).double()
    task = AccuracyTask(ghn, labelled, batch_size=5)
    graphs, own = list(labelled.graphs[:3]), [0.2, 0.5, 0.9]
    loss = task.add_gradients(task.rows(7), graphs, own)
    whole, parts = gradients(ghn), 0.0
    for rank in (0, 1):
        rows = task.rows(7, rank=rank, world=2)
        parts += task.add_gradients(rows, graphs[rank::2], own[rank::2], total=3)
    assert parts == pytest.approx(loss, rel=1e-12)
    torch.testing.assert_close(gradients(ghn), whole, rtol=1e-9, atol=1e-12)
    task.add_gradients(task.rows(7), graphs, own, scale=4.0)
    scaled = {name: gradient / 4 for name, gradient in gradients(ghn).items()}
    torch.testing.assert_close(scaled, whole, rtol=1e-9, atol=1e-12)
    assert task.add_gradients(np.array([], dtype=int)) == 0.0 and not gradients(ghn)


def test_a_run_learns_logs_and_keeps_the_rest_as_it_was(
    tmp_path: Path, labelled: LabelledNetworks
) -> None:
    c = config(tmp_path)
    run = RunFolder(tmp_path / "run", to_dict(c))
    ghn = Trainer(c, run=run, labelled=labelled).fit()
    rows = [row for row in run.metrics() if "loss" in row]
    assert len(rows) == 4 and all(np.isfinite(row["accuracy_loss"]) for row in rows)
    assert ghn.config.accuracy and GHN.load(run.last).predict_accuracy(labelled.graphs[0])
    first = Trainer(config(steps=1, accuracy_weight=0.0), labelled=labelled)
    plain = Trainer(config(steps=1, accuracy=None))
    assert "accuracy_loss" not in to_dict(plain.config)
    with_it, without = weights(first.fit()), weights(plain.fit())
    for name, value in without.items():  # a weight of 0 trains the parameters alone
        assert torch.equal(value, with_it[name]), name


class Stopped(Exception):
    pass


def test_resume_equals_uninterrupted(
    tmp_path: Path, labelled: LabelledNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights(Trainer(config(), labelled=labelled).fit())
    c = config(tmp_path)
    first = Trainer(c, run=RunFolder(tmp_path / "run", to_dict(c)), labelled=labelled)
    finish = first._after_step

    def stop(*args: Any) -> None:
        finish(*args)
        if first.step == 2:
            raise Stopped

    monkeypatch.setattr(first, "_after_step", stop)
    with pytest.raises(Stopped):
        first.fit()
    run = RunFolder(tmp_path / "run", to_dict(c), resume=True)
    second = Trainer(c, run=run, resume_from=run.last, labelled=labelled)
    assert second.step == 2
    resumed = weights(second.fit())
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_starts_from_a_checkpoint_without_a_head(
    tiny: Callable[..., GHN], tmp_path: Path, labelled: LabelledNetworks
) -> None:
    start = tiny()
    path = start.save(tmp_path / "start.pt")
    trainer = Trainer(config(ckpt=str(path)), labelled=labelled)
    for name, value in start.state_dict().items():
        assert torch.equal(value, trainer.ghn.state_dict()[name])
    assert trainer.ghn.accuracy_head is not None and trainer.fit().config.accuracy
    head = add_accuracy_head(trainer.ghn).accuracy_head
    assert head is trainer.ghn.accuracy_head  # one that is there stays


def test_bad_input(tiny: Callable[..., GHN], labelled: LabelledNetworks) -> None:
    graphs: list[ArchGraph] = list(labelled.graphs[:2])
    with pytest.raises(ValueError, match=r"one label a network, got \(3,\) for 2"):
        LabelledNetworks(graphs=graphs, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="finite numbers that differ"):
        LabelledNetworks(graphs=graphs, labels=[1, float("nan")])
    with pytest.raises(ValueError, match="finite numbers that differ"):
        LabelledNetworks(graphs=graphs, labels=[1, 1])
    with pytest.raises(ValueError, match="no head.*add_accuracy_head"):
        AccuracyTask(tiny(), labelled)
    with pytest.raises(ValueError, match="accuracy=None, but labelled networks were given"):
        Trainer(config(accuracy=None), labelled=labelled)
    with pytest.raises(ValueError, match="accuracy='mine', but labelled networks were not given"):
        Trainer(config())
    with pytest.raises(ValueError, match="accuracy_weight must not be negative, got -1"):
        config(accuracy_weight=-1.0)
    with pytest.raises(ValueError, match="accuracy_batch must be at least 1, got 0"):
        config(accuracy_batch=0)
