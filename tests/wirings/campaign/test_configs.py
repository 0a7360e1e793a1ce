"""The published configurations: names, settings, legacy spellings, errors."""

from __future__ import annotations

import dataclasses
import math

import pytest

from graph2nn.runs import from_dict, to_dict
from graph2nn.wirings.campaign.config import WiringConfig, build_network
from graph2nn.wirings.campaign.published import CONFIGS, find_config
from graph2nn.wirings.edges.layers import wired_layers

EDGES = {"x15": 70_643, "x225": 158_944, "x3": 282_565, "x49": 753_816}


WIRED = [name for name in CONFIGS if not name.startswith("resnet50/")]


def test_there_are_22_and_those_of_the_resnet():
    counts = {
        scale: sum(n.startswith(scale) for n in WIRED) for scale in ("small", "medium", "large")
    }
    assert len(WIRED) == 22 and counts == {"small": 6, "medium": 9, "large": 7}
    assert len(CONFIGS) == 22 + 20
    assert all(config.name == name for name, config in CONFIGS.items())


@pytest.mark.parametrize("name", WIRED)
def test_settings(name):
    config = CONFIGS[name]
    recipe, scale = config.recipe(), name.split("/")[0]
    assert recipe.batch_size == recipe.test_batch_size == {"medium": 128}.get(scale, 512)
    assert recipe.lr == (0.01 if "_ft_" in name else 0.1)
    assert recipe.epochs == (250 if scale == "large" else 160)
    assert recipe.weight_decay == (5e-5 if scale == "large" else 1e-4)
    assert recipe.momentum == 0.9 and not recipe.nesterov and not recipe.drop_last
    factor = recipe.lr_schedule(10)
    if scale == "small":
        assert [factor(10 * e) for e in (79, 80, 120)] == pytest.approx([1, 0.1, 0.01])
    else:
        assert factor(1) < 1 and factor(10 * recipe.epochs) == 0
    assert config.dataset == ("imagenet" if scale == "large" else "cifar10")
    assert config.seed == 1996 and not config.legacy_budget


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("dense", 25_502_912),
        ("allsparse10", 2_550_318),
        ("allsparse90", None),
        ("ignorefirst10", 2_558_785),
        ("tdsparse10", 2_550_318),
    ],
)
def test_the_resnet_as_published(name, kept):
    config = CONFIGS[f"resnet50/{name}"]
    recipe = config.recipe()
    assert (recipe.batch_size, recipe.test_batch_size, recipe.epochs) == (256, 128, 100)
    assert (recipe.lr, recipe.momentum, recipe.nesterov) == (0.256, 0.875, False)
    assert (recipe.weight_decay, recipe.decay_vectors) == (3.0517578125e-05, False)
    assert (recipe.label_smoothing, recipe.drop_last) == (0.1, False)
    factor = recipe.lr_schedule(10)
    published = [0.2, 0.4, 0.6, 0.8, 1, 1, 0.5 * (1 + math.cos(math.pi / 95))]
    assert [factor(10 * e + 3) for e in range(7)] == pytest.approx(published, abs=3e-4)
    if kept is not None:
        model = build_network(config)
        assert sum(layer.keep for _, layer in wired_layers(model)) == kept
        assert sum(p.numel() for p in model.parameters()) == 25_556_032


@pytest.mark.parametrize("name", WIRED)
def test_networks(name):
    if name.startswith("small/continuous"):
        config = find_config(name, solver="rk4")
    else:
        config = find_config(name)
    model = build_network(config)
    stored = sum(p.numel() for p in model.parameters())
    edges = sum(layer.keep for _, layer in wired_layers(model))
    scale, label = name.split("/")[0], name.rsplit("_", 1)[-1]
    if scale == "small":
        assert (stored, edges) == (651_058, 32_000)
    elif label == "x25":
        assert (stored, edges) == (215_642, 0)
    elif config.kind == "complete":
        assert (stored, edges) == (12_112_010, 6_981_632)
    elif name == "large/mobilenetv1_random_graph_x49":  # published with a width of .51
        assert (stored, edges) == (13_126_760, 816_608)
    elif config.small_head:
        head = {"x15": 153_600, "x225": 230_400}[label]
        assert (stored, edges) == (13_125_760, EDGES[label] + head)
    else:
        assert stored == (13_126_760 if scale == "large" else 12_112_010)
        assert edges == EDGES[label]


@pytest.mark.parametrize(
    "spelling",
    [
        "small/static_dnw",
        "small_scale/static_dnw",
        "apps/small_scale/static_dnw.yml",
        "app:apps/small_scale/static_dnw.yml",
        "../dnw/apps/small_scale/static_dnw.yaml",
    ],
)
def test_spellings(spelling):
    assert find_config(spelling) == CONFIGS["small/static_dnw"]


def test_overrides_and_legacy_keys():
    config = find_config(
        "small/static_dnw",
        graph="lottery_one_shot",
        prune_rate=0.9,
        num_epochs=3,
        dim=100,
        downsample_dim=20,
        feature_dim=10,
        nestorov=True,
        lr_scheduler="multistep",
        multistep_lr_milestones=[1, 2],
        data="data.imagenet:ImageNet",
        model="models.graphs.neuralgraph:DiscreteTimeNeuralGraph",
        random_seed=4,
    )
    assert (config.kind, config.keep, config.epochs, config.seed) == ("lottery", 0.1, 3, 4)
    assert (config.nodes, config.inputs, config.outputs) == (100, 20, 10)
    assert config.nesterov and config.schedule == "step" and config.milestones == (1, 2)
    assert (config.dataset, config.model) == ("imagenet", "discrete_time")


def test_every_key_can_be_overridden():
    for field in dataclasses.fields(WiringConfig):
        value = getattr(CONFIGS["small/static_dnw"], field.name)
        assert find_config("small/static_dnw", **{field.name: value}) == CONFIGS["small/static_dnw"]


def test_configurations_survive_json():
    for config in CONFIGS.values():
        assert from_dict(WiringConfig, to_dict(config)) == config


def test_an_unknown_name_lists_all():
    with pytest.raises(ValueError, match="no configuration 'small/nothing'") as error:
        find_config("small/nothing")
    assert all(name in str(error.value) for name in CONFIGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 3}, "no setting 'depth'; it has name, model"),
        ({"keep": 0.1, "prune_rate": 0.9}, "given twice"),
        ({"prune_rate": 1.0}, "keep: expected a share"),
        ({"kind": "magic"}, "unknown wiring 'magic'; choose one of dnw"),
        ({"model": "vgg"}, "unknown network 'vgg'; choose one of static"),
        ({"dataset": "mnist"}, "choose one of digits"),
        ({"epochs": 0}, "epochs"),
        ({"solver": "magic"}, "choose one of dopri5"),
        ({"seed": -1}, "seed"),
        ({"rho": 1.5}, "rho: expected a probability"),
        ({"model": "mobilenetv1_dense"}, "has no wiring that could be dnw"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        find_config("small/static_dnw", **settings)


def test_settings_of_the_training_are_shown_and_taken_as_its_own():
    config = WiringConfig(epochs=5, milestones=(2, 4), kind="rigl")
    assert config.training == dataclasses.replace(
        WiringConfig().training, epochs=5, milestones=(2, 4)
    )
    assert (config.epochs, config.batch_size, config.nesterov) == (5, 512, False)
    again = dataclasses.replace(config, lr=0.5)
    assert (again.lr, again.epochs, again.kind) == (0.5, 5, "rigl")
    given = WiringConfig(training=config.training, lr=0.2)
    assert given.training == dataclasses.replace(config.training, lr=0.2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        WiringConfig(depth=3)
    with pytest.raises(AttributeError, match="depth"):
        _ = config.depth


@pytest.mark.parametrize("schedule", ["step", "cosine", "none"])
def test_the_recipe_follows_the_schedule(schedule):
    config = WiringConfig(schedule=schedule)
    assert config.recipe().lr_per_step == (schedule == "cosine")
    assert config.recipe().milestones == ((80, 120) if schedule == "step" else ())
    assert config.milestones == (80, 120)
