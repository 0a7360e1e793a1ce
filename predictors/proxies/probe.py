"""`ProxyProbe`: a network and a batch as zero-cost proxies see them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.training.probe import Probe, module_modes
from graph2nn.training.saliency import first_order

__all__ = ["ProxyProbe", "channels_first", "is_weight"]

_BATCH = 64
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


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

    def noise(self) -> Tensor:
        """Draw Gaussian images of the shape of the batch, (B, C, H, W), from the seed."""
        drawn = torch.empty(self.images.shape, dtype=self.images.dtype)
        return drawn.normal_(generator=self.generator()).to(self.device)

    @cached_property
    def blocks(self) -> list[Tensor]:
        """Output of each block for noise, with its graph: maps (B, C, H, W) or tokens (B, L, C).

        Vectors (B, C) where there are no two of those.

        Raises:
            ValueError: Fewer than two blocks.
        """
        blocks, found = _blocks(self.model), list[Tensor]()

        def watch(module: nn.Module, _: Any, output: Any) -> Any:
            made = output[0] if isinstance(output, tuple) and output else output
            if not isinstance(made, Tensor) or made.dim() not in (2, 3, 4):
                return None
            found.append(made)
            copy = made.clone()  # what follows may write into it
            return (copy, *output[1:]) if isinstance(output, tuple) else copy

        with self.hooks(lambda _, module: module in blocks, watch):
            self.forward(self.parameters(), self.noise().requires_grad_())
        maps = [block for block in found if block.dim() > 2]
        found = maps if len(maps) > 1 else found
        if len(found) < 2:
            raise ValueError("the network has fewer than two blocks that make maps or tokens")
        return found

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


def _blocks(model: nn.Module) -> list[nn.Module]:
    """Parts of a network that follow each other; its layers with weights where it has no parts."""
    parts = list(_parts(model))
    if len(parts) > 1:
        return parts
    named = dict(model.named_modules())
    return [named[n.rpartition(".")[0]] for n, p in model.named_parameters() if is_weight(n, p)]


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """Children with layers inside; of lists of such, and of the only child, theirs."""
    children = list(module.children())
    for child in children:
        inner = list(child.children())
        listed = isinstance(child, _CONTAINERS) and any(any(part.children()) for part in inner)
        if listed or (inner and len(children) == 1):
            yield from _parts(child)
        elif inner:
            yield child


def channels_first(values: Tensor) -> Tensor:
    """Move the channels of tokens to the second axis. Shapes: (B, L, C) -> (B, C, L)."""
    return values.movedim(-1, 1) if values.dim() == 3 else values


def is_weight(name: str, value: Tensor) -> bool:
    """Return whether proxies sum over a parameter: what layers multiply with.

    By convention of NAS-Bench-Suite-Zero these are more than what can be pruned (`prunable`):
    transposed convolutions, embeddings and the projections of attention, too; and what a relational
    layer has instead of its weight.

    Shapes:
        value: any.
    """
    return name.endswith("blocks") or (name.endswith("weight") and value.dim() >= 2)
