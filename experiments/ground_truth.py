"""Tables of trained networks: make one, make a row of it again, look at it.

    python experiments/ground_truth.py generate deepnets_digits --jobs 2
    python experiments/ground_truth.py regenerate data/ground_truth/deepnets_digits.h5 --row 17
    python experiments/ground_truth.py show data/ground_truth/deepnets_digits.h5

`generate` samples networks of DeepNets-1M, trains each with the common trainer and writes their
accuracy by epoch on clean and corrupted images, loss, inference time, parameters and convergence
time to one HDF5 file; the same command goes on with a run that was stopped or killed, and with
larger numbers of networks or more seeds it extends the table. `COMMAND --help` lists the flags;
data/ground_truth/README.md describes the tables that are shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graph2nn.ground_truth import (
    TABLES,
    GroundTruthSettings,
    find_table,
    generate,
    plot_ground_truth,
    read_ground_truth,
    regenerate,
    summarise_ground_truth,
)
from graph2nn.runs import option, parse_command, run_script
from graph2nn.training import AMP

FOLDER = "data/ground_truth"


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Train the networks of a table; goes on with a run that was stopped, and extends a table."""

    table: str = option("deepnets_digits", positional=True, help=f"one of {', '.join(TABLES)}")
    out: str | None = option(None, "-o", help=f"HDF5 file; none for {FOLDER}/TABLE.h5")
    folder: str | None = option(None, help="run folder; none for runs/ground_truth_TABLE")
    extend: str | None = option(None, help="table whose trainings are taken over, file or name")
    train_networks: int | None = option(
        None, help="networks for predictors to learn from; none: as shipped"
    )
    test_networks: int | None = option(
        None, help="networks to test predictors on; none: as shipped"
    )
    seeds: tuple[int, ...] | None = option(None, "-s", help="seeds of training; none: as shipped")
    repeated: int | None = option(None, help="networks trained with all seeds; none: as shipped")
    epochs: int | None = option(None, "-e", help="epochs of training; none: as shipped")
    batch_size: int | None = option(None, "-b", help="images a step of training; none: as shipped")
    lr: float | None = option(None, help="learning rate; none: as shipped")
    amp: str | None = option(None, help="precision; none: as shipped", choices=AMP)
    image_size: int | None = option(
        None, help="side of the images in pixels; none: as shipped", name="imsize"
    )
    train_images: int | None = option(None, help="training images; none: as shipped")
    val_images: int | None = option(None, help="validation images; none: as shipped")
    test_images: int | None = option(None, help="test images; none: as shipped")
    noise: float | None = option(None, help="deviation of corrupted images; none: as shipped")
    small: bool | None = option(None, help="small networks; none: below 32 pixels")
    timing_rounds: int | None = option(None, help="rounds of timing inference; none: as shipped")
    group: int = option(1, help="networks a job, trained on one stream of images; many fill a GPU")
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    device: str = option("cpu", help="device that networks are trained on")
    data_dir: str | None = option(None, "-D", help="folder of the images")
    checkpoints: float | None = option(None, help="seconds between a job's checkpoints, if any")

    def __post_init__(self) -> None:
        find_table(self.table)


@dataclass(frozen=True, kw_only=True)
class RegenerateConfig:
    """Train the network of a row again and compare every number."""

    path: str = option(positional=True, help="the HDF5 file")
    row: int = option(0, help="number of the network")
    repeat: int = option(0, help="number of the seed")
    tolerance: float = option(5.0, help="percentage points of accuracy; between machines only")
    data_dir: str | None = option(None, "-D", help="folder of the images")


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    """Print a summary of a table and draw its figures."""

    path: str = option(positional=True, help="the HDF5 file")
    out: str | None = option(None, "-o", help="folder of the figures; none: runs/show_TABLE")
    formats: tuple[str, ...] = option(("png",), help="formats of the figures: png, pdf, svg")


def settings(config: GenerateConfig) -> GroundTruthSettings:
    """The shipped table's settings with what the command line changes."""
    base = find_table(config.table)

    def changed(names: dict[str, str]) -> dict:
        given = {field: getattr(config, flag) for field, flag in names.items()}
        return {field: value for field, value in given.items() if value is not None}

    images = {"image_size": "image_size", "train": "train_images", "val": "val_images"}
    images |= {"test": "test_images", "noise": "noise"}
    recipe = {name: name for name in ("epochs", "batch_size", "lr", "amp")}
    own = ("train_networks", "test_networks", "seeds", "repeated", "small", "timing_rounds")
    return replace(
        base,
        images=replace(base.images, **changed(images)),
        recipe=replace(base.recipe, **changed(recipe)),
        **changed({name: name for name in own}),
    )


def generation(config: GenerateConfig) -> None:
    """The command `generate`."""
    out = Path(config.out or f"{FOLDER}/{config.table}.h5")
    truth = generate(
        settings(config),
        out,
        folder=config.folder,
        extend=config.extend,
        data_dir=config.data_dir,
        group_size=config.group,
        jobs=config.jobs,
        backend=config.backend,
        device=config.device,
        save_seconds=config.checkpoints,
    )
    print(summarise_ground_truth(truth))
    print(f"wrote {out} ({out.stat().st_size / 1000:.0f} kB)")


def regeneration(config: RegenerateConfig) -> None:
    """The command `regenerate`."""
    found = regenerate(config.path, config.row, repeat=config.repeat, data_dir=config.data_dir)
    what = f"row {config.row} ({found.network}, seed {found.seed})"
    if found.identical:
        print(f"{what}: all {len(found.stored)} numbers are the same, bit for bit")
        return
    for name in ("val_acc", "val_acc_noise", "test_acc", "test_acc_noise"):
        print(f"{name:15} {found.stored[name]:7.2f} stored, {found.again[name]:7.2f} now")
    apart = f"{what}: accuracies differ by up to {found.difference:.2f} percentage points"
    if found.difference > config.tolerance:
        raise ValueError(
            f"{apart}, more than --tolerance {config.tolerance:g}. Versions and processors "
            "round differently; differences beyond those between two seeds mean an error"
        )
    print(f"{apart}, within the tolerance of {config.tolerance:g} for another machine or version")


def show(config: ShowConfig) -> None:
    """The command `show`."""
    truth = read_ground_truth(config.path)
    made = plot_ground_truth(
        truth, config.out or f"runs/show_{truth.settings.name}", formats=config.formats
    )
    print(summarise_ground_truth(truth))
    print("figures: " + ", ".join(map(str, made)))


COMMANDS = {
    "generate": (GenerateConfig, generation),
    "regenerate": (RegenerateConfig, regeneration),
    "show": (ShowConfig, show),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the command line names."""
    classes = {name: cls for name, (cls, _) in COMMANDS.items()}
    config = parse_command(classes, argv, description=__doc__ or "")
    next(run for cls, run in COMMANDS.values() if isinstance(config, cls))(config)


if __name__ == "__main__":
    run_script(main)
