"""What is a weight like? Size, spectrum and rows of each layer, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LayerMeasures", "measure_layer", "row_correlations", "weight_matrices"]

_MOST_ROWS = 1024  # copies of tiled rows lie closer than that
_COPIES = 0.99


@dataclass(frozen=True, kw_only=True)
class LayerMeasures:
    """Numbers of one weight, read as a matrix of outputs by inputs.

    Args:
        count: Number of entries.
        mean, std: Mean and standard deviation of the entries.
        norm: Frobenius norm.
        singular_values: Singular values, from the largest down.
        stable_rank: Squared Frobenius norm over the squared largest singular value; 0 of zeros.
        row_correlation: Mean magnitude of the correlation of two rows; NaN where none is defined.
        copies: Share of the rows that correlate with another by more than .99 in magnitude; NaN
            where none is defined.
    """

    count: int
    mean: float
    std: float
    norm: float
    singular_values: tuple[float, ...]
    stable_rank: float
    row_correlation: float
    copies: float


def weight_matrices(model: nn.Module) -> dict[str, Tensor]:
    """Copy the parameters of two dimensions or more, in their order, to float32 on the CPU.

    Shapes:
        (out, ...) → (out, product of the others).

    Examples:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8))
        >>> {name: tuple(matrix.shape) for name, matrix in weight_matrices(net).items()}
        {'0.weight': (8, 75)}
    """
    return {
        name: p.detach().to("cpu", torch.float32, copy=True).flatten(1)
        for name, p in model.named_parameters()
        if p.dim() > 1
    }


def measure_layer(matrix: Tensor) -> LayerMeasures:
    """Measure a weight.

    Args:
        matrix: Weight as a matrix, finite.

    Shapes:
        matrix (out, in).

    Raises:
        ValueError: No matrix, or an entry that is not finite.

    Examples:
        >>> twice = torch.cat([torch.eye(4), torch.eye(4)])  # each row has a copy
        >>> found = measure_layer(twice)
        >>> round(found.stable_rank, 3), found.copies
        (4.0, 1.0)
    """
    if matrix.dim() != 2 or not matrix.numel():
        raise ValueError(f"expected a matrix with entries, got shape {list(matrix.shape)}")
    if not matrix.isfinite().all():
        raise ValueError("the weight has entries that are not finite: the network diverged")
    values = matrix.double()
    spectrum = torch.linalg.svdvals(matrix.float()).double()
    norm, largest = values.norm().item(), spectrum[0].item()
    found = _between_rows(matrix)
    return LayerMeasures(
        count=matrix.numel(),
        mean=values.mean().item(),
        std=values.std(correction=0).item(),
        norm=norm,
        singular_values=tuple(spectrum.tolist()),
        stable_rank=(norm / largest) ** 2 if largest else 0.0,
        row_correlation=found["mean"],
        copies=found["copies"],
    )


def row_correlations(matrix: Tensor, *, most: int = _MOST_ROWS) -> Tensor:
    """Compute Pearson's correlation of each two rows; NaN where a row does not vary.

    Args:
        matrix: Weight as a matrix.
        most: Largest number of rows, the first ones.

    Shapes:
        matrix (out, in) → (rows, rows).

    Examples:
        >>> rows = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        >>> round(row_correlations(rows)[0, 1].item(), 3)
        -1.0
    """
    rows = matrix[:most].double()
    centred = rows - rows.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    varies = length > 1e-12 * rows.norm(dim=1, keepdim=True)
    unit = torch.where(varies, centred / length, torch.nan)
    return (unit @ unit.T).clamp(-1, 1)


def _between_rows(matrix: Tensor) -> Mapping[str, float]:
    """Mean correlation of two different rows, and the share of rows that have a copy."""
    found = row_correlations(matrix).abs()
    found = found[:, ~found.diagonal().isnan()][~found.diagonal().isnan()]
    count = len(found)
    if count < 2 or matrix.shape[1] < 3:  # two numbers a row always correlate by one
        return {"mean": float("nan"), "copies": float("nan")}
    found.fill_diagonal_(0)
    mean = found.sum().item() / (count * (count - 1))
    return {"mean": mean, "copies": (found.amax(1) > _COPIES).double().mean().item()}
