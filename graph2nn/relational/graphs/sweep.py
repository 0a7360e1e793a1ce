"""Sweeps of WS-flex graphs: C and L of a grid over degree, rewiring probability and seed."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.relational.graphs.many_graphs import compiled_loops, ws_flex_measures
from graph2nn.runs import Job, parallel_map, run_campaign, write_atomic

__all__ = ["Sweep", "SweepGrid", "run_sweep"]

_PART = 20_000  # graphs a job, about a second


@dataclass(frozen=True, kw_only=True)
class SweepGrid:
    """The graphs of a sweep: each degree with each probability with each seed, in this order.

    Degrees and probabilities lie evenly by their square roots, so that the sparse and the regular
    graphs, which differ most, lie closest.

    Args:
        nodes: Number of nodes of every graph.
        k_min, k_max: Least and largest degree.
        degrees, probabilities, seeds: Number of each; seeds are 0, 1, 2, ...

    Raises:
        ValueError: Degrees outside [2, nodes], or an empty axis.

    Examples:
        >>> SweepGrid.published(64).size
        2700000
    """

    nodes: int
    k_min: float
    k_max: float
    degrees: int = 300
    probabilities: int = 300
    seeds: int = 30

    def __post_init__(self) -> None:
        if self.nodes < 2:
            raise ValueError(f"nodes: expected at least 2, got {self.nodes}")
        if not 2 <= self.k_min <= self.k_max <= self.nodes:
            raise ValueError(
                f"expected 2 <= k_min <= k_max <= nodes = {self.nodes}, got k_min {self.k_min} and "
                f"k_max {self.k_max}"
            )
        for name in ("degrees", "probabilities", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")

    @classmethod
    def published(cls, nodes: int) -> SweepGrid:
        """Return the grid behind the published sets of 64 or 16 nodes.

        Raises:
            ValueError: Another number of nodes.
        """
        if nodes == 64:
            return cls(nodes=64, k_min=8, k_max=62)
        if nodes == 16:
            return cls(nodes=16, k_min=4, k_max=14, degrees=200)
        raise ValueError(f"published sweeps have 64 or 16 nodes, got {nodes}")

    @classmethod
    def for_nodes(cls, nodes: int) -> SweepGrid:
        """Return the published grid, or one like it for other sizes.

        In others k runs from n / 8 (4 at least) to n - 2.

        Raises:
            ValueError: Fewer than 7 nodes, which leave no choice of degree.
        """
        if nodes in (16, 64):
            return cls.published(nodes)
        if nodes < 7:
            raise ValueError(f"a sweep needs at least 7 nodes, got {nodes}")
        return cls(nodes=nodes, k_min=max(4.0, nodes / 8), k_max=nodes - 2)

    @property
    def size(self) -> int:
        """Number of graphs."""
        return self.degrees * self.probabilities * self.seeds

    @property
    def k(self) -> np.ndarray:
        """Degrees, (degrees,) float64."""
        roots = np.linspace(np.sqrt(self.k_min), np.sqrt(self.k_max), self.degrees)
        return np.clip(roots**2, 2, self.nodes)  # a root squared may miss the end by a rounding

    @property
    def p(self) -> np.ndarray:
        """Rewiring probabilities, (probabilities,) float64."""
        return np.linspace(0, 1, self.probabilities) ** 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """C and L of every graph of a grid, in its order.

    Shapes:
        C, L (grid.size,) float64.
    """

    grid: SweepGrid
    C: np.ndarray
    L: np.ndarray

    def rows(self, which: np.ndarray | None = None) -> np.ndarray:
        """Tabulate graphs by their number, all by default: n, sparsity = k / n, p, seed, C, L.

        Shapes:
            which (graphs,) int64; the result (graphs, 6) float64.
        """
        grid = self.grid
        which = np.arange(grid.size) if which is None else np.asarray(which)
        rest, seed = np.divmod(which, grid.seeds)
        degree, probability = np.divmod(rest, grid.probabilities)
        columns = (
            np.full(len(which), float(grid.nodes)),
            grid.k[degree] / grid.nodes,
            grid.p[probability],
            seed.astype(float),
            self.C[which],
            self.L[which],
        )
        return np.stack(columns, axis=1)


def run_sweep(
    grid: SweepGrid,
    *,
    jobs: int = 1,
    backend: str | None = None,
    parts: str | Path | None = None,
    engine: str = "auto",
    progress: bool = True,
) -> Sweep:
    """Measure every graph of a grid.

    Args:
        grid: The graphs.
        jobs, backend: Number of processes and where they run, as in `parallel_map`; numba compiles
            once, and processes read its cache.
        parts: Folder in which each job leaves its part; a sweep that was stopped goes on from
            what it holds. The caller deletes it.
        engine: What runs the loops; see `many_graphs.ENGINES`.
        progress: Whether a progress bar is shown.

    Raises:
        ValueError: An unknown engine, or a grid with a graph that WS-flex refuses.
        RuntimeError: Parts that failed or could not be written, after all others are there.

    Examples:
        >>> grid = SweepGrid(nodes=16, k_min=4, k_max=14, degrees=2, probabilities=2, seeds=1)
        >>> run_sweep(grid, progress=False).rows().shape
        (4, 6)
    """
    if compiled_loops(engine) is not None:  # compile here, once, for all processes
        ws_flex_measures(8, np.array([4.0]), np.array([0.5]), np.array([0]), engine=engine)
    step = max(1, _PART // (grid.probabilities * grid.seeds))
    spans = [(low, min(low + step, grid.degrees)) for low in range(0, grid.degrees, step)]
    if parts is None:
        how: dict[str, Any] = {"jobs": jobs, "backend": backend, "progress": progress}
        work = partial(_measured, grid, engine)
        found = list(parallel_map(work, spans, description="sweep", **how))
    else:
        plan = [_part(grid, engine, Path(parts), span) for span in spans]
        campaign = run_campaign(
            Path(parts), plan, jobs=jobs, backend=backend, unit="graph", progress=progress
        )
        campaign.check("parts")
        found = [np.load(job.results[0], allow_pickle=False) for job in plan]
    table = np.concatenate(found, axis=1)
    return Sweep(grid=grid, C=table[0], L=table[1])


def _measured(grid: SweepGrid, engine: str, span: tuple[int, int]) -> np.ndarray:
    """C and L of the degrees in a span. Shapes: (2, graphs)."""
    each = grid.probabilities * grid.seeds
    k = np.repeat(grid.k[span[0] : span[1]], each)
    p = np.tile(np.repeat(grid.p, grid.seeds), span[1] - span[0])
    seed = np.tile(np.arange(grid.seeds), len(k) // grid.seeds)
    return np.stack(ws_flex_measures(grid.nodes, k, p, seed, engine=engine))


def _part(grid: SweepGrid, engine: str, folder: Path, span: tuple[int, int]) -> Job:
    """The measures of a span, as a part of a campaign that leaves them in a file."""
    graphs = (span[1] - span[0]) * grid.probabilities * grid.seeds
    name = _part_name(grid, span)
    return Job(
        name=name,
        work=partial(_one_file, grid, engine),
        payload=span,
        results=(folder / name,),
        networks=graphs,
        read=partial(_read_part, (2, graphs)),
        write=_write_part,
    )


def _one_file(grid: SweepGrid, engine: str, span: tuple[int, int]) -> list[np.ndarray]:
    return [_measured(grid, engine, span)]


def _part_name(grid: SweepGrid, span: tuple[int, int]) -> str:
    """Parts of different grids never meet, as the name tells them apart."""
    text = json.dumps(asdict(grid), sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]}_{span[0]:05d}-{span[1]:05d}.npy"


def _read_part(shape: tuple[int, int], path: Path) -> np.ndarray:
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is half-written or altered ({error})") from None
    if table.shape != shape:
        raise ValueError(f"{path} has the shape {table.shape}, expected {shape}")
    return table


def _write_part(path: Path, name: str, table: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, table)
    write_atomic(path, lambda file: file.write(buffer.getvalue()))
