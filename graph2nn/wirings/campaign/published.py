"""The published configurations by name, and how to change one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from graph2nn.runs.config import changed, settings_of
from graph2nn.wirings.campaign.config import WiringConfig

__all__ = ["CONFIGS", "find_config"]


def _small() -> Iterator[WiringConfig]:
    for setting in ("static", "discrete_time", "continuous"):
        prefix = "continuous_time" if setting == "continuous" else setting
        for kind, label in (("dnw", "dnw"), ("random", "random_graph")):
            yield WiringConfig(name=f"small/{prefix}_{label}", model=setting, kind=kind)


_MEDIUM = changed(
    WiringConfig(), model="mobilenetv1", keep=0.225, batch_size=128, test_batch_size=128,
    schedule="cosine", milestones=(),
)  # fmt: skip


def _medium() -> Iterator[WiringConfig]:
    def named(label: str, **settings: Any) -> WiringConfig:
        return changed(_MEDIUM, name=f"medium/mobilenetv1_{label}", **settings)

    yield named("complete_graph", kind="complete", keep=1.0)
    for kind in ("dnw", "dnw_no_update", "td", "reg_td"):
        yield named(f"{kind}_x225", kind=kind)
    yield named("random_graph_x225", kind="random")
    yield named("ft_x225", kind="fine_tune", lr=0.01)
    yield named("lottery_one_shot_x225", kind="lottery")
    yield named("x25", model="mobilenetv1_dense", kind="complete", keep=0.25)


_LARGE = changed(
    _MEDIUM, dataset="imagenet", batch_size=512, test_batch_size=512, weight_decay=5e-5, epochs=250
)


def _large() -> Iterator[WiringConfig]:
    def named(label: str, **settings: Any) -> WiringConfig:
        return changed(_LARGE, name=f"large/mobilenetv1_{label}", **settings)

    for label, width in (("x15", 0.15), ("x225", 0.225)):
        yield named(f"dnw_small_{label}", keep=width, small_head=True)
    for label, width in (("x225", 0.225), ("x3", 0.3), ("x49", 0.49)):
        yield named(f"dnw_{label}", keep=width)
    yield named("random_graph_x225", kind="random")
    # Published with a prune rate of .49, so a width of .51: its 170 M FLOPs are those of .51.
    yield named("random_graph_x49", kind="random", keep=0.51)


_RESNET = changed(
    _LARGE, model="resnet50", keep=1.0, batch_size=256, test_batch_size=128, epochs=100,
    lr=0.256, schedule="cosine-warmup", warmup_epochs=5, warmup_factor=0.2, momentum=0.875,
    weight_decay=2**-15, decay_vectors=False, label_smoothing=0.1,
)  # fmt: skip


def _resnet() -> Iterator[WiringConfig]:
    yield changed(_RESNET, name="resnet50/dense", kind="complete")
    for label, dense_stem in (("allsparse", False), ("ignorefirst", True)):
        for percent in range(10, 100, 10):
            name, keep = f"resnet50/{label}{percent}", percent / 100
            yield changed(_RESNET, name=name, keep=keep, dense_stem=dense_stem)
    yield changed(_RESNET, name="resnet50/tdsparse10", kind="td", keep=0.1, rho=0.9)


CONFIGS: dict[str, WiringConfig] = {
    config.name: config for config in (*_small(), *_medium(), *_large(), *_resnet())
}
"""The published configurations: 6 small and 9 medium (CIFAR-10), 7 large (ImageNet), and the 20 of
the ResNet-50 (ImageNet), whose number is the percentage of weights that each layer keeps."""

_KEYS = {
    "graph": "kind",
    "prune_rate": "keep",
    "num_epochs": "epochs",
    "nestorov": "nesterov",
    "dim": "nodes",
    "downsample_dim": "inputs",
    "feature_dim": "outputs",
    "small": "small_head",
    "use_graph": "trained",
    "use_init": "initial",
    "lr_scheduler": "schedule",
    "multistep_lr_milestones": "milestones",
    "multistep_lr_gamma": "gamma",
    "random_seed": "seed",
    "data": "dataset",
}
"""Keys of the original's files, and ours."""

_VALUES: Mapping[str, Mapping[Any, Any]] = {
    "schedule": {"multistep": "step"},
    "dataset": {"data.cifar10:CIFAR10": "cifar10", "data.imagenet:ImageNet": "imagenet"},
    "model": {
        "models.graphs.neuralgraph:StaticNeuralGraph": "static",
        "models.graphs.neuralgraph:DiscreteTimeNeuralGraph": "discrete_time",
        "models.graphs.neuralgraph:ContinuousTimeNeuralGraph": "continuous",
        "models.graphs.mobilenetv1like:MobileNetV1Like": "mobilenetv1",
        "models.basic.mobilenetv1cifar:MobileNetV1CIFAR": "mobilenetv1_dense",
    },
}


def find_config(name: str, /, **overrides: Any) -> WiringConfig:
    """Return a published configuration, with some settings changed.

    Args:
        name: Key of `CONFIGS`; the original's paths (`app:apps/small_scale/static_dnw.yml`) do,
            too.
        overrides: Settings of `WiringConfig`, or keys of the original's files (`prune_rate=0.9` is
            `keep=0.1`, `num_epochs`, `graph`, `dim`, ...).

    Raises:
        ValueError: The name or a setting is unknown (lists them), the same setting comes twice, or
            a value is bad.

    Examples:
        >>> find_config("small/static_dnw", epochs=5, prune_rate=0.9).keep
        0.1
    """
    short = re.sub(r"^(app:)?(.*apps/)?", "", name.strip())
    short = re.sub(r"^(small|medium|large)_scale/", r"\1/", short)
    short = re.sub(r"\.ya?ml$", "", short)
    if short not in CONFIGS:
        raise ValueError(f"no configuration {name!r}; there are:\n  " + "\n  ".join(CONFIGS))
    return replace(CONFIGS[short], **_translated(overrides))


def _translated(overrides: Mapping[str, Any]) -> dict[str, Any]:
    known = [*settings_of(WiringConfig), "training"]
    found: dict[str, Any] = {}
    for given, value in overrides.items():
        key = _KEYS.get(given, given)
        if key not in known:
            raise ValueError(
                f"a configuration has no setting {given!r}; it has {', '.join(known)} (and the "
                f"original's names {', '.join(_KEYS)})"
            )
        if key in found:
            raise ValueError(f"{given}: the setting {key} is given twice")
        if given == "prune_rate":
            value = round(1 - float(value), 12)
        elif isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, str):
            value = _VALUES.get(key, {}).get(value, value)
        found[key] = value
    return found
