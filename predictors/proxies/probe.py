"""`Probe`: a network and a batch as zero-cost proxies see them, without touching the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ghn import GHN
from graph2nn.archgraph import ArchGraph

__all__ = ["DROPOUTS", "NORMS", "Probe", "is_weight", "module_modes"]

NORMS = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation
    nn.LayerNorm,
    nn.GroupNorm,
)
_BATCH = 64
DROPOUTS = (nn.modules.dropout._DropoutNd, nn.MultiheadAttention)


class Probe:
    """A network, a batch and what several proxies need of both, computed once.

    Parameters and buffers are copied and passed through `torch.func.functional_call`, so the
    network's own stay as they are; what proxies may change of it (modes, hooks) is undone by
    `module_modes` and by removing the hooks.

    Args:
        model: the network; images to logits, or to a tuple that starts with logits.
        images, labels: a batch.
        seed: of everything random.
        ghn: hypernetwork for proxies that predict parameters.
        graph: the network's graph as that hypernetwork reads it; None to trace it.
        test: images and labels on which accuracy is measured; None for the batch.

    Shapes:
        images (B, C, H, W), labels (B,).
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        seed: int = 0,
        ghn: GHN | None = None,
        graph: ArchGraph | None = None,
        test: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.model, self.images, self.labels = model, images, labels
        self.seed, self.ghn, self.graph = seed, ghn, graph
        self.test = test or (images, labels)

    def parameters(self) -> dict[str, Tensor]:
        """Fresh leaves with the values of the parameters, all with gradient."""
        named = self.model.named_parameters()
        return {n: p.detach().clone().requires_grad_(p.is_floating_point()) for n, p in named}

    def buffers(self) -> dict[str, Tensor]:
        """Copies of the buffers."""
        return {name: b.detach().clone() for name, b in self.model.named_buffers()}

    def forward(
        self, values: Mapping[str, Tensor], images: Tensor, *, training: bool = True
    ) -> Tensor:
        """Logits with other parameters (and buffers, where named).

        In training mode normalisation takes the statistics of the batch, as for the published
        figures; dropout is off either way.
        """
        with module_modes(self.model):
            self.model.train(training)
            for module in self.model.modules():
                if isinstance(module, DROPOUTS):
                    module.eval()
            out = functional_call(self.model, {**self.buffers(), **values}, (images,))
        return out[0] if isinstance(out, tuple | list) else out

    def weights(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of convolutions and linear layers among the parameters.

        Raises:
            ValueError: there are none.
        """
        found = {name: value for name, value in values.items() if is_weight(name, value)}
        if not found:
            raise ValueError("the network has no convolution or linear layer")
        return found

    def loss(self, values: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of the batch."""
        return F.cross_entropy(self.forward(values, self.images), self.labels)

    @cached_property
    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Every weight with the gradient of the loss, zero where the loss does not depend on it."""
        values = self.parameters()
        weights = list(self.weights(values).values())
        grads = torch.autograd.grad(self.loss(values), weights, allow_unused=True)
        return [
            (w.detach(), torch.zeros_like(w) if g is None else g.detach())
            for w, g in zip(weights, grads)
        ]

    @cached_property
    def jacobian(self) -> Tensor:
        """Gradient of the sum of an image's logits with respect to it. Shapes: (B, CHW)."""
        images = self.images.detach().clone().requires_grad_(True)
        values = {name: p.detach() for name, p in self.parameters().items()}
        (grad,) = torch.autograd.grad(self.forward(values, images).sum(), images)
        return grad.flatten(1)

    @cached_property
    def predicted(self) -> Tensor:
        """Logits of the test images with predicted parameters, in even batches of 64 at most (as
        in the published evaluation: normalisation depends on it). Shapes: (B', classes).

        Raises:
            ValueError: no hypernetwork, or one for other images or classes.
        """
        if self.ghn is None:
            raise ValueError("predicted parameters need a hypernetwork: pass ghn")
        images = self.test[0]
        with torch.no_grad(), module_modes(self.model):
            self.model.eval()
            values = self.ghn.predict(self.model, images[:1], graph=self.graph)
            values = {name: value.to(images.device) for name, value in values.items()}
            parts = images.tensor_split(-(-len(images) // _BATCH))
            return torch.cat([self.forward(values, part) for part in parts])

    @contextmanager
    def hooks(
        self, where: Callable[[str, nn.Module], bool], hook: Callable[..., Tensor | None]
    ) -> Iterator[None]:
        """Forward hooks `hook(module, args, output)` on the modules that `where` selects."""
        with ExitStack() as stack:
            for name, module in self.model.named_modules():
                if where(name, module):
                    stack.callback(module.register_forward_hook(hook).remove)
            yield

    def generator(self) -> torch.Generator:
        """A generator on the device of the images, from the seed."""
        return torch.Generator(self.images.device).manual_seed(self.seed)


def is_weight(name: str, value: Tensor) -> bool:
    """Whether a parameter is the weight of a convolution, a linear or a relational layer."""
    return name.endswith("blocks") or (name.endswith("weight") and value.dim() >= 2)


@contextmanager
def module_modes(model: nn.Module) -> Iterator[None]:
    """Puts training and evaluation modes back as they were."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
