"""The published configurations by name, and how one becomes a network and a recipe."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from graph2nn.runs import option
from graph2nn.training import AMP, Recipe
from graph2nn.vision import DATASETS
from graph2nn.wirings.edges.kinds import KINDS, find_kind
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import MobileNetV1, WiredMobileNetV1
from graph2nn.wirings.networks.ode import SOLVERS, Solver
from graph2nn.wirings.networks.resnet import SparseResNet50
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

__all__ = ["CONFIGS", "MODELS", "WiringConfig", "build_network", "find_config"]

MODELS = ("static", "discrete_time", "continuous", "mobilenetv1", "mobilenetv1_dense", "resnet50")
"""Networks of a configuration."""

_SCHEDULES = ("step", "cosine", "cosine-warmup", "none")


@dataclass(frozen=True, kw_only=True)
class WiringConfig:
    """A network with discovered (or other) wiring, and how it is trained.

    Defaults are those of the small-scale experiments of arXiv:1906.00586. `find_config` gives the
    published ones by name.

    Args:
        name: of the configuration.
        model: one of `MODELS`.
        kind: how edges are chosen, a name of `KINDS`.
        keep: share of all slots that are edges in a tiny network; the width multiplier of a
            MobileNetV1, wired or dense; share of each layer's weights in the ResNet.
        dataset: that it was published with.
        nodes, inputs, outputs, layers: of a tiny network.
        small_head: wire the classifier of a MobileNetV1, too.
        dense_stem: leave the first layer of the ResNet dense.
        legacy_budget: let slots that the network cannot use compete, as published.
        rho: of targeted dropout.
        trained: run folder, or checkpoint in it, of the complete network that `fine_tune` and
            `lottery` take their edges from.
        initial: that network before its training, for `lottery`; None finds it in `trained`.
        edges: of kind `given`: a run, a file or a family of graphs, see `read_edges`.
        drop_illegal: leave out given edges that the network cannot use, such as those that run back
            to an earlier block; otherwise they are an error.
        rewire_every, rewire_fraction: steps between exchanges of edges of `rigl` and `set`, and
            share of the edges exchanged (`RewiringSchedule`).
        solver, tolerance, solver_steps, adjoint: see `Solver`; of the continuous setting.
        epochs, batch_size, test_batch_size, lr, schedule, milestones, gamma, momentum, nesterov,
            weight_decay, decay_vectors, label_smoothing, warmup_epochs, warmup_factor, amp: see
            `Recipe`. A cosine falls every step, with `cosine-warmup` every epoch, a step schedule
            at its milestones.
        seed: of initial weights, random edges and the order of images.

    Raises:
        ValueError: a setting out of range.
    """

    name: str = option("own", help="of the configuration")
    model: str = option("static", help="network", choices=MODELS)
    kind: str = option("dnw", help="how edges are chosen", choices=tuple(KINDS))
    keep: float = option(0.05, help="share of slots kept, or width multiplier")
    dataset: str = option("cifar10", "-d", help="images", choices=tuple(DATASETS))
    nodes: int = option(800, help="of a tiny network")
    inputs: int = option(32, help="input nodes of a tiny network")
    outputs: int = option(100, help="output nodes of a tiny network")
    layers: int = option(5, help="blocks or rounds of a tiny network")
    small_head: bool = option(False, help="wire the classifier, too")
    dense_stem: bool = option(False, help="leave the first layer of the ResNet dense")
    legacy_budget: bool = option(False, help="let unusable slots compete, as published")
    rho: float = option(0.95, help="of targeted dropout")
    trained: str | None = option(None, help="run folder of a complete network")
    initial: str | None = option(None, help="that network before training; none for in `trained`")
    edges: str | None = option(None, help="of kind given: a run, a file, or ws:n=64,k=8,p=0.1")
    drop_illegal: bool = option(False, help="leave out given edges that cannot be used")
    rewire_every: int = option(100, help="steps between exchanges of edges, of rigl and set")
    rewire_fraction: float = option(0.3, help="share of the edges that is exchanged")
    solver: str = option("dopri5", help="of the continuous setting", choices=SOLVERS)
    tolerance: float = option(1e-3, help="relative and absolute, of adaptive solvers")
    solver_steps: int = option(8, help="of fixed-step solvers")
    adjoint: bool = option(False, help="gradients by the adjoint equation")
    epochs: int = option(160, "-e", help="passes over the training images")
    batch_size: int = option(512, "-b", help="images a step")
    test_batch_size: int = option(512, help="images an evaluation step")
    lr: float = option(0.1, help="learning rate at the start")
    schedule: str = option("step", help="of the learning rate", choices=_SCHEDULES)
    milestones: tuple[int, ...] = option((80, 120), help="epochs of a step schedule")
    gamma: float = option(0.1, help="factor of a step schedule")
    momentum: float = option(0.9, help="of SGD")
    nesterov: bool = option(False, help="momentum of Nesterov's kind")
    weight_decay: float = option(1e-4, help="of every weight, whether an edge or not")
    decay_vectors: bool = option(True, help="weight decay of biases and normalisation, too")
    label_smoothing: float = option(0.0, help="share of the target spread over all classes")
    warmup_epochs: int = option(0, help="epochs of linear warm-up")
    warmup_factor: float = option(0.1, help="factor that the warm-up begins with")
    amp: str = option("none", help="precision of the forward pass", choices=AMP)
    seed: int = option(1996, help="of weights, edges and images")

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model: no network {self.model!r}; there are {', '.join(MODELS)}")
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset: no {self.dataset!r}; there are {', '.join(DATASETS)}")
        object.__setattr__(self, "kind", find_kind(self.kind))
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep: expected a share above 0 and at most 1, got {self.keep}")
        if self.model == "mobilenetv1_dense" and self.kind != "complete":
            raise ValueError(
                f"kind: mobilenetv1_dense has no wiring that could be {self.kind}; take mobilenetv1"
            )
        if not 0 <= self.rho <= 1:
            raise ValueError(f"rho: expected a probability from 0 to 1, got {self.rho}")
        if self.seed < 0:
            raise ValueError(f"seed: must not be negative, got {self.seed}")
        if self.rewire_every < 1 or not 0 < self.rewire_fraction < 1:
            raise ValueError(
                "rewire_every, rewire_fraction: expected at least 1 step and a share above 0 and "
                f"below 1, got {self.rewire_every} and {self.rewire_fraction}"
            )
        self.recipe()
        self.solver_settings()

    def recipe(self) -> Recipe:
        """Of `train_networks`."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            test_batch_size=self.test_batch_size,
            lr=self.lr,
            schedule=self.schedule,
            milestones=self.milestones if self.schedule == "step" else (),
            gamma=self.gamma,
            lr_per_step=self.schedule == "cosine",
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            decay_vectors=self.decay_vectors,
            label_smoothing=self.label_smoothing,
            warmup_epochs=self.warmup_epochs,
            warmup_factor=self.warmup_factor,
            amp=self.amp,
            precise_bn=0,
            drop_last=False,
        )

    def solver_settings(self) -> Solver:
        """Of the continuous setting."""
        return Solver(
            method=self.solver,
            rtol=self.tolerance,
            atol=self.tolerance,
            steps=self.solver_steps,
            adjoint=self.adjoint,
        )


def build_network(
    config: WiringConfig,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    image_size: int | None = None,
    **more: Any,
) -> nn.Module:
    """The network of a configuration, with fresh weights.

    Args:
        config: see `WiringConfig`.
        num_classes, image_size: None takes them from the data set.
        in_channels: of the images.
        more: further arguments of the network (`mask`, `masks`).

    Raises:
        ValueError: images that the network cannot take, a bad budget.
        ImportError: the solver needs torchdiffeq.

    Example:
        >>> build_network(find_config("small/static_dnw")).wires.keep
        32000
    """
    info = DATASETS[config.dataset]
    how: dict[str, Any] = {
        "num_classes": info.num_classes if num_classes is None else num_classes,
        "in_channels": in_channels,
        "image_size": info.imsize if image_size is None else image_size,
        "seed": config.seed,
        **more,
    }
    return _BUILDERS[config.model](config, how)


def _tiny(cls: Callable[..., nn.Module]) -> Callable[[WiringConfig, dict], nn.Module]:
    def build(config: WiringConfig, how: dict[str, Any]) -> nn.Module:
        if cls is ContinuousTimeWiring:
            how = {**how, "solver": config.solver_settings()}
        return cls(
            config.kind,
            nodes=config.nodes,
            inputs=config.inputs,
            outputs=config.outputs,
            layers=config.layers,
            keep=float(config.keep),
            legacy_budget=config.legacy_budget,
            rho=config.rho,
            **how,
        )

    return build


def _mobilenet(config: WiringConfig, how: dict[str, Any]) -> nn.Module:
    return WiredMobileNetV1(
        config.kind,
        width=config.keep,
        small_head=config.small_head,
        legacy_budget=config.legacy_budget,
        rho=config.rho,
        **how,
    )


def _resnet(config: WiringConfig, how: dict[str, Any]) -> nn.Module:
    stem = config.dense_stem
    return SparseResNet50(
        config.kind, keep=float(config.keep), dense_stem=stem, rho=config.rho, **how
    )


_BUILDERS: Mapping[str, Callable[[WiringConfig, dict], nn.Module]] = {
    "static": _tiny(StaticWiring),
    "discrete_time": _tiny(DiscreteTimeWiring),
    "continuous": _tiny(ContinuousTimeWiring),
    "mobilenetv1": _mobilenet,
    "mobilenetv1_dense": lambda config, how: MobileNetV1(config.keep, **how),
    "resnet50": _resnet,
}


def _published() -> dict[str, WiringConfig]:
    found: dict[str, WiringConfig] = {}

    def add(name: str, base: WiringConfig, **settings: Any) -> None:
        found[name] = replace(base, name=name, **settings)

    small = WiringConfig()
    for setting in ("static", "discrete_time", "continuous"):
        prefix = "continuous_time" if setting == "continuous" else setting
        for kind, label in (("dnw", "dnw"), ("random", "random_graph")):
            add(f"small/{prefix}_{label}", small, model=setting, kind=kind)

    medium = replace(
        small, model="mobilenetv1", keep=0.225, batch_size=128, test_batch_size=128,
        schedule="cosine", milestones=(),
    )  # fmt: skip
    prefix = "medium/mobilenetv1"
    add(f"{prefix}_complete_graph", medium, kind="complete", keep=1.0)
    for kind in ("dnw", "dnw_no_update", "td", "reg_td"):
        add(f"{prefix}_{kind}_x225", medium, kind=kind)
    add(f"{prefix}_random_graph_x225", medium, kind="random")
    add(f"{prefix}_ft_x225", medium, kind="fine_tune", lr=0.01)
    add(f"{prefix}_lottery_one_shot_x225", medium, kind="lottery")
    add(f"{prefix}_x25", medium, model="mobilenetv1_dense", kind="complete", keep=0.25)

    large = replace(
        medium, dataset="imagenet", batch_size=512, test_batch_size=512, weight_decay=5e-5,
        epochs=250,
    )  # fmt: skip
    prefix = "large/mobilenetv1"
    for label, width in (("x15", 0.15), ("x225", 0.225)):
        add(f"{prefix}_dnw_small_{label}", large, keep=width, small_head=True)
    for label, width in (("x225", 0.225), ("x3", 0.3), ("x49", 0.49)):
        add(f"{prefix}_dnw_{label}", large, keep=width)
    add(f"{prefix}_random_graph_x225", large, kind="random")
    # Published with a prune rate of .49, so a width of .51: its 170 M FLOPs are those of .51.
    add(f"{prefix}_random_graph_x49", large, kind="random", keep=0.51)

    resnet = replace(
        large, model="resnet50", keep=1.0, batch_size=256, test_batch_size=128, epochs=100,
        lr=0.256, schedule="cosine-warmup", warmup_epochs=5, warmup_factor=0.2, momentum=0.875,
        weight_decay=2**-15, decay_vectors=False, label_smoothing=0.1,
    )  # fmt: skip
    add("resnet50/dense", resnet, kind="complete")
    for name, dense_stem in (("allsparse", False), ("ignorefirst", True)):
        for percent in range(10, 100, 10):
            keep = percent / 100
            add(f"resnet50/{name}{percent}", resnet, keep=keep, dense_stem=dense_stem)
    add("resnet50/tdsparse10", resnet, kind="td", keep=0.1, rho=0.9)
    return found


CONFIGS: dict[str, WiringConfig] = _published()
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
    """A published configuration, with some settings changed.

    Args:
        name: a key of `CONFIGS`; the original's paths (`app:apps/small_scale/static_dnw.yml`) do,
            too.
        overrides: settings of `WiringConfig`, or keys of the original's files (`prune_rate=0.9` is
            `keep=0.1`, `num_epochs`, `graph`, `dim`, ...).

    Raises:
        ValueError: unknown name or setting (lists them), the same setting twice, a bad value.

    Example:
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
    known = [field.name for field in dataclasses.fields(WiringConfig)]
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
