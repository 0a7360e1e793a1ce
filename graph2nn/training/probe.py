"""`Probe`: which weights does an untrained network have, and what do its gradients say of them?

Nothing of the caller's is changed: parameters, buffers, gradients, modes, random generators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from graph2nn.runs.seeds import seeded

__all__ = ["LAYERS", "Probe", "module_modes", "prunable"]

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers whose weights can be pruned."""

_DROPOUTS = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention)
_HALF = (torch.float16, torch.bfloat16)


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that can be pruned, by name, in the order of `model.modules()`.

    They are those of convolutions and linear layers. A weight that several layers share appears
    once, under the first one's name. Transposed convolutions, embeddings, biases and normalisation
    are left out.

    Raises:
        ValueError: A layer computes its weight (weight normalisation, `torch.nn.utils.prune`) or
            has none yet (lazy layers).

    Examples:
        >>> list(prunable(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1))))
        ['0.weight', '2.weight']
    """
    found: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for module_name, module in model.named_modules():
        if not isinstance(module, LAYERS):
            continue
        name = f"{module_name}.weight" if module_name else "weight"
        weight = module._parameters.get("weight")
        if weight is None:
            raise ValueError(
                f"{name} is no parameter but computed from others, so it has no mask; remove the "
                "parametrization or the pruning hooks first (torch.nn.utils.parametrize."
                "remove_parametrizations, torch.nn.utils.prune.remove)"
            )
        if isinstance(weight, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} has no shape yet; run the network once on an input first")
        if id(weight) not in seen and weight.numel():
            seen.add(id(weight))
            found[name] = weight
    return found


class Probe:
    """A network that is looked at with other values, without touching it.

    Parameters and buffers are copied and passed through `torch.func.functional_call`, so the
    network's own keep values and gradients; modes are put back after every forward pass, and
    random generators by `running`.

    Args:
        model: Network from images to logits, or to a tuple that starts with logits.
        weights: Parameters that are scored, by name; None for all that are `prunable`.
        seed: Seed of everything random.
        device: Device of the computation; None for where the weights are.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        weights: Mapping[str, nn.Parameter] | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        self.model, self.seed = model, seed
        self._weights = prunable(model) if weights is None else dict(weights)
        like = next(iter((*self._weights.values(), *model.parameters(), torch.zeros(()))))
        self.device = torch.device(device or like.device)
        if self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", torch.cuda.current_device())
        self.dtype = torch.float32 if like.dtype in _HALF else like.dtype
        """Type of the copied weights, and of images."""

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The parameters that are scored, by name.

        Raises:
            ValueError: There are none.
        """
        if not self._weights:
            raise ValueError(
                f"{type(self.model).__name__} has no convolution or linear layer: nothing to prune "
                "or to score"
            )
        return self._weights

    def generator(self) -> torch.Generator:
        """Return a new generator from the seed, on the CPU: draws are the same for any device."""
        return torch.Generator().manual_seed(self.seed)

    @contextmanager
    def running(self, *, plain_attention: bool = True) -> Iterator[None]:
        """Turn gradients on and seed the global random generators; all is undone at the end.

        Args:
            plain_attention: Whether attention is computed step by step, as second derivatives need
                it; fused, results differ by rounding errors.
        """
        attention = sdpa_kernel(SDPBackend.MATH) if plain_attention else nullcontext()
        with (
            seeded(self.seed, self.device),
            torch.inference_mode(False),
            torch.enable_grad(),
            attention,
        ):
            yield

    def parameters(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Copy all parameters; half precision is widened to float32 unless `dtype` is given.

        Each copy has the shape of its parameter.

        Raises:
            ValueError: Weights without values (on the meta device).
        """
        for name, value in self.model.named_parameters():
            if value.is_meta:
                raise ValueError(f"{name} is on the meta device and has no values to score")
        return {n: self._copy(p, dtype) for n, p in self.model.named_parameters()}

    def buffers(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Copy all buffers, widened as parameters are.

        Each copy has the shape of its buffer.
        """
        return {name: self._copy(value, dtype) for name, value in self.model.named_buffers()}

    def biases(self) -> dict[str, str]:
        """Return the name of the bias of each layer that has one, by the name of its weight."""
        known = dict(self.model.named_parameters())
        names = {name: f"{name.removesuffix('weight')}bias" for name in self.weights}
        return {name: bias for name, bias in names.items() if bias in known}

    def leaves(self) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Copy all parameters; the scored weights among them ask for gradients, and come second.

        Each copy has the shape of its parameter.
        """
        values = self.parameters()
        return values, [values[name].requires_grad_() for name in self.weights]

    def forward(
        self, values: Mapping[str, Tensor], images: Tensor, *, training: bool = True
    ) -> Tensor:
        """Compute the logits with other parameters (and buffers, where named).

        In training mode normalisation takes the statistics of the batch, otherwise stored ones;
        dropout is off either way.

        Shapes:
            images (B, C, H, W) → (B, classes).

        Raises:
            ValueError: Images that the network does not take, or an output that is no tensor.
        """
        given = dict(values)
        for name, value in self.model.named_buffers():
            if name not in given:  # a copy, for running statistics are written to
                given[name] = self._copy(value, None)
        try:
            with module_modes(self.model):
                self.model.train(training)
                for module in self.model.modules():
                    if isinstance(module, _DROPOUTS):
                        module.eval()
                out = functional_call(self.model, given, (images,))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"the network does not take images of shape {tuple(images.shape)}: {error}"
            ) from error
        out = out[0] if isinstance(out, tuple | list) else out
        if not isinstance(out, Tensor):
            raise ValueError(f"expected a tensor from the network, got {type(out).__name__}")
        return out

    def loss(
        self, values: Mapping[str, Tensor], images: Tensor, labels: Tensor, temperature: float = 1
    ) -> Tensor:
        """Compute the mean cross-entropy of a batch, the logits divided by `temperature`.

        Shapes:
            images (B, C, H, W), labels (B,) → ().

        Raises:
            ValueError: Labels that the network has no logit for, or an output that is no logits.
        """
        logits = self.forward(values, images)
        if logits.dim() != 2 or len(logits) != len(labels):
            raise ValueError(
                f"expected logits of shape ({len(labels)}, classes) from the network, got "
                f"{tuple(logits.shape)}"
            )
        if int(labels.max()) >= logits.shape[1]:
            raise ValueError(
                f"labels run to {int(labels.max())}, but the network has {logits.shape[1]} "
                "outputs; expected labels from 0 to outputs - 1"
            )
        return F.cross_entropy(logits / temperature if temperature != 1 else logits, labels)

    def named(self, tensors: Iterable[Tensor]) -> dict[str, Tensor]:
        """Name results for the scored weights, which are in their order.

        They may be of any shape.
        """
        return {name: t.detach() for name, t in zip(self.weights, tensors, strict=True)}

    @contextmanager
    def hooks(
        self, where: Callable[[str, nn.Module], bool], hook: Callable[..., Tensor | None]
    ) -> Iterator[None]:
        """Put forward hooks `hook(module, args, output)` on the modules that `where` selects."""
        with ExitStack() as stack:
            for name, module in self.model.named_modules():
                if where(name, module):
                    stack.callback(module.register_forward_hook(hook).remove)
            yield

    def _copy(self, value: Tensor, dtype: torch.dtype | None) -> Tensor:
        if not value.is_floating_point():
            dtype = None
        elif dtype is None and value.dtype in _HALF:
            dtype = torch.float32
        return value.detach().to(self.device, dtype, copy=True)


@contextmanager
def module_modes(model: nn.Module) -> Iterator[None]:
    """Put training and evaluation modes back as they were at the end."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
