"""Predicted weights made fit for training: noise against equal rows, and orthogonal matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ghn.finetuning.layers import weight_layers

__all__ = ["post_process"]


@torch.no_grad()
def post_process(
    model: nn.Module,
    *,
    orthogonal: bool = True,
    noise: float = 0.0,
    first_layer: int = 0,
    larger_than: int = 0,
    generator: torch.Generator | None = None,
) -> int:
    """Change the weights of a network in place so that it trains better from them.

    A hypernetwork repeats blocks in wide layers, so rows are equal or nearly so, and their
    gradients, too. Noise tells them apart; orthogonalising, by QR, makes the columns of a weight
    (the rows, where there are fewer) orthonormal (GHN-3, arXiv:2303.04143, section 5.2, and the
    code of arXiv:2110.13100). Layers are the modules with a weight of two dimensions or more, in
    the order of `model.modules()`, numbered from 1; the last, the classifier, is left alone.

    Args:
        model: Any network.
        orthogonal: Whether weights are made orthogonal.
        noise: Standard deviation of Gaussian noise, times that of the entries of the correlation
            matrix of the weight's rows; published values are near 1e-5.
        first_layer: Number of the first layer that is changed; 0 and 1 mean all.
        larger_than: Only weights with more than this many output or input channels are changed.
        generator: Source of the noise, on the CPU; None takes torch's global one.

    Returns:
        The number of layers that were changed.

    Raises:
        ValueError: A negative setting, or a first layer beyond the last that could be changed.

    Examples:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> post_process(net)
        1
        >>> torch.allclose(net[0].weight @ net[0].weight.T, torch.eye(3), atol=1e-5)
        True
    """
    for name, value in (("noise", noise), ("first_layer", first_layer)):
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    layers = [module.weight for _, module in weight_layers(model)][:-1]
    if first_layer > max(1, len(layers)):
        raise ValueError(
            f"first_layer: the network has {len(layers)} layers with a weight before its last, "
            f"so none from {first_layer} on could be changed"
        )
    changed = 0
    for weight in layers[max(first_layer, 1) - 1 :]:
        assert isinstance(weight, Tensor)
        if max(weight.shape[:2]) > larger_than and (orthogonal or noise):
            weight.copy_(_processed(weight, orthogonal, noise, generator))
            changed += 1
    return changed


def _processed(
    weight: Tensor, orthogonal: bool, noise: float, generator: torch.Generator | None
) -> Tensor:
    matrix = weight.flatten(1)
    turned = matrix.shape[0] < matrix.shape[1]
    tall = matrix.t() if turned else matrix
    if noise:
        draws = torch.randn(tall.shape, generator=generator).to(tall)
        tall = tall + noise * _correlation_deviation(tall) * draws
    if orthogonal:
        q, r = torch.linalg.qr(tall.float())
        tall = (q * torch.where(r.diagonal() < 0, -1.0, 1.0)).to(weight)
    return (tall.t() if turned else tall).reshape(weight.shape)


def _correlation_deviation(rows: Tensor) -> Tensor:
    """Standard deviation of the correlations of the rows; rows without variance have none."""
    found = torch.corrcoef(rows.float()).nan_to_num()
    return found.std() if found.numel() > 1 else torch.zeros((), device=rows.device)
