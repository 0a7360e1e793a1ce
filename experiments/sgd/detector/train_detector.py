"""Train a Faster R-CNN whose backbone begins with initial, predicted or published weights.

python experiments/sgd/detector/train_detector.py                        two minutes, no download
python experiments/sgd/detector/train_detector.py --ckpt ghn2-cifar10
python experiments/sgd/detector/train_detector.py -d PennFudanPed --arch DARTS \\
    --ckpt CKPT --init_channels 48 --layers 14
python experiments/sgd/detector/train_detector.py -d PennFudanPed --arch resnet50 --pretrained
python experiments/sgd/detector/train_detector.py --epochs 0 --ckpt runs/NAME/detector.pt

The same command goes on with a run that was stopped; `--epochs 0` only tests, and keeps nothing.
Where a default is none and the help says no more, the data set decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ghn.detection import TrainedDetector, detect, plot_boxes, plot_detection, train_detector
from ghn.detection.config import DetectConfig
from ghn.detection.training import KIND
from graph2nn.runs import parse_config, run_script, save_checkpoint, to_dict
from graph2nn.runs.folder import run_path
from graph2nn.training import Record, count_parameters


def main(argv: Sequence[str] | None = None) -> list[Record]:
    """Load images and network, train, report."""
    config = parse_config(DetectConfig, argv, description=__doc__).resolved()
    train, test = config.images()
    network = config.network()
    recipe, folder = config.recipe(network), run_folder(config)
    print(
        f"{network.name}, {config.dataset}: {len(train)} training images, {len(test)} of the test, "
        f"{recipe.image_size} pixels on the shorter side" + (f"; {folder}" if folder else ""),
        flush=True,
    )
    trained = train_detector(
        network,
        (train, test),
        recipe,
        config.start(),
        seed=config.seed,
        folder=folder,
        resume=config.resume,
        device=config.device or "cpu",
        progress=config.debug > 0,
    )
    report(trained)
    if folder is not None:
        weights = {"state_dict": trained.model.state_dict(), "config": to_dict(config)}
        save_checkpoint(folder / "detector.pt", {"kind": KIND, **weights})
        name = str(config.name)
        plot_detection({network.name: trained.records}, folder / "training.png", title=name)
        shown = test.subset(range(min(6, len(test))))
        found = detect(trained.model, shown, device=config.device or "cpu")
        plot_boxes(shown, found, folder / "boxes.png", title=name)
        print(f"weights: {folder / 'detector.pt'}; figures: training.png, boxes.png")
    return trained.records


def run_folder(config: DetectConfig) -> Path | None:
    """Folder of the run; a mere test, or `--save_dir none`, has none."""
    return run_path(config.save_dir, str(config.name)) if config.epochs else None


def report(trained: TrainedDetector) -> None:
    """Print what training began with, and where it ended."""
    size = count_parameters(trained.model)
    print(f"{size:,} parameters; start of the backbone: {trained.records[0]['start']}")
    for row in trained.records:
        loss = f"loss {row['train_loss']:.3f}, " if "train_loss" in row else ""
        values = ", ".join(f"{name} {row[name] or 0:.3f}" for name in ("ap50", "ap", "ar100"))
        print(f"epoch {row['epoch']:3d}: {loss}test {values} ({row['seconds']:.0f} s)")


if __name__ == "__main__":
    run_script(main)
