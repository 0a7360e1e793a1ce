"""Train a graph hypernetwork.

python experiments/train_ghn.py                      a GHN-2 on digits, minutes on two cores
python experiments/train_ghn.py -d cifar10 -m 8 -n -v 50 --ln --name ghn2
python experiments/train_ghn.py -m 8 -n -v 50 --ln -H mlp --name mlp
python experiments/train_ghn.py --accuracy deepnets_digits --name joint    accuracy, too
torchrun --nproc_per_node=2 experiments/train_ghn.py ...
python experiments/train_ghn.py --families deepnets:0.6,relational:0.4 --name mixed

The same command goes on with a run that was stopped. Where a default is none and the help says no
more, the data set decides: the recipe of the shipped checkpoint on digits, GHN-1's elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from ghn.evaluation import evaluate_nets, evaluation_batches, summarise
from ghn.figures import plot_distributions, plot_size_accuracy, plot_training
from ghn.model import GHN
from ghn.pretrained import ghn_payload
from ghn.training import LabelledNetworks, TrainConfig, Trainer
from ghn.training.networks import mixed_evaluation_nets
from ghn.training.trainer import MAY_DIFFER
from graph2nn.runs import (
    RunFolder,
    Workers,
    parse_config,
    relaunch,
    run_script,
    save_checkpoint,
    seeded,
    to_dict,
    write_text,
)
from graph2nn.runs.folder import run_path
from graph2nn.runs.jobs import threads
from graph2nn.training import count_parameters
from graph2nn.vision import load_images


def main() -> None:
    config = parse_config(TrainConfig, description=__doc__).resolved()
    processes = config.processes or 1
    if processes > 1 and "WORLD_SIZE" not in os.environ:
        sys.exit(relaunch(processes))
    workers = Workers.start(config.device)
    learn = held = None
    if config.accuracy is not None:
        from predictors.benchmark.hypernetworks import labelled_networks  # takes seconds

        how = {"train": config.accuracy_labels, "seed": config.seed}
        learn, held = labelled_networks(config.accuracy, config.accuracy_label, **how)
    folder = run_path(config.save_dir, str(config.name))
    run = start_run(config, folder) if workers.first and folder is not None else None
    workers.barrier()
    last = None if folder is None else folder / "last.pt"
    resume_from = last if last is not None and last.is_file() else None
    trainer = Trainer(config, workers=workers, run=run, resume_from=resume_from, labelled=learn)
    if run is not None:
        done = f", going on from step {trainer.step}" if trainer.step else ""
        if trainer.step >= trainer.total:
            done = ": finished before, evaluating again (another --name starts afresh)"
        print(f"training {describe(trainer)}{done}", flush=True)
    try:
        ghn = trainer.fit()
        if run is not None:
            with threads(config.threads):
                finish(config, run, ghn, trainer, held)
    finally:
        workers.stop()


def start_run(config: TrainConfig, folder: Path) -> RunFolder:
    return RunFolder(
        folder,
        to_dict(config),
        resume=config.resume,
        may_differ=MAY_DIFFER,
        defaults=to_dict(TrainConfig()),
        tensorboard=config.tensorboard,
    )


def describe(trainer: Trainer) -> str:
    c, ghn = trainer.config, trainer.ghn
    size = count_parameters(ghn)
    return (
        f"{c.ghn.hypernet} hypernetwork ({size:,} parameters) on {c.dataset} at "
        f"{c.image_size} pixels: {trainer.total} steps of {c.meta_batch_size} networks x "
        f"{c.batch_size} images on {trainer.workers.world} x {trainer.workers.device}"
    )


def finish(
    config: TrainConfig, run: RunFolder, ghn: GHN, trainer: Trainer, held: LabelledNetworks | None
) -> None:
    """Export the hypernetwork, evaluate it and draw the figures."""
    card = {
        "dataset": config.dataset,
        "steps": trainer.step,
        "minutes": round(trainer.minutes, 1),
        "processes": trainer.workers.world,
        "command": " ".join(["python", *sys.argv]),
    }
    if held is not None:
        card["accuracy"] = test_accuracies(config, ghn, held)
    made = [plot_training(run.metrics(), run.path / "training.png", title=str(config.name))]
    if config.test_nets:
        made += evaluate(config, run, ghn, card)
    checkpoint = save_checkpoint(run.path / "ghn.pt", ghn_payload(ghn, card=card))
    run.close()
    print(f"trained {trainer.step} steps in {trainer.minutes:.1f} minutes")
    print(f"checkpoint: {checkpoint}")
    print("figures: " + ", ".join(str(path) for path in made))


def test_accuracies(config: TrainConfig, ghn: GHN, held: LabelledNetworks) -> dict:
    """How well the second output orders networks of the table that it has not learned from."""
    from predictors.benchmark.hypernetworks import score_accuracies

    found = {"table": config.accuracy, **score_accuracies(ghn, held)}
    print(
        f"{found['networks']} networks of {config.accuracy} that it has not learned from: "
        f"tau {found['tau']:.3f}, mean error {found['mean_error']:.2f}"
    )
    return found


def evaluate(config: TrainConfig, run: RunFolder, ghn: GHN, card: dict) -> list[Path]:
    data = load_images(
        config.dataset, data_dir=config.data_dir, split="test", image_size=config.image_size
    )
    device = next(ghn.parameters()).device
    batches = evaluation_batches(data.to(device), config.test_batch_size, device=device)
    kind = {
        "image_size": data.image_size,
        "num_classes": data.num_classes,
        "in_channels": data.channels,
    }
    kind |= {"small": config.small}
    nets = mixed_evaluation_nets(config.families, "test", config.test_nets or 0, **kind)
    with seeded(config.seed):
        untrained = GHN(ghn.config).to(device)
    shown = config.debug > 0
    trained = evaluate_nets(ghn, nets, batches, title="test networks", progress=shown)
    before = evaluate_nets(untrained, nets, batches, title="before training", progress=shown)
    summary = summarise([r.top1 for r in trained])
    card["test"] = summary.to_json()
    content = {"summary": summary.to_json(), "networks": [asdict(r) for r in trained]}
    write_text(run.path / "test.json", json.dumps(content, indent=1))
    print(f"test accuracy over {len(nets)} unseen networks: {summary} %")
    rows = {"trained": trained, "before training": before}
    tops = {name: {"test": [r.top1 for r in results]} for name, results in rows.items()}
    title = f"{config.name}: test networks"
    return [
        plot_distributions(tops, run.path / "accuracy.png", title=title),
        plot_size_accuracy(trained, run.path / "size.png", title=title),
    ]


if __name__ == "__main__":
    run_script(main)
