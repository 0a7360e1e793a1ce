"""`ProxyProbe`: a network and a batch as zero-cost proxies see them."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.training.probe import Probe, module_modes
from graph2nn.training.saliency import first_order

__all__ = ["ProxyProbe", "is_weight"]

_BATCH = 64


class ProxyProbe(Probe):
    """A network, a batch and what several proxies need of both, computed once.

    Args:
        model: Network from images to logits, or to a tuple that starts with logits.
        images: Images of a batch.
        labels: Labels of the batch.
        seed: Seed of everything random.
        ghn: Hypernetwork for proxies that predict parameters.
        graph: Graph of the network as that hypernetwork reads it; None to trace it.
        test: Images and labels on which accuracy is measured; None for the batch.

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
        weights = {name: p for name, p in model.named_parameters() if is_weight(name, p)}
        super().__init__(model, weights=weights, seed=seed)
        self.images, self.labels = images.to(self.device, self.dtype), labels.to(self.device)
        self.ghn, self.graph = ghn, graph
        pictures, classes = test or (images, labels)
        self.test = pictures.to(self.device), classes.to(self.device)

    @cached_property
    def gradients(self) -> list[tuple[Tensor, Tensor]]:
        """Every weight with the gradient of the loss, see `first_order`."""
        return first_order(self, (self.images, self.labels))

    @cached_property
    def jacobian(self) -> Tensor:
        """Gradient of the sum of an image's logits with respect to it, (B, CHW)."""
        images = self.images.detach().clone().requires_grad_(True)
        (grad,) = torch.autograd.grad(self.forward(self.parameters(), images).sum(), images)
        return grad.flatten(1)

    @cached_property
    def predicted(self) -> Tensor:
        """Logits of the test images with predicted parameters, (B', classes).

        They are computed in even batches of 64 at most, as in the published evaluation:
        normalisation depends on it.

        Raises:
            ValueError: No hypernetwork, or one for other images or classes.
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


def is_weight(name: str, value: Tensor) -> bool:
    """Return whether proxies sum over a parameter: what layers multiply with.

    By convention of NAS-Bench-Suite-Zero these are more than what can be pruned (`prunable`):
    transposed convolutions, embeddings and the projections of attention, too; and what a relational
    layer has instead of its weight.

    Shapes:
        value: any.
    """
    return name.endswith("blocks") or (name.endswith("weight") and value.dim() >= 2)
