"""Exported programs: the graph of `trace` comes back, with its names and modules."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exchanged import NETWORKS, OWN, build
from same_graph import written_and_read
from torch import nn

from graph2nn.archgraph import ArchGraph, canonical_key, diff, from_export, trace

# What `torch.export` leaves out of these, in the full view: copies of what is contiguous already.
NO_COPIES = ("swin_t", "swin_v2_t", "timm:cspdarknet53", "timm:mobilevit_xxs")


def exported(model: nn.Module, example: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about attributes of recurrent layers
        return torch.export.export(model, (example,), **options)


def check(name: str) -> None:
    model, example = build(name)
    program = exported(model, example)
    for view in ("full", "primitives"):
        graph = trace(model, example, view=view, training=False)
        found = from_export(program, view=view)
        assert written_and_read(found) == found
        if view == "full" and name in NO_COPIES:
            lost = diff(graph, found)
            assert {graph.op_names()[k] for k in lost.removed} == {"contiguous"}
            assert not lost.added and not lost.changed.any()
            continue
        assert canonical_key(found) == canonical_key(graph), str(diff(graph, found))
        assert found.params == graph.params and found.name == graph.name
        used = {graph.scopes[k].path for k in graph.scope if k >= 0}
        assert {found.scopes[k].path for k in found.scope if k >= 0} == used
        if name in OWN:  # no module without an operation: the very same graph
            assert found.replace(columns=graph.columns) == graph
            same = found.numbers("values") == graph.numbers("values")
            # An exported assignment gives out the entries it changed, not the whole.
            assert all(same | (np.array(graph.op_names()) == "setitem"))


@pytest.mark.parametrize("name", OWN)
def test_own_networks(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in OWN])
def test_networks_of_others(name: str) -> None:
    pytest.importorskip("timm" if name.startswith("timm:") else "torchvision")
    check(name)


def net() -> nn.Module:
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


IMAGES = torch.zeros(2, 3, 8, 8)


def test_other_ways_to_export(tmp_path: Path) -> None:
    model = net()
    graph = trace(model, IMAGES, training=False)
    program = exported(model, IMAGES)
    assert from_export(program) == graph
    assert from_export(exported(model, IMAGES, strict=True)) == graph
    free = exported(model, IMAGES, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    assert from_export(free) == graph
    for table in ({}, None):
        found = from_export(program.run_decompositions(table))
        assert canonical_key(found) == canonical_key(graph)
    torch.export.save(program, tmp_path / "net.pt2")
    assert from_export(torch.export.load(tmp_path / "net.pt2")) == graph
    trained = from_export(exported(model.train(), IMAGES))
    assert trained == trace(model, IMAGES, training=True)


def test_names() -> None:
    found = from_export(exported(net(), IMAGES), name="mine")
    assert found.name == "mine" and found.num_classes == 5
    assert ArchGraph.parameters(found).__next__()[1] == "0.weight"
    assert [scope.kind for scope in found.scopes][:3] == ["Sequential", "Conv2d", "BatchNorm2d"]


class Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda y: self.a(y), lambda y: self.b(y), (x,))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="control flow that depends on data"):
        from_export(exported(Branch(), torch.ones(2, 3)))
    with pytest.raises(ValueError, match="got a Sequential; of a module, trace"):
        from_export(net())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown view 'ghn2'; choose one of full, primitives"):
        from_export(exported(net(), IMAGES), view="ghn2")  # type: ignore[arg-type]
