"""`Masks`: which weights of a network are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.runs import load_checkpoint, save_checkpoint
from graph2nn.training.probe import prunable

__all__ = ["Masks"]

_KIND = "sparse_masks"


class Masks(Mapping[str, Tensor]):
    """A boolean tensor for each weight of a network: true where the weight is kept.

    Args:
        masks: Masks by name of the weight (`layer1.0.conv1.weight`), in the order of the layers.
            Booleans or numbers 0 and 1, on any device; kept as booleans on the CPU.

    Raises:
        ValueError: No mapping, or values other than 0 and 1.

    Examples:
        >>> model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> masks = Masks({"0.weight": torch.eye(2, 4), "2.weight": torch.zeros(1, 2)})
        >>> masks
        Masks(layers=2, kept=2 of 10, density=0.2, collapsed=2.weight)
        >>> masks.check(model)
        >>> masks.apply_(model)
        >>> Masks.of(model) == masks
        True
    """

    def __init__(self, masks: Mapping[str, Any]) -> None:
        if not isinstance(masks, Mapping):
            raise ValueError(
                f"masks: expected tensors by name of the weight, got {type(masks).__name__}; a "
                "list in the order of the layers becomes dict(zip(prunable(model), masks))"
            )
        self._masks = {name: _boolean(name, mask) for name, mask in masks.items()}

    @classmethod
    def of(cls, model: nn.Module) -> Masks:
        """Keep what is not exactly zero in a network."""
        return cls({name: weight.detach() != 0 for name, weight in prunable(model).items()})

    @classmethod
    def dense(cls, model: nn.Module) -> Masks:
        """Keep everything in a network."""
        shapes = {name: weight.shape for name, weight in prunable(model).items()}
        return cls({name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()})

    @classmethod
    def load(cls, path: str | Path) -> Masks:
        """Load masks stored by `save`.

        Raises:
            FileNotFoundError: No such file.
            ValueError: No such checkpoint, or an altered one.
        """
        payload = load_checkpoint(path, kind=_KIND)
        masks = payload.get("masks")
        if not isinstance(masks, dict):
            raise ValueError(f"{path} holds no masks; write it with Masks.save")
        return cls(masks)

    def save(self, path: str | Path) -> Path:
        """Write the masks to `path` (`.pt`), whole or not at all, and return the path.

        Raises:
            OSError: Full disk, no permission, ...; says what to do.
        """
        return save_checkpoint(path, {"kind": _KIND, "masks": self._masks})

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Masks):
            return NotImplemented
        return list(self) == list(other) and all(torch.equal(self[n], other[n]) for n in self)

    __hash__ = None  # type: ignore[assignment]  # masks can be written to

    def __repr__(self) -> str:
        kept = f"kept={self.num_kept} of {self.num_weights}, density={self.density:.4g}"
        gone = self.collapsed()
        return f"Masks(layers={len(self)}, {kept}{', collapsed=' if gone else ''}{' '.join(gone)})"

    @property
    def num_weights(self) -> int:
        """Number of weights, kept or not."""
        return sum(mask.numel() for mask in self.values())

    @property
    def num_kept(self) -> int:
        """Number of weights kept."""
        return sum(int(mask.sum()) for mask in self.values())

    @property
    def density(self) -> float:
        """Fraction of the weights that are kept; 1 where there are none."""
        return self.num_kept / self.num_weights if self.num_weights else 1.0

    def layer_densities(self) -> dict[str, float]:
        """Compute the fraction of weights kept, by weight."""
        return {name: int(mask.sum()) / max(mask.numel(), 1) for name, mask in self.items()}

    def collapsed(self) -> tuple[str, ...]:
        """List the names of weights of which nothing is kept.

        No signal passes such a layer.
        """
        return tuple(name for name, mask in self.items() if not mask.any())

    def report(self) -> str:
        """Describe each layer in a line: name, weights kept, all weights, density.

        The last line is the total.
        """
        rows = [(name, int(mask.sum()), mask.numel()) for name, mask in self.items()]
        rows.append(("total", self.num_kept, self.num_weights))
        width = max(len(name) for name, _, _ in rows)
        lines = [f"{'layer':{width}} {'kept':>10} {'weights':>10} {'density':>9}"]
        for name, kept, count in rows:
            density = kept / count if count else 1.0
            note = "" if kept or not count else "  collapsed"
            lines.append(f"{name:{width}} {kept:10d} {count:10d} {density:9.5f}{note}")
        return "\n".join(lines)

    def check(self, model: nn.Module) -> None:
        """Check that these are masks of the network's weights.

        Raises:
            ValueError: Missing or unknown names, or other shapes.
        """
        weights = prunable(model)
        missing = [name for name in weights if name not in self]
        unknown = [name for name in self if name not in weights]
        if missing or unknown:
            what = [f"no mask for {_some(missing)}"] if missing else []
            what += [f"masks for {_some(unknown)}, which the network lacks"] if unknown else []
            raise ValueError(
                f"the masks do not fit the network: {'; '.join(what)}; expected one a weight of "
                f"{_some(list(weights))}"
            )
        for name, weight in weights.items():
            if self[name].shape != weight.shape:
                raise ValueError(
                    f"the mask of {name} has shape {tuple(self[name].shape)}, expected that of the "
                    f"weight, {tuple(weight.shape)}; were the masks made for another network?"
                )

    def apply_(self, model: nn.Module) -> None:
        """Set the weights that are not kept to zero, in place.

        Raises:
            ValueError: The masks do not fit; the network is then unchanged.
        """
        self.check(model)
        with torch.no_grad():
            for name, weight in prunable(model).items():
                weight.masked_fill_(~self[name].to(weight.device), 0)


def _boolean(name: str, mask: Any) -> Tensor:
    """A copy as booleans on the CPU."""
    if not isinstance(name, str):
        raise ValueError(f"masks are named by weight, got the name {name!r}; expected a str")
    try:
        mask = torch.as_tensor(mask).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"the mask of {name} is no tensor ({error})") from None
    if mask.dtype == torch.bool:
        return mask.clone()
    if mask.is_floating_point() and mask.isnan().any():
        raise ValueError(f"the mask of {name} has NaN, expected 0 or 1 (or False or True)")
    wrong = mask[(mask != 0) & (mask != 1)]
    if len(wrong):
        raise ValueError(
            f"the mask of {name} has values such as {wrong[0].item()}, expected 0 or 1 (or False "
            "or True); for scores use masks_from_scores"
        )
    return mask != 0


def _some(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "nothing") + more
