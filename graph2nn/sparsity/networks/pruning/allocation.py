"""How many weights each layer keeps: Erdős-Rényi densities, rounded to an exact total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

__all__ = ["erdos_renyi", "erdos_renyi_densities", "largest_remainder", "published_er_densities"]


def erdos_renyi(shape: Sequence[int], kernel: bool) -> float:
    """Compute the relative density of a layer.

    It is the sum of the sizes of its weight over their product.

    Args:
        shape: Shape of the weight (outputs, inputs a group, kernel sizes...).
        kernel: Whether the sizes of the kernel count (ERK), or only inputs and outputs (ER).
    """
    sizes = shape if kernel else shape[:2]
    return sum(sizes) / prod(sizes)


def erdos_renyi_densities(
    shapes: Mapping[str, Sequence[int]], keep: float, *, kernel: bool = True
) -> dict[str, float]:
    """Compute densities of layers in proportion to `erdos_renyi`, to keep `keep` weights.

    Erdős-Rényi: sparse evolutionary training, arXiv:1707.04780, section 2; with kernels: RigL,
    arXiv:1911.11134, section 3. Layers that would be more than full are dense and the others get
    what is left over.

    Args:
        shapes: Shapes of the weights.
        keep: Expected number of weights kept.
        kernel: Whether densities are ERK rather than ER.

    Examples:
        >>> erdos_renyi_densities({"a": (2, 1), "b": (10, 10)}, 26)
        {'a': 1.0, 'b': 0.24}
    """
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    ratios = {name: erdos_renyi(shape, kernel) for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        rest = [name for name in shapes if name not in dense]
        free = keep - sum(sizes[name] for name in dense)
        share = free / sum(ratios[name] * sizes[name] for name in rest) if rest else 0.0
        full = {name for name in rest if share * ratios[name] > 1}
        if not full:
            return {n: 1.0 if n in dense else share * ratios[n] for n in shapes}
        dense |= full  # the others then get more, so a layer never leaves this set


def published_er_densities(shapes: Mapping[str, Sequence[int]], keep: float) -> dict[str, float]:
    """Compute the densities that the code of arXiv:2305.16886 draws its ER masks by.

    Kernel sizes count, and nothing makes up for what layers of density above 1 cannot take. The
    scale is searched for in steps that get smaller, until 5 weights from `keep`, and then moved by
    one step more; so the density is off also where no layer is full.

    Raises:
        ValueError: The search does not end.
    """
    sums = [sum(shape) for shape in shapes.values()]
    scale, step, found = 10.0, 0.5, 0.0
    while not abs(found - keep) < 5:
        found = sum(scale * total for total in sums)
        scale *= 1 - step if found > keep else 1 + step
        step *= 0.95
        if step < 1e-12:
            raise ValueError(
                f"the published search for ER densities does not end for {keep:.0f} weights of "
                "this network; leave compat out"
            )
    return {name: scale * sum(shape) / prod(shape) for name, shape in shapes.items()}


def largest_remainder(shares: Sequence[float], sizes: Sequence[int], total: int) -> list[int]:
    """Find whole numbers near `shares`, none above its size, with the sum `total`.

    They are rounded down; what is missing goes to the largest fractions, the first of equal ones.

    Args:
        shares: Shares with the sum `total`, up to rounding errors.
        sizes: Sizes of the layers; `total` is at most their sum.

    Examples:
        >>> largest_remainder([1.6, 1.2, 1.2], [2, 2, 2], 4)
        [2, 1, 1]
    """
    counts = [min(int(share), size) for share, size in zip(shares, sizes)]
    by_fraction = sorted(range(len(counts)), key=lambda i: counts[i] - shares[i])
    while missing := total - sum(counts):
        assert 0 < missing <= sum(sizes), (shares, sizes, total)
        for i in by_fraction:
            if counts[i] < sizes[i] and missing:
                counts[i] += 1
                missing -= 1
    return counts
