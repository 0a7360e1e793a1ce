"""Every torchvision model, and many of timm: a node for every parameter, leading to an output."""

from __future__ import annotations

import pytest
import torch
from libraries.untouched import untouched
from same_graph import assert_same_graph, written_and_read
from torch import nn
from zoo import LARGE, TIMM, build_timm, build_torchvision

from graph2nn.archgraph import coverage, trace
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs

torchvision = pytest.importorskip("torchvision")
models = torchvision.models

CLASSIFIERS = [
    pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n
    for n in models.list_models(module=models)
]
DENSE = models.list_models(module=models.segmentation) + models.list_models(module=models.video)
DETECTORS = models.list_models(module=models.detection)


def check(model: nn.Module, input=None):
    graph = trace(model, input, view="primitives")
    report = coverage(graph, model)
    assert report.complete and report.reaching_output == report.total, str(report)
    assert_same_graph(unpack_graphs(pack_graphs([graph]))[0], graph)
    assert written_and_read(graph) == graph
    return graph


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_torchvision_classifiers(name):
    model = build_torchvision(name)
    with untouched(model):
        graph = check(model)
    assert graph.note == "" and graph.num_classes == 1000
    assert graph.params[-1] or name.startswith("squeezenet")
    assert all(not p.is_meta for p in model.parameters())


@pytest.mark.parametrize("view", ["full", "ghn2", "ghn3"])
@pytest.mark.parametrize("name", ["swin_v2_t", "maxvit_t", "vit_b_16", "inception_v3"])
def test_views_of_what_the_originals_refuse(name, view):
    model = build_torchvision(name)
    graph = trace(model, view=view)
    assert graph.params[-1][0] == list(model.state_dict())[-1]
    reached = coverage(graph, model)
    assert reached.reaching_output == reached.with_node


@pytest.mark.slow
@pytest.mark.parametrize("name", DENSE)
def test_segmentation_and_video(name):
    options = (
        {"weights_backbone": None} if name in models.list_models(module=models.segmentation) else {}
    )
    video = torch.empty(1, 3, 16, 224, 224, device="meta")
    assert check(build_torchvision(name, **options), None if options else video).note == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_optical_flow(name):
    frame = torch.empty(1, 3, 128, 128, device="meta")
    check(build_torchvision(name), (frame, frame))


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_run_on_real_values(name):
    # Uninitialised weights would give arbitrary boxes, so these are filled.
    torch.manual_seed(0)
    model = build_torchvision(name, weights_backbone=None)
    for p in model.parameters():
        nn.Parameter.data.__set__(p, torch.randn(p.shape) * 0.02)
    assert "real values" in check(model).note


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    pytest.importorskip("timm")
    model = build_timm(name)
    with untouched(model):
        assert check(model).note == ""
