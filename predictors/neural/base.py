"""`NeuralPredictor`: fit and predict of every predictor that is a neural network."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice
from graph2nn.runs import load_checkpoint, seeded
from predictors.base import ArchPredictor
from predictors.checks import check_ops
from predictors.features.operations import read_as_known
from predictors.neural.loop import FitSettings, member_seed, train_module
from predictors.neural.losses import SCALE_FREE, find_loss
from predictors.neural.modules import filled_module
from predictors.saving.plain import plain_object
from predictors.targets import TargetTransform

__all__ = ["NeuralPredictor"]


_FIT = tuple(field.name for field in fields(FitSettings))


class NeuralPredictor(ArchPredictor):
    """Predictor that trains one module, or an ensemble, on labelled graphs.

    A subclass implements `_prepare` (graphs to tensors, once), `_build` and, where the module is
    not simply called with a batch, `_forward`; `_augment` may change a training batch. It lists its
    recipes in `PRESETS` and takes its own settings beside those here in `__init__(self, *,
    width=None, **settings)`. A setting of None comes from the preset, or else from the defaults of
    `FitSettings`. Equal seeds give equal predictions; the global random state is never touched.

    Args:
        preset: Name of a recipe in `PRESETS`.
        fit: Settings of the training loop by name, see `FitSettings`; each is a keyword and an
            attribute like the others.
        ops: Operations that the model can read; None takes the vocabularies (`graph.ops`) of the
            training graphs.
        init: Pre-trained weights to start from: a checkpoint with the key `model`, or a mapping
            of tensors. Entries of the head (`HEAD`) may be missing or of another shape.
        seed: Seed of initialisation, order and dropout.
        device: Device on which the module is trained and run.
        progress: Whether a bar over epochs is shown.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"modern": {}}
    HEAD: ClassVar[tuple[str, ...]] = ("head.",)

    def __init__(
        self,
        *,
        preset: str = "modern",
        ops: Sequence[str] | None = None,
        init: str | Path | Mapping[str, Tensor] | None = None,
        seed: int = 0,
        device: str = "cpu",
        progress: bool = False,
        **fit: Any,
    ) -> None:
        self.preset = preset
        self.ops = ops
        self.init = init
        self.seed = seed
        self.device = device
        self.progress = progress
        for name in _FIT:
            setattr(self, name, fit.pop(name, None))
        if fit:
            raise TypeError(f"{type(self).__name__} has no setting {', '.join(sorted(fit))}")

    # ---- hooks -------------------------------------------------------------------------------

    @abstractmethod
    def _prepare(self, graphs: list[ArchGraph]) -> Any:
        """Everything about graphs that does not change while training: by default a mapping of
        tensors whose first axis is the graph. Called by `fit` and by `predict`."""

    @abstractmethod
    def _build(self, num_targets: int) -> nn.Module:
        """A new module with T outputs, initialised from torch's global generator."""

    def _layout(self, num_targets: int) -> nn.Module:
        """A module of the same sizes, whatever its weights: what a file's tensors are put into."""
        return self._build(num_targets)

    def _learn(self, graphs: list[ArchGraph]) -> None:
        """What training graphs fix before `_prepare` first runs; here the operations `ops_`."""
        known = self.ops if self.ops is not None else [op for g in graphs for op in g.ops]
        self.ops_ = tuple(dict.fromkeys(known))
        check_ops(graphs, self.ops_, type(self).__name__)

    def _select(self, data: Any, index: Tensor) -> Any:
        """The batch of the graphs of an index, on `device`. Shapes: index (B,)."""
        return {name: values[index].to(self.device) for name, values in data.items()}

    def _forward(self, module: nn.Module, batch: Any) -> Tensor:
        """Outputs of a batch. Shapes: -> (B, T)."""
        return module(batch)

    def _augment(self, batch: Any, generator: torch.Generator) -> Any:
        """A training batch, changed at random in ways that do not change its targets."""
        return batch

    def _objective(self, name: str, wanted: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of outputs and transformed targets (B, T). Shapes: wanted (N, T), all targets
        of training."""
        return find_loss(name)

    def _further(self, module: nn.Module) -> None:
        """Add gradients of what is learned beside the targets, after those of the loss."""

    # ---- settings ----------------------------------------------------------------------------

    def __init_subclass__(cls, **options: Any) -> None:
        """Write the settings that `**settings` stands for into the signature of the constructor,
        which scikit-learn (and `help`) reads."""
        super().__init_subclass__(**options)
        if "__init__" not in vars(cls):
            return
        inherited: dict[str, inspect.Parameter] = {}
        for base in cls.__mro__[1:]:
            if issubclass(base, NeuralPredictor):
                inherited = {**inspect.signature(base.__init__).parameters, **inherited}
        _write_signature(cls, inherited)

    def setting(self, name: str, default: Any = None) -> Any:
        """Return the value in force of a setting: as passed, else of the preset, else the default.

        Raises:
            ValueError: An unknown preset.
        """
        check_choice("preset", self.preset, self.PRESETS)
        value = getattr(self, name)
        return self.PRESETS[self.preset].get(name, default) if value is None else value

    def fit_settings(self) -> FitSettings:
        """Return the settings of the loop in force.

        Raises:
            ValueError: One that is out of range.
        """
        given = {name: self.setting(name) for name in _FIT}
        return FitSettings(**{name: v for name, v in given.items() if v is not None})

    # ---- files -------------------------------------------------------------------------------

    def saved_state(self) -> dict[str, Any]:
        """Return what a file keeps: settings and what was learned, modules as their tensors."""
        state = dict(vars(self))
        if "modules_" in state:
            state["modules_"] = [dict(module.state_dict()) for module in self.modules_]
        return state

    @classmethod
    def from_saved_state(cls, state: Mapping[str, Any]) -> NeuralPredictor:
        """Make the predictor whose `saved_state` this is.

        Raises:
            ValueError: Tensors that do not fit the settings.
        """
        made = plain_object(cls, {k: v for k, v in state.items() if k != "modules_"})
        if str(made.device).startswith("cuda") and not torch.cuda.is_available():
            made.device = "cpu"  # fitted on a machine with a GPU
        if "modules_" in state:
            made.modules_ = [made._rebuilt(tensors) for tensors in state["modules_"]]
        return made

    def _rebuilt(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        layers = self.setting("layers", 0) if hasattr(self, "layers") else 0
        build = partial(self._layout, self.n_targets_)
        return filled_module(build, tensors, type(self).__name__, layers=layers)

    # ---- fit and predict ---------------------------------------------------------------------

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        settings = self.fit_settings()
        self._learn(graphs)
        self.transform_ = TargetTransform(settings.target).fit(targets)
        wanted = torch.from_numpy(self.transform_.transform(targets)).float()
        data = self._prepare(graphs)
        self.modules_: list[nn.Module] = []
        self.history_: list[list[float]] = []
        self.scale_: list[tuple[Tensor, Tensor]] = []
        for member in range(settings.ensemble):
            seed = member_seed(self.seed, member)
            with seeded(seed, self.device):
                self._fit_member(data, wanted, settings, seed)

    def _fit_member(self, data: Any, wanted: Tensor, settings: FitSettings, seed: int) -> None:
        module = self._build(wanted.shape[1])
        if self.init is not None:
            self._load(module)
        module.to(self.device)
        function = self._objective(settings.loss, wanted)
        kept, held = _split(len(wanted), settings.validation, seed)
        wanted_here = wanted.to(self.device)

        def loss(index: Tensor, generator: torch.Generator) -> Tensor:
            index = kept[index]
            batch = self._augment(self._select(data, index), generator)
            return function(self._forward(module, batch), wanted_here[index])

        def score() -> float:
            outputs = self._outputs(module, data, held).to(self.device)
            return float(function(outputs, wanted_here[held]))

        history = train_module(
            module,
            len(kept),
            loss,
            settings,
            seed=seed,
            score=score if len(held) else None,
            further=partial(self._further, module),
            progress=self.progress and type(self).__name__,
        )
        self.history_.append(history)
        self.scale_.append(self._matched(module, data, wanted, settings.loss))
        self.modules_.append(module.cpu())

    def _load(self, module: nn.Module) -> None:
        """Pre-trained weights into a module; what they leave open is the head."""
        state = self.init
        if not isinstance(state, Mapping):
            state = load_checkpoint(Path(str(state)))["model"]
        own = module.state_dict()
        fits = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
        rest = [k for k in (set(own) | set(state)) - set(fits) if not k.startswith(self.HEAD)]
        if rest:
            k = min(rest)
            raise ValueError(
                f"init: {len(rest)} tensors do not fit this {type(self).__name__}, first {k!r}: "
                f"expected {_shape(own.get(k))}, got {_shape(state.get(k))}; use the settings and "
                "ops that the weights were trained with"
            )
        module.load_state_dict({**own, **fits})

    def _matched(self, module: nn.Module, data: Any, wanted: Tensor, loss: str) -> Any:
        """Slope and offset that give outputs the mean and deviation of the training targets,
        where the loss leaves them free; the slope is positive, so no order changes."""
        zero = torch.zeros(wanted.shape[1])
        if loss not in SCALE_FREE:
            return zero + 1, zero
        outputs = self._outputs(module, data, torch.arange(len(wanted)))
        slope = wanted.std(0) / outputs.std(0).clamp(min=1e-6)
        return slope, wanted.mean(0) - slope * outputs.mean(0)

    @torch.no_grad()
    def _outputs(self, module: nn.Module, data: Any, index: Tensor, size: int = 256) -> Tensor:
        """Outputs in evaluation mode. Shapes: index (N,) -> (N, T)."""
        module.eval()
        parts = [self._forward(module, self._select(data, part)) for part in index.split(size)]
        return torch.cat(parts).float().cpu()

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        graphs = read_as_known(graphs, self.ops_, type(self).__name__)
        data, index = self._prepare(graphs), torch.arange(len(graphs))
        members = []
        for module, (slope, offset) in zip(self.modules_, self.scale_):
            outputs = self._outputs(module.to(self.device), data, index)
            members.append(outputs * slope + offset)
            module.cpu()
        values = torch.stack(members).double().numpy()
        mean = values.mean(0)
        if len(members) == 1:
            return self.transform_.inverse(mean), None
        std = values.std(0, ddof=1)
        return self.transform_.inverse(mean), self.transform_.inverse_std(mean, std)


def _write_signature(cls: type, inherited: Mapping[str, inspect.Parameter]) -> None:
    """Put parameters in the place of `**settings` in the signature of a constructor."""
    own = inspect.signature(cls.__init__)  # type: ignore[misc]
    named = {p.name: p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD}
    order = sorted({**inherited, **named}.values(), key=lambda p: p.kind)
    cls.__init__.__signature__ = own.replace(parameters=order)  # type: ignore[misc]


_write_signature(
    NeuralPredictor,
    {
        field.name: inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=f"{field.type} | None",
        )
        for field in fields(FitSettings)
    },
)


def _split(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Networks trained on, and held out for early stopping."""
    held = round(count * share)
    if share and not 1 <= held <= count - 1:
        raise ValueError(
            f"validation: a share of {share:g} of {count} networks leaves nothing on one side; "
            "pass 0 or more networks"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[held:].sort().values, order[:held]


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else str(tuple(tensor.shape))
