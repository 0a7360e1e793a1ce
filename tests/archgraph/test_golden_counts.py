"""Nodes, edges and virtual edges of the published views against the originals' figures."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from graph2nn.archgraph import trace

torchvision = pytest.importorskip("torchvision")

MODELS_2 = "resnet18 resnet50 vgg11_bn mobilenet_v2 densenet121 squeezenet1_0 convnext_tiny".split()
MODELS_3 = "resnet50 vit_b_16 convnext_tiny efficientnet_b0".split()


def golden(reference: Path, name: str) -> dict:
    with gzip.open(reference / "golden" / name) as file:
        return json.load(file)


def build(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None)


def figures(graph, cutoff=50):
    distance = graph.distances(cutoff)
    return graph.num_nodes, graph.num_edges, int((distance > 1).sum())


def check(graph, want: dict, model: torch.nn.Module):
    assert figures(graph) == (want["nodes"], want["edges"], want["virtual"])
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters()}
    assert set(shapes) - set(graph.param_shapes) == set(want["unchanged"])
    assert all(shapes[n] == s for n, s in graph.param_shapes.items())


@pytest.mark.parametrize("name", MODELS_2)
def test_ghn2_view_has_the_published_counts(reference, name):
    model = build(name)
    want = golden(reference, "ghn_torchvision.json.gz")[f"ghn2-1000-{name}"]
    check(trace(model, view="ghn2"), want, model)


@pytest.mark.parametrize("name", MODELS_3)
def test_ghn3_view_has_the_published_counts(reference, name):
    model = build(name)
    want = golden(reference, "ghn3_torchvision.json.gz")[f"ghn3-1000-{name}"]
    check(trace(model, view="ghn3"), want, model)


# Counts measured on the originals for models without stored parameters: (nodes, edges, virtual).
MORE_2 = {
    "resnet34": (93, 108, 4146),
    "alexnet": (21, 20, 190),
    "vgg16": (39, 38, 703),
    "googlenet": (140, 166, 9006),
    "mobilenet_v3_small": (125, 139, 7611),
    "mobilenet_v3_large": (148, 165, 10712),
    "shufflenet_v2_x1_0": (132, 147, 8427),
    "mnasnet1_0": (117, 126, 6638),
    "regnet_y_400mf": (206, 237, 20790),
    "regnet_x_400mf": (168, 189, 13791),
    "resnext50_32x4d": (127, 142, 7811),
    "efficientnet_b0": (191, 215, 17849),
    "squeezenet1_1": (65, 72, 1976),
    "densenet169": (427, 1581, 89370),
}
MORE_3 = {
    "resnet18": (53, 60, 1294),
    "googlenet": (154, 180, 10056),
    "inception_v3": (228, 262, 23926),
    "mobilenet_v3_small": (125, 139, 7611),
    "mobilenet_v3_large": (148, 165, 10686),
    "shufflenet_v2_x1_0": (133, 148, 8558),
    "mnasnet1_0": (118, 127, 6747),
    "regnet_y_400mf": (206, 237, 20790),
    "densenet121": (307, 841, 46130),
    "efficientnet_b1": (273, 311, 34058),
    "efficientnet_v2_s": (409, 473, 77275),
    "squeezenet1_1": (65, 72, 1976),
    "swin_t": (170, 193, 14172),
    "vit_b_32": (152, 175, 11298),
    "vgg11": (29, 28, 378),
}


def build_any(name: str) -> torch.nn.Module:
    # RegNets compute their widths with tensors, which meta tensors cannot do.
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        return torchvision.models.get_model(name, weights=None, **options)


@pytest.mark.parametrize("name", MORE_2)
def test_ghn2_view_counts_of_more_models(name):
    assert figures(trace(build_any(name), view="ghn2")) == MORE_2[name]


@pytest.mark.parametrize("name", MORE_3)
def test_ghn3_view_counts_of_more_models(name):
    assert figures(trace(build_any(name), view="ghn3")) == MORE_3[name]


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large", "densenet121", "vit_b_16"])
@pytest.mark.parametrize("view", ["ghn2", "ghn3"])
def test_last_two_nodes_are_the_classifier(name, view):
    graph = trace(build(name), view=view)
    last = [names[0] for names in graph.params[-2:]]
    params = [n for n, _ in build(name).named_parameters()]
    assert last == params[-2:]
    assert graph.num_classes == 1000


def test_squeezenet_pools_last_in_ghn2_and_before_the_classifier_in_ghn3():
    model = build("squeezenet1_0")
    assert trace(model, view="ghn2").op_names()[-3:] == ["conv", "bias", "glob_avg"]
    assert trace(model, view="ghn3").op_names()[-3:] == ["glob_avg", "conv", "bias"]
