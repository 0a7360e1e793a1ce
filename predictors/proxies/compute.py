"""`compute_proxies`: all zero-cost proxies of one network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ghn import GHN, from_pretrained
from graph2nn.archgraph import ArchGraph
from graph2nn.names import choose
from graph2nn.training import topk_correct
from predictors.proxies.probe import ProxyProbe
from predictors.proxies.registry import PROXIES, proxy

__all__ = ["ProxyValues", "check_names", "compute_proxies", "ghn_acc", "ghn_loss"]


class ProxyValues(dict[str, float]):
    """Values by name; `reasons` says of each that is NaN why.

    Examples:
        >>> values = ProxyValues(snip=math.nan)
        >>> values.reasons["snip"] = "the loss overflows"
    """

    def __init__(self, *args: object, **values: float) -> None:
        super().__init__(*args, **values)  # type: ignore[arg-type]
        self.reasons: dict[str, str] = {}


def compute_proxies(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    ghn: GHN | str | None = None,
    graph: ArchGraph | None = None,
    test: tuple[Tensor, Tensor] | None = None,
) -> ProxyValues:
    """Compute numbers of an untrained network that are meant to tell how well it will learn.

    Conventions are those of arXiv:2101.08134 and NAS-Bench-Suite-Zero (arXiv:2210.03230), so that
    values compare with the `zc_` columns of published tables: the network as initialised, in
    training mode, one batch, sums over the weights of convolutions and linear layers. The network
    is left as it was: parameters, buffers, gradients, modes, and torch's random state.

    Args:
        model: Network from images to logits, with initial parameters.
        images, labels: Batch of training images, normalised.
        names: Names in `PROXIES`; None for all that need no hypernetwork, and those too if there is
            one.
        seed: Seed of what is random (Zen-score).
        ghn: Hypernetwork, or the name or file of one, for `ghn_acc` and `ghn_loss`.
        graph: The network's graph as the hypernetwork reads it; None to trace it.
        test: Images and labels for `ghn_acc` and `ghn_loss`; None for the batch.

    Shapes:
        images (B, C, H, W), labels (B,).

    Raises:
        ValueError: An unknown name, a batch without images, labels that do not fit. What goes wrong
            inside a proxy gives NaN and a reason instead.

    Examples:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> images, labels = torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 0, 1, 0, 1])
        >>> compute_proxies(net, images, labels, names=["params", "nwot"])["params"]
        5.8e-05
    """
    ghn = from_pretrained(ghn) if isinstance(ghn, str) else ghn
    names = check_names(names, ghn is not None)
    for pair in ((images, labels), test or (images, labels)):
        _check_batch(*pair)
    probe = ProxyProbe(model, images, labels, seed=seed, ghn=ghn, graph=graph, test=test)
    values = ProxyValues()
    for name in names:
        # seeded for each name: a value does not depend on what else is asked for
        with probe.running(plain_attention=False):
            values[name], reason = _attempt(name, probe)
        if reason:
            values.reasons[name] = reason
    return values


@proxy("ghn_acc", "zero-shot accuracy of GHN-2, arXiv:2110.13100", needs_ghn=True)
def ghn_acc(probe: ProxyProbe) -> float:
    """Measure the top-1 accuracy in percent with predicted parameters, normalising by batch."""
    labels = probe.test[1]
    right, _ = topk_correct(probe.predicted[None], labels, finite_only=True)
    return 100 * (int(right) / len(labels))


@proxy("ghn_loss", "zero-shot loss of GHN-2, arXiv:2110.13100", needs_ghn=True)
def ghn_loss(probe: ProxyProbe) -> float:
    """Measure the cross-entropy with predicted parameters, normalising by batch.

    It is finer than the accuracy.
    """
    return float(F.cross_entropy(probe.predicted.double(), probe.test[1]))


def check_names(names: Sequence[str] | None, has_ghn: bool) -> tuple[str, ...]:
    """Find the proxies to compute.

    Raises:
        ValueError: An unknown one, or one that needs a hypernetwork that is not there.
    """
    if names is None:
        return tuple(name for name, entry in PROXIES.items() if has_ghn or not entry.needs_ghn)
    for name in names:
        if choose("proxy", name, PROXIES).needs_ghn and not has_ghn:
            raise ValueError(f"{name} needs a hypernetwork: pass ghn='ghn2-digits', for example")
    return tuple(names)


def _attempt(name: str, probe: ProxyProbe) -> tuple[float, str]:
    """The value, or NaN and why."""
    try:
        value = float(PROXIES[name].compute(probe))
    # Whatever an arbitrary network does in its forward pass: one proxy less, not all of them.
    except Exception as error:
        return math.nan, f"{type(error).__name__}: {error}"
    if not math.isfinite(value):
        return math.nan, f"the value is {value}: activations or gradients overflow"
    return value, ""


def _check_batch(images: Tensor, labels: Tensor) -> None:
    if images.dim() != 4 or len(images) == 0 or not images.is_floating_point():
        raise ValueError(
            f"images: expected normalised floats of shape (B, C, H, W), got {images.dtype} "
            f"{tuple(images.shape)}"
        )
    if labels.shape != (len(images),) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels: expected {len(images)} class indices (int64), got {labels.dtype} "
            f"{tuple(labels.shape)}"
        )
