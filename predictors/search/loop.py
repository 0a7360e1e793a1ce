"""`run_search`: propose, evaluate, remember, until the budget is used up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tqdm import tqdm

from graph2nn.runs import RunFolder
from predictors.search.spaces import SearchSpace
from predictors.search.strategies import Evaluated, Proposal, Strategy

__all__ = ["Evaluate", "best_so_far", "run_search"]

Evaluate: TypeAlias = Callable[[list[str]], Sequence[float] | Sequence[Sequence[float]]]


def run_search(
    space: SearchSpace,
    strategy: Strategy,
    evaluate: Evaluate,
    *,
    budget: int,
    batch: int = 1,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: bool = True,
) -> list[Evaluated]:
    """Search a space within a budget of evaluations.

    Args:
        space: Space that is searched.
        strategy: Strategy that says what is evaluated next.
        evaluate: Function from words to values, larger is better, NaN for networks that diverged;
            to several values each where several things count. It sees one batch at a time.
        budget: Number of evaluations.
        batch: Number of networks proposed at a time.
        seed: Seed of proposals. The chance in a batch depends on the seed and its number only.
        folder: Folder of the run; the same call goes on with a run that was stopped, and gives what
            the whole run would have given. None keeps nothing.
        progress: Whether a bar is shown.

    Returns:
        All evaluations, in order.

    Raises:
        ValueError: Budget or batch below 1, or above the number of networks where a space is a
            list; a folder of another search, or values that do not fit.
    """
    if budget < 1 or batch < 1:
        raise ValueError(f"budget, batch: expected at least 1, got {budget} and {batch}")
    listed = len(space.words())
    if 0 < listed < budget:
        raise ValueError(f"{space.name}: expected a budget of at most {listed}, got {budget}")
    run, history = None, list[Evaluated]()
    if folder is not None:
        config = {"space": space.name, "seed": seed, "batch": batch, **strategy.settings()}
        run = RunFolder(folder, config, resume=True)
        history = _stored(run, batch)[:budget]
    with tqdm(total=budget, initial=len(history), unit="network", disable=not progress) as bar:
        while len(history) < budget:
            step = len(history) // batch
            rng = np.random.default_rng([seed, step])
            count = min(batch, listed - len(history)) if listed else batch
            proposed = strategy.propose(space, history, count, rng)[: budget - len(history)]
            found = _evaluated(proposed, evaluate([word for word, _ in proposed]), step)
            for one in found:
                if run is not None:
                    _log(run, one)
            history += found
            bar.update(len(found))
            bar.set_postfix(best=f"{best_so_far(history)[-1]:.4g}", refresh=False)
    return history


def best_so_far(history: Sequence[Evaluated]) -> np.ndarray:
    """Find the best value after each evaluation, (N,); NaN before the first finite one."""
    values = np.array([one.value for one in history], dtype=np.float64)
    best = np.fmax.accumulate(np.where(np.isfinite(values), values, -np.inf))
    return np.where(np.isfinite(best), best, np.nan)


def _log(run: RunFolder, one: Evaluated) -> None:
    values = [value if math.isfinite(value) else None for value in one.values]
    more: dict[str, Any] = {"values": values} if values else {}
    run.log(one.step, word=one.word, value=one.value, predicted=one.predicted, **more)


def _evaluated(
    proposed: Sequence[Proposal], values: Sequence[float] | Sequence[Sequence[float]], step: int
) -> list[Evaluated]:
    if len(values) != len(proposed):
        raise ValueError(
            f"evaluate: expected {len(proposed)} values, one a word, got {len(values)}"
        )
    found: Sequence[Any] = values  # numbers or sequences of them
    several = [tuple(map(float, v)) if np.ndim(v) else () for v in found]
    firsts = [one[0] if one else float(v) for one, v in zip(several, found)]
    return [
        Evaluated(word=word, value=first, predicted=expected, step=step, values=every)
        for (word, expected), first, every in zip(proposed, firsts, several)
    ]


def _stored(run: RunFolder, batch: int) -> list[Evaluated]:
    """The evaluations of a folder, without a last batch that is not whole."""
    rows = run.metrics()
    whole = len(rows) // batch
    run.rewind(whole - 1)
    return [
        Evaluated(
            word=row["word"],
            value=math.nan if row["value"] is None else row["value"],
            predicted=row["predicted"],
            step=row["step"],
            values=tuple(math.nan if v is None else v for v in row.get("values", ())),
        )
        for row in rows[: whole * batch]
    ]
