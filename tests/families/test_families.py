"""Every family: streams, graphs that hold every parameter, held-out networks, mixtures."""

from __future__ import annotations

import json
import pickle
from collections import Counter

import pytest
import torch
from torch.func import functional_call

from graph2nn.archgraph import PRIMITIVES, structural_hash
from graph2nn.deepnets import EndlessNets, MetaBatches
from graph2nn.families import (
    DEEPNETS,
    FAMILIES,
    FamilyMix,
    RelationalNet,
    build_archgraph,
    build_blueprint,
    build_network,
    family_of,
    net_from_json,
    net_to_json,
)
from graph2nn.families.mixture import choose_family, parse_families
from graph2nn.families.relational import degree_range, grid_cell
from graph2nn.relational.message_rounds import trace_relational
from graph2nn.runs import seeded

KIND = {"image_size": 8, "num_classes": 10, "in_channels": 3}
LABELS = torch.tensor([1, 2, 3, 4])


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


def test_network_is_a_function_of_seed_and_index(family) -> None:
    nets, other = FAMILIES[family](3, **KIND), FAMILIES[family](4, **KIND)
    drawn = [nets[k] for k in range(8)]
    assert [pickle.loads(pickle.dumps(nets))[k] for k in reversed(range(8))] == drawn[::-1]
    assert drawn != [other[k] for k in range(8)]
    assert len(set(drawn)) > 4


def test_graph_holds_every_parameter_of_the_skeleton(family) -> None:
    nets = FAMILIES[family](1, **KIND)
    for index in range(12):
        net, graph = nets.item(index)
        shapes = {n: tuple(p.shape) for n, p in build_blueprint(net).named_parameters()}
        assert dict(graph.param_shapes) == shapes, net
        assert graph.ops == PRIMITIVES and graph.num_nodes == nets.num_nodes(index) <= 420
        assert graph.num_params() < 1_200_000


def test_skeleton_computes_what_the_network_does(family, generator) -> None:
    """Masks and random edges are part of it, whatever draws them; only values come from outside."""
    net = FAMILIES[family](2, **KIND)[0]
    images = torch.randn(4, 3, 8, 8, generator=generator)
    with seeded(5):
        model = build_network(net).train()
    expected = model(images)
    logits = functional_call(build_blueprint(net).train(), dict(model.named_parameters()), images)
    torch.testing.assert_close(logits, expected)
    assert logits.shape == (4, 10)


def test_evaluation_is_held_out(family) -> None:
    train, test = (FAMILIES[family](0, held_out=h, **KIND) for h in (False, True))
    cells = [{nets[k].cell for k in range(60)} for nets in (train, test)]
    assert cells[1] and not cells[0] & cells[1]


def test_networks_are_stored(family) -> None:
    net = FAMILIES[family](3, **KIND)[1]
    stored = json.loads(json.dumps(net_to_json(net)))
    assert net_from_json(stored) == net and family_of(net) == stored["family"] == family
    assert structural_hash(build_archgraph(net_from_json(stored))) == structural_hash(
        build_archgraph(net)
    )


def test_networks_of_deepnets_are_stored_as_ever() -> None:
    config = EndlessNets()[0]
    assert net_to_json(config) == config.to_json() and family_of(config) == DEEPNETS
    assert net_from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="object is no blueprint of a family that can be stored"):
        net_to_json(object())
    with pytest.raises(ValueError, match="unknown family 'relation'.*did you mean 'relational'"):
        net_from_json({"family": "relation"})
    with pytest.raises(ValueError, match="nodez"):
        net_from_json({"family": "wirings", "nodez": 4})


def test_other_images() -> None:
    for make in FAMILIES.values():
        net = make(0, image_size=28, num_classes=7, in_channels=1)[0]
        assert build_network(net)(torch.zeros(2, 1, 28, 28)).shape == (2, 7)


def test_images_that_are_too_small() -> None:
    with pytest.raises(ValueError, match=r"TransformerNets: 1000 draws .* take larger images"):
        FAMILIES["transformers"](0, image_size=3)[0]
    with pytest.raises(ValueError, match="seed: expected a number from 0, got -1"):
        FAMILIES["convnets"](-1)
    with pytest.raises(IndexError, match="expected an index >= 0, got -1"):
        FAMILIES["convnets"](0)[-1]


def test_relational_networks_cover_the_sweeps() -> None:
    nets = [FAMILIES["relational"](0, **KIND)[k] for k in range(120)]
    assert set(Counter(net.sizes.name for net in nets)) == {"mlp", "cnn6", "resnet34"}
    assert {net.nodes for net in nets} == {8, 16, 32, 64}
    assert len({net.cell[1] for net in nets}) == len({net.cell[2] for net in nets}) == 10
    for net in nets:
        low, high = degree_range(net.nodes)
        assert low <= net.degree <= high and net.graph_seed >= 1000
        assert isinstance(net, RelationalNet) and net.relational_graph().num_nodes == net.nodes
    for net in nets[:5]:  # traced in another execution than the skeleton's, which is faster
        found = structural_hash(trace_relational(net.skeleton()))
        assert structural_hash(net.archgraph()) == found
    assert grid_cell(64, 8, 0) == (0, 0) and grid_cell(64, 64, 1) == (9, 9)


def test_mixture_draws_by_weight() -> None:
    weights = parse_families("deepnets:0.6,relational:0.3,wirings:0.05,transformers:0.05")
    drawn = Counter(choose_family(weights, 1, k) for k in range(2000))
    for name, weight in weights.items():
        assert abs(drawn[name] / 2000 - weight) < 0.035
    assert [choose_family(weights, 1, k) for k in range(50)] == [
        choose_family(weights, 1, k) for k in range(50)
    ]


def test_mixture_takes_each_from_its_family() -> None:
    weights = parse_families("deepnets,convnets")
    sources = {"deepnets": EndlessNets("train", 1, **KIND), "convnets": FAMILIES["convnets"](1)}
    mix = FamilyMix(sources, weights, seed=1)
    for index, (net, graph) in zip(range(6), mix):
        assert net == sources[mix.family(index)][index]
        assert graph.num_nodes == mix.num_nodes(index)


def test_batches_of_a_mixture_are_shared_and_resumed() -> None:
    weights = parse_families("relational,transformers")
    mix = FamilyMix({n: FAMILIES[n](1, **KIND) for n in weights}, weights, seed=1)
    whole = MetaBatches(mix, 4).batch(5).configs
    parts = [MetaBatches(mix, 4, rank=r, world=2).batch(5).configs for r in (0, 1)]
    assert tuple(parts[k % 2][k // 2] for k in range(4)) == whole
    workers = iter(MetaBatches(mix, 4, start=5, num_workers=2))
    assert [next(workers).configs for _ in range(2)] == [
        whole,
        MetaBatches(mix, 4).batch(6).configs,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relation:1", "families: expected one of deepnets, .* .did you mean 'relational'"),
        ("deepnets,deepnets:2", "deepnets is named twice"),
        ("deepnets:0", "expected a positive weight of deepnets, got '0'"),
        ("deepnets:some", "expected a positive weight of deepnets, got 'some'"),
        ("", "families: expected one of deepnets"),
    ],
)
def test_families_that_are_none(text, message) -> None:
    with pytest.raises(ValueError, match=message):
        parse_families(text)
