"""Sparse networks as multipartite graphs: prune, train if asked, encode, measure.

    python experiments/sparse_topology.py --model Resnet-20 --dataset CIFAR-10 --pruning snip \\
        --sparsity 0.98 --encoding unrolled --graph_metrics topometrics
    python experiments/sparse_topology.py --dataset digits --encoding rolled \\
        --graph_metrics ramanujan --training
    python experiments/sparse_topology.py --grid small --dataset digits --jobs 2 --training

One network, or with `--grid` all combinations of models, pruners, sparsities and seeds in one
table; the same command goes on with a run that was stopped. "Sparse networks as multipartite
graphs", arXiv:2305.16886. Images are read only where a pruner or the training needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graph2nn.runs import RunFolder, option, parse_config, run_script, to_dict
from graph2nn.runs.summaries import format_rows
from graph2nn.runs.tables import write_rows
from graph2nn.sparsity import (
    ENCODINGS,
    GRIDS,
    TOPOMETRICS,
    Setting,
    SparseGrid,
    diverged_networks,
    encode,
    find_grid,
    layer_table,
    read_sparse_table,
    run_grid,
    topometrics,
)
from graph2nn.sparsity.campaign.figures import plot_grid, plot_network
from graph2nn.sparsity.campaign.grid import find_model
from graph2nn.sparsity.campaign.masked_training import SHORT_RECIPES, find_recipe
from graph2nn.sparsity.campaign.pipeline import build_setting, prune_setting, train_setting
from graph2nn.sparsity.campaign.tables import accuracy_rows
from graph2nn.vision import ImageSettings, dataset_label, dataset_name

METRICS = ("topometrics", "ramanujan", "ramanunjan")
MOTIFS = ("exact", "sampled")
AXES = ("models", "pruners", "sparsities", "seeds")


@dataclass(frozen=True, kw_only=True)
class TopologyConfig:
    """Settings of one network, or of a grid."""

    model: str = option("Resnet-20", "-m", help="CONV-6, Resnet-20, Resnet-32, Wide-Resnet-28-2")
    dataset: str = option("CIFAR-10", "-d", help="CIFAR-10, CIFAR-100, tinyimagenet, digits, ...")
    pruning: str = option("snip", "-p", help="snip, grasp, synflow, prospr, uniform, er, erk, ...")
    sparsity: float = option(0.98, "-s", help="part of the weights that is removed")
    seed: int = option(0, help="seed of weights, masks and training")
    encoding: str = option("unrolled", help="how the network becomes a graph", choices=ENCODINGS)
    graph_metrics: str = option("topometrics", help="what is measured", choices=METRICS)
    training: bool = option(False, help="train before measuring")
    recipe: str | None = option(None, help="short or published; none: short where there is one")
    epochs: int | None = option(None, "-e", help="epochs of training; none: the recipe's")
    image_size: int | None = option(None, help="pixels a side; none: at most 32", name="imsize")
    train_images: int | None = option(None, help="training images; none: all, or the grid's")
    test_images: int | None = option(None, help="test images; none: all, or the grid's")
    device: str = option("cpu", help="device of pruning and training")
    compat: bool = option(False, help="do as the published code, its deviations included")
    engine: str = option("auto", help="engine that measures: auto, explicit, edge-free")
    motif: str = option("exact", help="how motifs are counted", choices=MOTIFS)
    normalise: bool = option(False, help="divide as in the published tables (grids always do)")
    grid: str | None = option(None, "-g", help=f"one of {', '.join(GRIDS)}; none for one network")
    models: tuple[str, ...] = option((), help="models of the grid; none: its own")
    pruners: tuple[str, ...] = option((), help="pruners of the grid; none: its own")
    sparsities: tuple[float, ...] = option((), help="sparsities of the grid; none: its own")
    seeds: tuple[int, ...] = option((), help="seeds of the grid; none: its own")
    jobs: int = option(1, "-j", help="processes of a grid, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    checkpoints: float | None = option(None, help="seconds between a job's checkpoints, if any")
    data_dir: str | None = option(None, "-D", help="folder of the images")
    out: str | None = option(None, "-o", help="run folder; none for runs/sparse_...")

    def __post_init__(self) -> None:
        dataset_name(self.dataset)
        find_model(self.model)
        if self.graph_metrics != "topometrics" and self.encoding == "unrolled":
            raise ValueError(
                "--graph_metrics ramanujan is defined for the bipartite graph of each layer, not "
                "for --encoding unrolled; use --encoding rolled or rolled-channel"
            )


def settings(config: TopologyConfig) -> SparseGrid:
    """The grid that the command line describes; of a single network one with one value an axis."""
    name = dataset_name(config.dataset)
    if config.grid is not None:
        base = find_grid(config.grid, config.dataset)
        own = {axis: getattr(config, axis) for axis in AXES if getattr(config, axis)}
    else:
        base = SparseGrid(
            models=(find_model(config.model),),
            images=ImageSettings(dataset=name),
            recipe=SHORT_RECIPES.get(name),
        )
        own = {"sparsities": (config.sparsity,), "seeds": (config.seed,)}
        own |= {} if config.pruning == "dense" else {"pruners": (config.pruning,)}
    base = replace(base, **own)
    given = {
        "image_size": config.image_size,
        "train": config.train_images,
        "test": config.test_images,
    }
    images = replace(base.images, **{k: v for k, v in given.items() if v is not None})
    recipe = base.recipe
    if config.recipe is not None:  # the published one differs by model, so None stands for it
        recipe = find_recipe(config.recipe, base.models[0], name)
        recipe = None if config.recipe == "published" else recipe
    if config.epochs is not None:
        if recipe is None and len(base.models) > 1:
            raise ValueError("--epochs: published recipes differ by model; use --recipe short")
        recipe = replace(recipe or base.recipe_of(base.models[0]), epochs=config.epochs)
    how = {name: getattr(config, name) for name in ("training", "compat", "engine", "motif")}
    return replace(base, images=images, recipe=recipe, **how)


def network(config: TopologyConfig) -> None:
    """One network: prunes, trains, measures; writes masks, a table and a figure."""
    grid = settings(config)
    setting = Setting(
        model=grid.models[0],
        dataset=dataset_label(config.dataset),
        pruning=config.pruning,
        sparsity=0.0 if config.pruning == "dense" else config.sparsity,
        seed=config.seed,
    )
    out = Path(config.out or f"runs/sparse_{setting.name}{'_trained' if config.training else ''}")
    how: dict[str, Any] = {"data_dir": config.data_dir, "device": config.device, "progress": True}
    RunFolder(out, to_dict(grid), resume=True)
    model = build_setting(setting, grid)
    masks = prune_setting(model, setting, grid, **how)
    masks.save(out / "masks.pt")
    masks.apply_(model)
    row: dict[str, Any] = {**to_dict(setting), "density": masks.density}
    if config.training:
        row |= train_setting(model, masks, setting, grid, **how, folder=out / "training")
        if row["accuracy"] is None:
            raise ValueError("training diverged: nothing to measure; take another recipe")
        print(f"test accuracy {row['accuracy']:.4f}")
    print(f"{setting.name}: {masks.num_kept} of {masks.num_weights} weights, {masks.density:.4%}")
    layers = layer_table(model, masks, metrics=(), properties=False)
    how = {"engine": config.engine, "motif": config.motif, "normalise": config.normalise}
    if config.encoding == "unrolled":
        graph = encode(model, masks, "unrolled", grid.sized_images.shape, compat=config.compat)
        metrics = topometrics(graph, **how, progress=True)
        print(format_rows([{"metric": name, "value": v} for name, v in metrics.items()]))
        figure = plot_network(layers, out / "unrolled.png", graph=graph, title=setting.name)
        table = write_rows(out / "topometrics_unrolled.csv", [{**row, **metrics}])
    else:
        topology = config.graph_metrics == "topometrics"
        what = tuple(TOPOMETRICS) if topology else ()
        how |= {"compat": config.compat, "properties": not topology, "progress": True}
        rows = layer_table(model, masks, config.encoding, metrics=what, **how)
        print(format_rows(rows))
        figure = plot_network(layers, out / "layers.png", title=setting.name)
        name = f"{'topometrics' if topology else 'ramanujan'}_{config.encoding}.csv"
        table = write_rows(out / name, [{**row, **one} for one in rows])
    print(f"wrote {table} and {figure}")


def whole_grid(config: TopologyConfig) -> None:
    """All networks of a grid, and one table."""
    grid = settings(config)
    out = Path(config.out or f"runs/sparse_{config.grid}_{dataset_name(config.dataset)}")
    how = {name: getattr(config, name) for name in ("data_dir", "jobs", "backend", "device")}
    path = run_grid(grid, out, **how, save_seconds=config.checkpoints)
    if config.training:
        table = read_sparse_table(path)
        print(format_rows(accuracy_rows(table)))
        print(f"wrote {plot_grid(table, out / 'accuracy.png')}")
    print(f"wrote {path}, {path.stem}_layers.csv and {path.stem}.json beside it")
    if lost := diverged_networks(grid, out):
        raise ValueError(f"{len(lost)} networks diverged and are in no table, see the warning")


def parse(argv: Sequence[str] | None = None) -> TopologyConfig:
    """The settings that the command line gives."""
    return parse_config(TopologyConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line describes."""
    config = parse(argv)
    (network if config.grid is None else whole_grid)(config)


if __name__ == "__main__":
    run_script(main)
