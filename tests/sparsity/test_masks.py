"""Masks: what they accept, count, apply and store."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from graph2nn.runs import save_checkpoint
from graph2nn.sparsity.masks import Masks
from graph2nn.training.probe import prunable


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)
    )


def some_masks(model: nn.Module, density: float = 0.5, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    weights = prunable(model).items()
    return Masks({n: torch.rand(w.shape, generator=generator) < density for n, w in weights})


def test_prunable_are_convolutions_and_linear_layers_in_order():
    model = nn.ModuleDict(
        {
            "b": nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4)),
            "a": nn.Conv3d(2, 4, 1, groups=2),
            "up": nn.ConvTranspose2d(2, 2, 2),
            "embedding": nn.Embedding(3, 4),
            "head": nn.Linear(4, 3),
        }
    )
    assert list(prunable(model)) == ["b.0.weight", "a.weight", "head.weight"]
    assert prunable(model)["a.weight"] is model["a"].weight
    assert list(prunable(nn.Linear(2, 2))) == ["weight"]


def test_shared_weights_have_one_mask():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert list(prunable(model)) == ["0.weight"]
    masks = Masks({"0.weight": torch.eye(3)})
    masks.apply_(model)
    assert torch.equal(model[2].weight != 0, torch.eye(3) > 0)


def test_computed_and_lazy_weights_are_refused():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
    with pytest.raises(ValueError, match="0.weight is no parameter.*remove the parametrization"):
        prunable(model)
    with pytest.raises(ValueError, match="0.weight has no shape yet; run the network once"):
        prunable(nn.Sequential(nn.LazyLinear(3)))


def test_counts_and_collapsed_layers():
    masks = Masks({"a": torch.eye(2, 3), "b": [[0, 0], [0, 0]], "c": torch.ones(4).bool()})
    assert (masks.num_kept, masks.num_weights, masks.density) == (6, 14, 6 / 14)
    assert masks.layer_densities() == {"a": 1 / 3, "b": 0.0, "c": 1.0}
    assert masks.collapsed() == ("b",)
    assert repr(masks) == "Masks(layers=3, kept=6 of 14, density=0.4286, collapsed=b)"
    lines = masks.report().splitlines()
    assert [line.split() for line in lines] == [
        ["layer", "kept", "weights", "density"],
        ["a", "2", "6", "0.33333"],
        ["b", "0", "4", "0.00000", "collapsed"],
        ["c", "4", "4", "1.00000"],
        ["total", "6", "14", "0.42857"],
    ]


def test_masks_are_copies():
    values = torch.ones(3, dtype=torch.bool)
    masks = Masks({"a": values})
    values[0] = False
    assert masks["a"].all()


def test_equal_masks():
    masks = some_masks(small())
    assert masks == some_masks(small()) and masks != some_masks(small(), seed=1)
    assert masks != Masks({"0.weight": masks["0.weight"]}) and masks != dict(masks)


@pytest.mark.parametrize(
    "mask, message",
    [
        (torch.tensor([0.0, 0.5]), "mask of w has values such as 0.5, expected 0 or 1"),
        (torch.tensor([0, 2]), "such as 2, expected 0 or 1"),
        (torch.tensor([1.0, float("nan")]), "mask of w has NaN"),
        (torch.tensor([1.0, float("inf")]), "such as inf"),
        ("abc", "mask of w is no tensor"),
        (None, "mask of w is no tensor"),
    ],
)
def test_what_is_no_mask(mask, message):
    with pytest.raises(ValueError, match=message):
        Masks({"w": mask})


@pytest.mark.parametrize("masks", [[torch.ones(2)], torch.ones(2), None])
def test_masks_have_names(masks):
    with pytest.raises(ValueError, match="expected tensors by name of the weight, got"):
        Masks(masks)


def test_names_are_text():
    with pytest.raises(ValueError, match="got the name 3"):
        Masks({3: torch.ones(2)})  # type: ignore[dict-item]


def test_masks_apply_to_their_network_only():
    model = small()
    masks = some_masks(model)
    before = copy.deepcopy(model.state_dict())
    for bad, message in [
        (
            {"0.weight": masks["0.weight"]},
            "no mask for 3.weight; expected one a weight of 0.weight",
        ),
        ({**masks, "7.weight": torch.ones(1)}, "masks for 7.weight, which the network lacks"),
        (
            {**masks, "3.weight": torch.ones(16, 2)},
            r"3.weight has shape \(16, 2\), expected that of the weight, \(2, 16\)",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            Masks(bad).apply_(model)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())

    masks.apply_(model)
    assert Masks.of(model) == masks
    kept = masks["3.weight"]
    assert torch.equal(model[3].weight[kept], before["3.weight"][kept])
    assert model[3].weight.requires_grad


def test_applying_removes_what_is_not_finite():
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight[:] = torch.tensor([[float("nan"), 1.0]])
    Masks({"weight": torch.tensor([[False, True]])}).apply_(model)
    assert model.weight.tolist() == [[0.0, 1.0]]


def test_dense_masks_keep_everything():
    masks = Masks.dense(small())
    assert masks.density == 1 and list(masks) == ["0.weight", "3.weight"]


def test_stored_masks_come_back(tmp_path: Path):
    masks = some_masks(small())
    path = masks.save(tmp_path / "new" / "masks.pt")
    assert Masks.load(path) == masks
    assert os.listdir(path.parent) == ["masks.pt"]


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Masks.load(tmp_path / "none.pt")
    other = save_checkpoint(tmp_path / "other.pt", {"kind": "model", "state": {}})
    with pytest.raises(ValueError, match="kind 'model', expected 'sparse_masks'"):
        Masks.load(other)
    empty = save_checkpoint(tmp_path / "empty.pt", {"kind": "sparse_masks"})
    with pytest.raises(ValueError, match="holds no masks"):
        Masks.load(empty)
    path = some_masks(small()).save(tmp_path / "masks.pt")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="truncated or altered"):
        Masks.load(path)
