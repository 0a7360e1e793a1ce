"""`WiringConfig`: which network, how it is trained, and how it is built as that begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from graph2nn.names import choose
from graph2nn.runs.config import flat, flattened, option
from graph2nn.training.recipe import Recipe
from graph2nn.vision import DATASETS, ImageData
from graph2nn.wirings.edges.kinds import KINDS, find_kind
from graph2nn.wirings.edges.tickets import fine_tune_from, lottery_from
from graph2nn.wirings.edges.user_edges import given_masks
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import MobileNetV1, WiredMobileNetV1
from graph2nn.wirings.networks.ode import SOLVERS, Solver
from graph2nn.wirings.networks.resnet import SparseResNet50
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

__all__ = ["MODELS", "Start", "WiringConfig", "build_network", "image_settings"]

MODELS = ("static", "discrete_time", "continuous", "mobilenetv1", "mobilenetv1_dense", "resnet50")
"""Networks of a configuration."""

_SCHEDULES = ("step", "cosine", "cosine-warmup", "none")
_NO_FLAGS = (
    *("lr_per_step", "precise_bn", "drop_last", "eval_every"),
    *("optimizer", "grad_clip", "auxiliary_weight"),
)
_MASKS = {"static": "mask", "discrete_time": "mask", "continuous": "mask", "mobilenetv1": "masks"}


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a network starts from besides its seed; see `find_start`.

    Args:
        edges: Edges of kind `given`, anything that `given_masks` takes.
        drop_illegal: Whether to leave out edges that the network cannot use.
        trained, initial: Weights of a complete network by name, after and before its training, of
            the kinds `fine_tune` and `lottery`.
    """

    edges: Any = None
    drop_illegal: bool = False
    trained: Mapping[str, Tensor] = field(default_factory=dict)
    initial: Mapping[str, Tensor] = field(default_factory=dict)


def _small_recipe() -> Recipe:
    """That of the small-scale experiments."""
    return Recipe(
        epochs=160,
        batch_size=512,
        test_batch_size=512,
        schedule="step",
        milestones=(80, 120),
        nesterov=False,
        weight_decay=1e-4,
        precise_bn=0,
        drop_last=False,
    )


@flattened
@dataclass(frozen=True, kw_only=True)
class WiringConfig:
    """A network with discovered (or other) wiring, and how it is trained.

    Defaults are those of the small-scale experiments of arXiv:1906.00586. `find_config` gives the
    published ones by name.

    Args:
        name: Name of the configuration.
        model: Name in `MODELS`.
        kind: Name in `KINDS` of the way to choose edges.
        keep: Share of all slots that are edges in a tiny network; width multiplier of a
            MobileNetV1, wired or dense; share of each layer's weights in the ResNet.
        dataset: Name of the images that it was published with.
        nodes, inputs, outputs, layers: Sizes of a tiny network; see `TinyWiring`.
        small_head: Whether the classifier of a MobileNetV1 is wired, too.
        dense_stem: Whether the first layer of the ResNet stays dense.
        legacy_budget: Whether slots that the network cannot use compete, as published.
        rho: Probability with which targeted dropout drops a weak slot.
        trained: Run folder, or checkpoint in it, of the complete network that `fine_tune` and
            `lottery` take their edges from.
        initial: Run or checkpoint of that network before its training, for `lottery`; None finds it
            in `trained`.
        edges: Run, file or family of graphs that kind `given` takes, see `read_edges`.
        drop_illegal: Whether to leave out given edges that the network cannot use, such as those
            that run back to an earlier block; otherwise they are an error.
        rewire_every, rewire_fraction: Number of steps between exchanges of edges of `rigl` and
            `set`, and share of the edges exchanged (`RewiringSchedule`).
        solver, tolerance, solver_steps, adjoint: Settings of the continuous one; see `Solver`.
        training: Epochs, batches and optimiser; see `Recipe`. Its settings are also taken and shown
            by their own names: `WiringConfig(epochs=5).epochs`.
        seed: Seed of initial weights, random edges and the order of images.

    Raises:
        ValueError: A setting is out of range.
    """

    name: str = option("own", help="name of the configuration")
    model: str = option("static", help="network", choices=MODELS)
    kind: str = option("dnw", help="how edges are chosen", choices=tuple(KINDS))
    keep: float = option(0.05, help="share of slots kept, or width multiplier")
    dataset: str = option("cifar10", "-d", help="images", choices=tuple(DATASETS))
    nodes: int = option(800, help="nodes of a tiny network")
    inputs: int = option(32, help="input nodes of a tiny network")
    outputs: int = option(100, help="output nodes of a tiny network")
    layers: int = option(5, help="blocks or rounds of a tiny network")
    small_head: bool = option(False, help="wire the classifier, too")
    dense_stem: bool = option(False, help="leave the first layer of the ResNet dense")
    legacy_budget: bool = option(False, help="let unusable slots compete, as published")
    rho: float = option(0.95, help="probability that a weak slot is dropped in targeted dropout")
    trained: str | None = option(None, help="run folder of a complete network")
    initial: str | None = option(
        None, help="weights of that network before training; none for those in `trained`"
    )
    edges: str | None = option(
        None, help="edges of kind given: a run, a file, or ws:n=64,k=8,p=0.1"
    )
    drop_illegal: bool = option(False, help="leave out given edges that cannot be used")
    rewire_every: int = option(100, help="steps between exchanges of edges, of rigl and set")
    rewire_fraction: float = option(0.3, help="share of the edges that is exchanged")
    solver: str = option("dopri5", help="solver of the continuous setting", choices=SOLVERS)
    tolerance: float = option(1e-3, help="relative and absolute, of adaptive solvers")
    solver_steps: int = option(8, help="number of steps of fixed-step solvers")
    adjoint: bool = option(False, help="gradients by the adjoint equation")
    training: Recipe = flat(
        _small_recipe,
        without=_NO_FLAGS,
        schedule=option(help="schedule of the learning rate", choices=_SCHEDULES),
        gamma=option(help="factor of a step schedule"),
        weight_decay=option(help="weight decay of every weight, whether an edge or not"),
    )
    seed: int = option(1996, help="seed of weights, edges and images")

    def __post_init__(self) -> None:
        choose("network", self.model, MODELS, where="model")
        choose("data set", self.dataset, DATASETS, where="dataset")
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
        self.solver_settings()
        self.training.must_train()

    def recipe(self) -> Recipe:
        """Return how `train_networks` trains: a cosine falls every step, others each epoch."""
        given = self.training
        return replace(
            given,
            lr_per_step=given.lr_per_step or given.schedule == "cosine",
            milestones=given.milestones if given.schedule == "step" else (),
        )

    def solver_settings(self) -> Solver:
        """Return the solver of the continuous setting."""
        return Solver(
            method=self.solver,
            rtol=self.tolerance,
            atol=self.tolerance,
            steps=self.solver_steps,
            adjoint=self.adjoint,
        )

    def build(self, images: ImageData | Mapping[str, int], start: Start | None = None) -> nn.Module:
        """Build the network as its training begins.

        Args:
            images: Images that it is trained on, or what `image_settings` says of them.
            start: Edges and weights that come from elsewhere; None for fresh ones.

        Raises:
            ValueError: Images or edges do not fit the network, or weights are those of another.
        """
        sizes = image_settings(images) if isinstance(images, ImageData) else dict(images)
        start = start or Start()
        if self.kind == "given":
            return build_network(self, **sizes, **self._masks(sizes, start))
        model = build_network(self, **sizes)
        if self.kind == "fine_tune" and start.trained:
            fine_tune_from(model, start.trained)
        elif self.kind == "lottery" and start.trained:
            lottery_from(model, start.trained, start.initial)
        return model

    def _masks(self, sizes: Mapping[str, int], start: Start) -> dict[str, Any]:
        """Given edges as the argument of the network."""
        if self.model not in _MASKS:
            raise ValueError(f"edges: expected a network of {', '.join(_MASKS)}, got {self.model}")
        complete = build_network(replace(self, kind="complete", edges=None), **sizes)
        masks = given_masks(start.edges, complete, drop_illegal=start.drop_illegal)
        name = _MASKS[self.model]
        return {name: masks if name == "masks" else masks[0]}


def image_settings(images: ImageData) -> dict[str, int]:
    """Return what `build_network` must know of the images."""
    return {
        "num_classes": images.num_classes,
        "in_channels": len(images.mean),
        "image_size": images.image_size,
    }


def build_network(
    config: WiringConfig,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    image_size: int | None = None,
    **more: Any,
) -> nn.Module:
    """Build the network of a configuration, with fresh weights.

    Args:
        config: Configuration; see `find_config`.
        num_classes, image_size: Number of classes, and height of the images in pixels; None takes
            those of the data set.
        in_channels: Number of channels of the images.
        more: Further arguments of the network (`mask`, `masks`).

    Raises:
        ValueError: The network cannot take such images, or the budget is bad.
        ImportError: The solver needs torchdiffeq.

    Examples:
        >>> build_network(find_config("small/static_dnw")).wires.keep
        32000
    """
    info = DATASETS[config.dataset]
    how: dict[str, Any] = {
        "num_classes": info.num_classes if num_classes is None else num_classes,
        "in_channels": in_channels,
        "image_size": info.image_size if image_size is None else image_size,
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
