"""Train or fine-tune one network, from initial, predicted or published weights.

python experiments/sgd/train_net.py -d digits --split test --arch 0 --ckpt ghn2-digits     a minute
python experiments/sgd/train_net.py --split test --arch 0 --epochs 50
python experiments/sgd/train_net.py --arch DARTS --epochs 600 --cutout --drop_path_prob 0.2 \\
    --auxiliary
python experiments/sgd/train_net.py --arch resnet18 --pretrained --n_shots 100 --epochs 50
python experiments/sgd/train_net.py --arch ws:n=64,k=8,p=0.1 -d fashion_mnist --epochs 5
torchrun --nproc_per_node=2 experiments/sgd/train_net.py ...

The same command goes on with a run that was stopped; `--epochs 0` only tests, and keeps nothing.
Where a default is none and the help says no more, the data set decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ghn.finetuning import NamedNetwork, train
from ghn.finetuning.config import TrainNetConfig
from ghn.finetuning.figures import plot_learning
from graph2nn.runs import Workers, parse_config, relaunch, run_script, save_checkpoint, to_dict
from graph2nn.runs.folder import run_path
from graph2nn.training import Record, count_parameters


def main(argv: Sequence[str] | None = None) -> list[Record]:
    """Load images and network, train, report."""
    config = parse_config(TrainNetConfig, argv, description=__doc__).resolved()
    processes = torch.cuda.device_count() if config.multigpu else 1
    if processes > 1 and "WORLD_SIZE" not in os.environ:
        sys.exit(relaunch(processes))
    workers = Workers.start(config.device)
    try:
        return run(config, workers)
    finally:
        workers.stop()


def run(config: TrainNetConfig, workers: Workers) -> list[Record]:
    """The training of this process."""
    images, test, final = config.images()
    network = config.network(images)
    recipe, folder = config.recipe(len(images), workers.world), run_folder(config)
    if workers.first:
        print(
            f"{network.name}: {count_parameters(network.model):,} parameters; {config.dataset}: "
            f"{len(images)} training images of {images.image_size} pixels, {len(test)} of "
            f"{test.split}" + (f"; {folder}" if folder else ""),
            flush=True,
        )
    records = train(
        network.model,
        (images, test),
        recipe,
        config.start(),
        seed=config.seed,
        name=network.name,
        folder=folder,
        resume=config.resume,
        graph=network.graph,
        drop_path=config.drop_path_prob,
        batch_statistics=config.bn == "batch",
        workers=workers,
        augment=config.augment(),
        final_tests=final,
        decoders=config.num_workers,
        progress=config.debug > 0,
    )
    if workers.first:
        report(config, records, test.split)
        if folder is not None:
            keep(config, network, records, folder)
    return records


def keep(
    config: TrainNetConfig, network: NamedNetwork, records: list[Record], folder: Path
) -> None:
    """Write the weights and the curves."""
    weights = {"state_dict": network.model.state_dict(), "epoch": records[-1]["epoch"]}
    payload = {"kind": "network", **weights, "config": to_dict(config)}
    save_checkpoint(folder / "network.pt", payload)
    plot_learning({network.name: records}, folder / "training.png", title=str(config.name))
    print(f"weights: {folder / 'network.pt'}, curves: {folder / 'training.png'}")


def run_folder(config: TrainNetConfig) -> Path | None:
    """Folder of the run; a mere test, or `--save_dir none`, has none."""
    return run_path(config.save_dir, str(config.name)) if config.epochs else None


def report(config: TrainNetConfig, records: list[Record], split: str) -> None:
    """Print where training began and ended; raise an error if it diverged."""
    first, last = records[0], records[-1]
    if first["start"]:
        print(f"start: {first['start']}")
    if last["top1_error"] is None:
        raise ValueError(
            f"the loss is not finite after epoch {last['epoch']}: lower --lr ({config.lr:g})"
        )
    for place in dict.fromkeys((0, len(records) - 1)):
        row = records[place]
        print(f"epoch {row['epoch']:3d}: {split} accuracy {accuracies(row, 'top1', 'top5')}")
    if "final_error" in last:
        print(f"test accuracy {100 - last['final_error']:.2f} %")


def accuracies(record: Record, *names: str) -> str:
    """Accuracies of a record as text."""
    return ", ".join(f"{name} {100 - record[f'{name}_error']:.2f} %" for name in names)


if __name__ == "__main__":
    run_script(main)
