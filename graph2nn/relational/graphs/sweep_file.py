"""A sweep in an HDF5 file, with its thinned sets and a figure: the command `graphs`."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.published import GRAPH_COLUMNS
from graph2nn.relational.graphs.sweep import Sweep, SweepGrid, run_sweep
from graph2nn.relational.graphs.thinning import Thinned, ThinningRule, thin
from graph2nn.runs.checkpoint import replacing
from graph2nn.runs.figures import canvas, figure_path, save_figure
from graph2nn.runs.seals import SEAL, check_own, check_seal, seal_file

__all__ = ["SweepFile", "draw_sweep", "read_sweep", "sweep_to_file", "write_sweep"]

_SETS = ("fine", "medium", "coarse")


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepFile:
    """A sweep, its thinned sets and where they are.

    Args:
        path: The HDF5 file.
        sweep: All graphs.
        rule: Rule by which it was thinned.
        thinned: Rows of the sweep.
    """

    path: Path
    sweep: Sweep
    rule: ThinningRule
    thinned: Thinned

    def graphs(self, name: str = "coarse") -> np.ndarray:
        """Return a thinned set: n, sparsity, p, seed, C, L, a row a graph, as published.

        Args:
            name: Name of the set: fine, medium or coarse.

        Shapes:
            (graphs, 6) float64.

        Raises:
            ValueError: Another name.
        """
        choose("set", name, _SETS)
        return self.sweep.rows(getattr(self.thinned, name))


def sweep_to_file(
    out: str | Path,
    nodes: int = 64,
    *,
    grid: SweepGrid | None = None,
    rule: ThinningRule | None = None,
    jobs: int = 1,
    backend: str | None = None,
    engine: str = "auto",
    figure: bool = True,
    progress: bool = True,
) -> SweepFile:
    """Sweep, thin, write `out`, and draw the sweep into a PNG beside it.

    A run that was stopped left its parts in `<out>.parts`; the same call goes on from there. A
    finished file of the same grid is read, thinned and drawn again, not measured again.

    Args:
        out: The HDF5 file; its folder must exist.
        nodes: Number of nodes of every graph; 64 and 16 give the published grids.
        grid, rule: Grid and rule other than the usual ones for that many nodes.
        jobs, backend, engine, progress: Arguments of `run_sweep`.
        figure: Whether the figure is drawn.

    Raises:
        ValueError: `out` is a folder, or holds something else; nodes that do not fit the grid.
        FileNotFoundError: The folder of `out` is missing.
        RuntimeError: Parts that failed or could not be written, after all others are there.
    """
    path = Path(out)
    grid = SweepGrid.for_nodes(nodes) if grid is None else grid
    if grid.nodes != nodes:
        raise ValueError(f"the grid has {grid.nodes} nodes and {nodes} were asked for")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist; create it first")
    parts = path.with_name(path.name + ".parts")
    if path.exists():
        sweep = read_sweep(path).sweep
        if sweep.grid != grid:
            raise ValueError(f"{path} holds another sweep, {sweep.grid}; choose another file")
    else:
        sweep = run_sweep(
            grid, jobs=jobs, backend=backend, parts=parts, engine=engine, progress=progress
        )
    rule = ThinningRule.for_sweep(nodes, float(sweep.L.max())) if rule is None else rule
    sparsity = np.repeat(grid.k / nodes, grid.probabilities * grid.seeds)
    thinned = thin(sparsity, sweep.C, sweep.L, rule)
    found = SweepFile(path=path, sweep=sweep, rule=rule, thinned=thinned)
    write_sweep(found, overwrite=True)
    shutil.rmtree(parts, ignore_errors=True)
    if figure:
        draw_sweep(found, path.with_suffix(".png"))
    return found


def write_sweep(found: SweepFile, *, overwrite: bool = False) -> Path:
    """Write a sweep to `found.path`.

    The file has `graphs` (graphs, 6) with its columns as attribute, the thinned sets as
    `thinned/<name>` (rows of `graphs`), the grid and the rule as JSON attributes.

    Raises:
        FileExistsError: The file exists and `overwrite` is false.
        OSError: It cannot be written; nothing is left behind.
    """
    with replacing(found.path, overwrite=overwrite) as temporary:
        with h5py.File(temporary, "w", userblock_size=SEAL) as file:
            file.attrs["grid"] = json.dumps(asdict(found.sweep.grid))
            file.attrs["rule"] = json.dumps(asdict(found.rule))
            rows = found.sweep.rows()
            graphs = file.create_dataset(
                "graphs", data=rows, chunks=(min(len(rows), 1 << 15), 1), compression=1,
                shuffle=True,
            )  # fmt: skip
            graphs.attrs["columns"] = list(GRAPH_COLUMNS)
            for name in _SETS:
                file[f"thinned/{name}"] = getattr(found.thinned, name)
        seal_file(temporary, "netwright-sweep", 1)
    return found.path


def read_sweep(path: str | Path) -> SweepFile:
    """Read a file that `sweep_to_file` wrote.

    Raises:
        ValueError: It is missing, cut short, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; make it with graph2nn.relational.sweep_to_file")
    check_seal(path, "sweep", "delete it")
    try:
        with h5py.File(path, "r") as file:
            check_own(file, ("graphs", "thinned", *(f"thinned/{name}" for name in _SETS)))
            grid = SweepGrid(**_json(file, "grid"))
            rule = ThinningRule(**_json(file, "rule"))
            c, length = file["graphs"][:, 4], file["graphs"][:, 5]
            thinned = Thinned(**{name: file[f"thinned/{name}"][:] for name in _SETS})
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no sweep, or damaged ({error}); delete it") from None
    if len(c) != grid.size:
        raise ValueError(f"{path} has {len(c)} graphs, its grid {grid.size}; delete it")
    return SweepFile(path=path, sweep=Sweep(grid=grid, C=c, L=length), rule=rule, thinned=thinned)


def _json(file: h5py.File, name: str) -> dict[str, Any]:
    return json.loads(file.attrs[name])


def draw_sweep(found: SweepFile, path: str | Path) -> Path:
    """Draw all graphs as grey points in the plane of (C, L), and the thinned sets over them."""
    path, sweep = figure_path(path), found.sweep
    figure, (axes,) = canvas(7, 5.5)
    step = max(1, len(sweep.C) // 200_000)  # more points would only hide each other
    axes.plot(sweep.C[::step], sweep.L[::step], ",", color="0.8")
    axes.plot([], [], ".", color="0.8", label=f"all: {len(sweep.C)}")  # a pixel is no legend
    style = {
        "fine": (".", 2, "tab:blue"),
        "medium": ("o", 3, "tab:orange"),
        "coarse": ("s", 6, "k"),
    }
    for name, (marker, size, colour) in style.items():
        rows = found.graphs(name)
        fill = "none" if name == "coarse" else colour
        axes.plot(
            rows[:, 4], rows[:, 5], marker, markersize=size, color=colour, markerfacecolor=fill,
            label=f"{name}: {len(rows)}",
        )  # fmt: skip
    axes.set_xlabel("average clustering coefficient C")
    axes.set_ylabel("average path length L")
    axes.set_title(f"WS-flex graphs with {sweep.grid.nodes} nodes")
    axes.legend()
    return save_figure(figure, path)
