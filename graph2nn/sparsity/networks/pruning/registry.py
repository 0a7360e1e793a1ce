"""Pruning methods by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graph2nn.names import choose

__all__ = ["PRUNERS", "Pruner", "Goal", "check_options", "find_pruner", "pruner"]

Rule = Callable[[Tensor, float], Tensor]
Method = Callable[..., dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be reached.

    Args:
        shapes: Shapes of the weights that may be pruned, by name.
        keep: Number of those that are kept.
        sparsity: Fraction of all weights removed.
    """

    shapes: dict[str, tuple[int, ...]]
    keep: int
    sparsity: float


@dataclass(frozen=True, kw_only=True)
class Pruner:
    """A way to choose which weights are kept.

    Args:
        name: Name of the method.
        source: Paper that it comes from.
        needs_data: Whether it looks at labelled images.
        scores: Function `scores(probe, **options)`: a number for each weight, larger for what is
            worth keeping; None where weights have none.
        masks: Function `masks(probe, goal, **options)` for methods that do not just keep the
            largest scores.
        published: Function like `masks`, used instead in `compat` mode.
        rule: Function for `compat` mode, from the scores of all weights (1-D) and the sparsity to
            what the published code keeps.
    """

    name: str
    source: str
    needs_data: bool = False
    scores: Method | None = None
    masks: Method | None = None
    published: Method | None = None
    rule: Rule | None = None


PRUNERS: dict[str, Pruner] = {}
"""All methods by name."""


def pruner(name: str, source: str, **fields: Any) -> Callable[[Method], Method]:
    """Register a method by the function that scores weights."""

    def register(scores: Method) -> Method:
        PRUNERS[name] = Pruner(name=name, source=source, scores=scores, **fields)
        return scores

    return register


def find_pruner(name: str) -> Pruner:
    """Find the method of that name.

    Raises:
        ValueError: There is none.
    """
    return choose("pruning method", name, PRUNERS)


def check_options(name: str, run: Method, options: Mapping[str, Any]) -> None:
    """Check that a method has these options.

    Raises:
        ValueError: An option that the method does not have.
    """
    kinds = inspect.signature(run).parameters.items()
    known = [option for option, p in kinds if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise ValueError(
            f"{name} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
        )
