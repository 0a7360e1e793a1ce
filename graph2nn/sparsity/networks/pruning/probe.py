"""`Probe`: a network as pruning methods see it, without touching the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from graph2nn.runs import seeded
from graph2nn.sparsity.networks.masks import prunable

__all__ = ["Probe"]

_DROPOUTS = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention)
_HALF = (torch.float16, torch.bfloat16)


class Probe:
    """A network, and what a method is told beside it.

    Parameters and buffers are copied and passed through `torch.func.functional_call`, so the
    network's own keep values and gradients; modes and the state of random generators are put back
    by `running`.

    Args:
        model: the network; images to logits, or to a tuple that starts with logits.
        data: labelled images, see `prune`; None without.
        seed: of everything random.
        device: where scores are computed; None for where the weights are.
        compat: as published, deviations included.
        progress: show a bar.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        data: Any = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        compat: bool = False,
        progress: bool = False,
    ) -> None:
        self.model, self.data, self.seed = model, data, seed
        self.compat, self.progress = compat, progress
        self.weights = prunable(model)
        if not self.weights:
            raise ValueError(
                f"{type(model).__name__} has no convolution or linear layer: nothing to prune"
            )
        self.device = torch.device(device or next(iter(self.weights.values())).device)
        if self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", torch.cuda.current_device())

    @property
    def dtype(self) -> torch.dtype:
        """Of the copied weights, and of images."""
        dtype = next(iter(self.weights.values())).dtype
        return torch.float32 if dtype in _HALF else dtype

    def generator(self) -> torch.Generator:
        """A new generator from the seed, on the CPU so that draws are the same on any device."""
        return torch.Generator().manual_seed(self.seed)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, gradients are on and global random generators seeded; everything is undone."""
        modes = [(module, module.training) for module in self.model.modules()]
        try:
            with (
                seeded(self.seed, self.device),
                torch.inference_mode(False),
                torch.enable_grad(),
                sdpa_kernel(SDPBackend.MATH),  # fused attention has no second derivative
            ):
                yield
        finally:
            for module, training in modes:
                module.training = training

    def train(self, training: bool = True) -> None:
        """Normalisation by the statistics of the batch, or by stored ones; dropout is off."""
        self.model.train(training)
        for module in self.model.modules():
            if isinstance(module, _DROPOUTS):
                module.eval()

    def parameters(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Copies of all parameters, half precision widened to float32 unless `dtype` is given.

        Raises:
            ValueError: weights without values (on the meta device).
        """
        for name, value in self.model.named_parameters():
            if value.is_meta:
                raise ValueError(f"{name} is on the meta device and has no values to score")
        return {n: self._copy(p, dtype) for n, p in self.model.named_parameters()}

    def buffers(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """Copies of all buffers."""
        return {name: self._copy(value, dtype) for name, value in self.model.named_buffers()}

    def biases(self) -> dict[str, str]:
        """The name of the bias of each prunable layer that has one, by the name of its weight."""
        known = dict(self.model.named_parameters())
        names = {name: f"{name.removesuffix('weight')}bias" for name in self.weights}
        return {name: bias for name, bias in names.items() if bias in known}

    def leaves(self) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Copies of all parameters; and the prunable weights among them, asking for gradients."""
        values = self.parameters()
        return values, [values[name].requires_grad_() for name in self.weights]

    def forward(self, values: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """Logits with other parameters (and buffers, where named).

        Raises:
            ValueError: images that the network does not take, or an output that is no tensor.
        """
        given = {**self._buffers, **values}
        if self.model.training:  # running statistics are written to
            given = {name: v.clone() if name in self._buffers else v for name, v in given.items()}
        try:
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
        """Cross-entropy of a batch, the logits divided by `temperature`.

        Raises:
            ValueError: labels that the network has no logit for, or an output that is no logits.
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

    def named(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        """Results for the prunable weights, in their order, by name."""
        return {name: t.detach() for name, t in zip(self.weights, tensors, strict=True)}

    @cached_property
    def _buffers(self) -> dict[str, Tensor]:
        return self.buffers()

    def _copy(self, value: Tensor, dtype: torch.dtype | None) -> Tensor:
        if not value.is_floating_point():
            dtype = None
        elif dtype is None and value.dtype in _HALF:
            dtype = torch.float32
        return value.detach().to(self.device, dtype, copy=True)
