"""Tasks of the relational-graph experiments: what is trained on what, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graph2nn.names import choose
from graph2nn.relational.campaign.specs import NetworkSpec
from graph2nn.relational.graphs.graph import GRAPH_FILES, load_graphs
from graph2nn.relational.graphs.graph_sets import (
    GRAPH_SETS,
    GraphEntry,
    complete_entry,
    connectome_entries,
    entries_from_rows,
    graph_set,
    own_entry,
)
from graph2nn.relational.graphs.sweep_file import read_sweep
from graph2nn.relational.networks.matching import match_width
from graph2nn.training import Recipe
from graph2nn.vision import ImageData, ImageSettings

__all__ = ["DIVISIONS", "TASKS", "Task", "division_entries", "find_task", "network_specs"]

DIVISIONS = ("best", "all", "baseline")
"""`best`: the published best graph and the dense baseline; `all`: every graph of the task and the
baseline; `baseline`: the dense network alone."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A family of networks on a data set with its training recipe.

    Args:
        name: Name in the published launcher.
        table: Name in the published tables, where that differs.
        model: Name in `MODELS`.
        dataset: Name in `graph2nn.vision.DATASETS`.
        graphs: Name in `GRAPH_SETS`, or connectomes.
        transforms: Published name of a relational and of a dense block.
        best: Set and row of the published best graph; own tasks take that of the nearest one.
        seeds: Seeds of training, by default.
        recipe: Recipe of training; for ImageNet the published one for eight GPUs.
        small_recipe: Published recipe for one GPU.
        base_dims: Widths of the dense network that the others match; None means the family's.
        dim_first: Width of the stem; None means the family's.
        channels: Channels of the images.
    """

    name: str
    model: str
    dataset: str
    graphs: str
    transforms: tuple[str, str]
    recipe: Recipe
    table: str = ""
    best: tuple[str, int] | None = None
    seeds: tuple[int, ...] = (1, 2, 3)
    small_recipe: Recipe | None = None
    base_dims: tuple[int, ...] | None = None
    dim_first: int | None = None
    channels: int = 3

    def data(self, data_dir: str | None = None) -> ImageSettings:
        """Return where the images come from.

        Training takes all training images, tests the test images; ImageNet's validation images
        serve as test images, as is usual.
        """
        test = "val" if self.dataset == "imagenet" else "test"
        train = "train" if self.dataset == "imagenet" else "trainval"
        return ImageSettings(
            dataset=self.dataset,
            data_dir=data_dir,
            train_split=train,
            test_split=test,
            channels=self.channels,
        )

    @property
    def table_name(self) -> str:
        """Name in result tables."""
        return self.table or self.name

    @property
    def num_nodes(self) -> int:
        """Number of nodes of the dense baseline's entry in tables."""
        return 16 if self.graphs.startswith("n16") else 64


_MLP = Recipe(epochs=200, batch_size=128, test_batch_size=100, lr=0.1, weight_decay=5e-4)
_IMAGENET = Recipe(epochs=100, batch_size=256, test_batch_size=200, lr=0.1, weight_decay=1e-4)
_ONE_GPU = replace(
    _IMAGENET,
    batch_size=32,
    test_batch_size=25,
    lr=0.025,
    schedule="step",
    milestones=(30, 60, 90),
)
_BEST_MLP, _BEST_CNN = ("n64_3942", 3552), ("n64_52", 27)
_LINEAR = ("talklinear", "linear")
_DIGITS = Recipe(epochs=30, batch_size=64, test_batch_size=500, lr=0.1, weight_decay=5e-4)

_ALL = (
    Task(
        name="mlp_cifar10",
        model="mlp",
        dataset="cifar10",
        graphs="n64_3942",
        best=_BEST_MLP,
        transforms=_LINEAR,
        recipe=_MLP,
        seeds=(1, 2, 3, 4, 5),
    ),
    Task(
        name="mlp_cifar10_bio",
        model="mlp",
        dataset="cifar10",
        graphs="connectomes",
        transforms=_LINEAR,
        recipe=_MLP,
        seeds=(1, 2, 3, 4, 5),
    ),
    Task(
        name="cnn_imagenet",
        table="cnn6_imagenet",
        model="cnn6",
        dataset="imagenet",
        graphs="n64_52",
        best=_BEST_CNN,
        transforms=("convtalk", "convbasic"),
        recipe=_IMAGENET,
        small_recipe=replace(
            _IMAGENET, batch_size=32, test_batch_size=25, lr=0.025, weight_decay=5e-4
        ),
    ),
    Task(
        name="resnet34_imagenet",
        model="resnet34",
        dataset="imagenet",
        graphs="n64_52",
        best=("n64_52", 37),
        transforms=("groupbasictalk", "channelbasic"),
        recipe=_IMAGENET,
        small_recipe=_ONE_GPU,
    ),
    Task(
        name="resnet34sep_imagenet",
        table="resnet34_sep_imagenet",
        model="resnet34_sep",
        dataset="imagenet",
        graphs="n64_52",
        best=("n64_52", 36),
        transforms=("groupseptalk", "channelsep"),
        recipe=_IMAGENET,
        small_recipe=_ONE_GPU,
    ),
    Task(
        name="resnet50_imagenet",
        model="resnet50",
        dataset="imagenet",
        graphs="n64_52",
        best=("n64_52", 22),
        transforms=("talkbottleneck", "bottleneck"),
        recipe=_IMAGENET,
        small_recipe=_ONE_GPU,
    ),
    Task(
        name="efficient_imagenet",
        model="efficientnet_b0",
        dataset="imagenet",
        graphs="n16_48",
        best=("n16_48", 42),
        transforms=("mbtalkconv", "mbconv"),
        recipe=replace(_IMAGENET, batch_size=512, test_batch_size=400, lr=0.2, weight_decay=5e-5),
        # published with a rate of 0.4, eight times what the batch size asks for
        small_recipe=replace(
            _IMAGENET, batch_size=64, test_batch_size=50, lr=0.025, weight_decay=5e-5
        ),
    ),
    Task(
        name="mlp_digits",
        model="mlp",
        dataset="digits",
        channels=1,
        graphs="n64_52",
        best=_BEST_MLP,
        transforms=_LINEAR,
        recipe=_DIGITS,
        seeds=(1, 2, 3, 4, 5),
        base_dims=(64,),
        dim_first=64,
    ),
    Task(
        name="mlp_fashion_mnist",
        model="mlp",
        dataset="fashion_mnist",
        channels=1,
        graphs="n64_52",
        best=_BEST_MLP,
        transforms=_LINEAR,
        recipe=replace(_MLP, epochs=20),
        seeds=(1, 2, 3),
    ),
    Task(
        name="cnn_cifar10",
        model="cnn6",
        dataset="cifar10",
        graphs="n64_52",
        best=_BEST_CNN,
        transforms=("convtalk", "convbasic"),
        recipe=replace(_MLP, epochs=100),
        seeds=(1, 2, 3),
    ),
)
TASKS: dict[str, Task] = {task.name: task for task in _ALL}
"""Every task by name."""


def find_task(name: str) -> Task:
    """Find the task called `name`, by its launcher's or its tables' name.

    Raises:
        ValueError: Unknown; the message lists all tasks.
    """
    by_name = {key: task for task in reversed(_ALL) for key in (task.table_name, task.name)}
    return by_name[name] if name in by_name else choose("task", name, TASKS)


def division_entries(
    task: Task,
    division: str,
    *,
    graphs: str | None = None,
    subset: str = "coarse",
    only: Sequence[str] = (),
    data_dir: str | Path | None = None,
) -> tuple[GraphEntry, ...]:
    """List the graphs of a division, the dense baseline last.

    Args:
        task: The task.
        division: One of `DIVISIONS`.
        graphs: Graphs that `all` means instead of the task's own set: one of `GRAPH_SETS`,
            `connectomes`, a file made by the command `graphs`; or graphs of one's own: a file of
            them (see `load_graphs`), or texts with spaces between (see `read_graph`).
        subset: Subset of such a file: fine, medium or coarse.
        only: Names of the graphs of `all` to take (`GraphEntry.graph_id`); empty for each of them.
        data_dir: Folder with downloaded connectomes.

    Raises:
        ValueError: Unknown division, set or file, or a best graph of a task that has none.
    """
    choose("division", division, DIVISIONS)
    baseline = complete_entry(task.num_nodes)
    if division == "baseline":
        return (baseline,)
    if division == "all":
        named = (*_named_entries(graphs or task.graphs, subset, data_dir), baseline)
        return _chosen(named, only) if only else named
    if task.best is None:
        known = ", ".join(other.name for other in _ALL if other.best is not None)
        raise ValueError(f"{task.name} has no published best graph; tasks with one: {known}")
    name, row = task.best
    return (graph_set(name)[row], baseline)


def network_specs(
    task: Task, entries: Sequence[GraphEntry], images: ImageData, *, data_dir: str | None = None
) -> list[NetworkSpec]:
    """List the networks of a task on these graphs, at widths matched to the dense baseline.

    Args:
        task: The task.
        entries: Entries of the graphs; `complete` gives the dense baseline itself.
        images: Images, for the number of classes, the size and the channels.
        data_dir: Folder with downloaded connectomes.

    Raises:
        ValueError: A graph that no width of the family matches.
    """
    family: dict[str, Any] = {"dim_first": task.dim_first} if task.dim_first else {}
    specs = []
    for entry in entries:
        width = match_width(
            task.model,
            entry.graph(data_dir=data_dir),
            num_classes=images.num_classes,
            image_size=images.image_size,
            in_channels=images.channels,
            base_dims=task.base_dims,
            **family,
        )
        specs.append(
            NetworkSpec(
                entry=entry,
                model=task.model,
                dims=width.dims,
                transform=task.transforms[entry.kind == "complete"],
                params=width.params,
                flops=width.flops,
                options=tuple(family.items()),
                data_dir=data_dir,
            )
        )
    return specs


def _chosen(entries: Sequence[GraphEntry], names: Sequence[str]) -> tuple[GraphEntry, ...]:
    missing = sorted(set(names) - {entry.graph_id for entry in entries})
    if missing:
        raise ValueError(
            f"no graph {', '.join(missing)} among {entries[0].graph_id}, ..., "
            f"{entries[-1].graph_id}; names are those in the column graph_id of a table"
        )
    return tuple(entry for entry in entries if entry.graph_id in names)


def _named_entries(name: str, subset: str, data_dir: str | Path | None) -> tuple[GraphEntry, ...]:
    if name == "connectomes":
        return connectome_entries(data_dir)
    if name in GRAPH_SETS:
        return graph_set(name)
    if Path(name).suffix in GRAPH_FILES:
        found = load_graphs(name)
        stem, several = Path(name).stem, len(found) > 1
        return tuple(own_entry(g, f"{stem}_{k}" if several else stem) for k, g in enumerate(found))
    if ":" in name and not Path(name).is_file():
        return tuple(own_entry(text) for text in name.split())
    if not Path(name).is_file():
        known = (*GRAPH_SETS, "connectomes")
        more = "or a file made by the command graphs, a file of graphs, or star:n=64"
        choose("graphs", name, known, more=more)
    return entries_from_rows(read_sweep(name).graphs(subset))
