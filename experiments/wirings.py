"""Discovered wirings: learn the graph with the weights.

    python experiments/wirings.py small/static_dnw --data-dir data
    python experiments/wirings.py small/static_dnw -d digits --epochs 5
    python experiments/wirings.py medium/mobilenetv1_ft_x225 --trained runs/COMPLETE
    python experiments/wirings.py small/static_dnw --kind given --edges runs/FOUND
    python experiments/wirings.py --resume RUN
    python experiments/wirings.py --resume RUN --evaluate --compact --execution csr
    python experiments/wirings.py --collect RUN RUN --out table.csv
    python experiments/wirings.py --list

Trains a configuration of "Discovering Neural Wirings" (arXiv:1906.00586), any setting of which a
flag changes; the defaults below are those of small/static_dnw. The same command goes on with a run
that was stopped. docs/understand/wirings.md says how to read what comes out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from graph2nn.runs import add_arguments, from_args, option, run_script
from graph2nn.runs.config import settings_of
from graph2nn.runs.summaries import format_rows
from graph2nn.runs.tables import write_rows
from graph2nn.training import count_parameters
from graph2nn.vision import ImageData, load_images
from graph2nn.wirings.campaign.checkpoints import find_run, load_wiring, read_run
from graph2nn.wirings.campaign.config import WiringConfig
from graph2nn.wirings.campaign.evaluation import evaluate_wiring
from graph2nn.wirings.campaign.published import CONFIGS, find_config
from graph2nn.wirings.campaign.results import collect_runs, compare_runs, plot_comparison
from graph2nn.wirings.campaign.training import train_wiring
from graph2nn.wirings.compaction.compact import compact
from graph2nn.wirings.compaction.execution import EXECUTIONS
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.networks.counts import count_wiring


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What to do, and where."""

    config: str | None = option(None, positional=True, help="name of a configuration")
    list: bool = option(False, help="print the configurations and end")
    collect: tuple[str, ...] = option((), help="runs to compare at equal epochs, in a table")
    resume: str | None = option(None, help="go on with the run in this folder")
    evaluate: bool = option(False, help="test only, with --resume")
    compact: bool = option(False, help="leave out nodes that do nothing, with --evaluate")
    execution: str | None = option(
        None, help="how products are executed, with --evaluate", choices=("auto", *EXECUTIONS)
    )
    data_dir: str | None = option(None, "-D", help="folder of the data")
    shots: int | None = option(None, help="only that many images a class, for a trial")
    image_size: int | None = option(None, help="resize images to it; none for as they are")
    device: str | None = option(None, help="none takes a GPU if there is one")
    out: str | None = option(None, "-o", help="folder, or table; none for runs/NAME_DATASET_sSEED")
    pictures: bool = option(True, help="draw curves and adjacency")

    def __post_init__(self) -> None:
        if self.list or self.collect:
            return
        if (self.config is None) == (self.resume is None):
            names = "\n  ".join(CONFIGS)
            raise ValueError(f"give a configuration or --resume RUN; there are:\n  {names}")
        if self.evaluate and self.resume is None:
            raise ValueError("--evaluate tests a trained network: give its folder, --resume RUN")
        if (self.compact or self.execution) and not self.evaluate:
            raise ValueError("--compact and --execution are for testing: add --evaluate")
        if self.resume and self.out:
            raise ValueError("--out: a resumed run stays in its folder")


def parse(argv: Sequence[str] | None = None) -> tuple[RunConfig, WiringConfig]:
    """Settings of the run, and the configuration with what flags change in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, RunConfig)
    add_arguments(parser, WiringConfig)
    try:
        run = from_args(RunConfig, parser.parse_args(argv))
        base = WiringConfig()
        if run.resume is not None:
            base = read_run(run.resume)[0]
        elif run.config is not None:
            base = find_config(run.config)
        # Flags that are absent now mean what the configuration says.
        parser.set_defaults(**settings_of(base))
        return run, from_args(WiringConfig, parser.parse_args(argv))
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))


def load(run: RunConfig, config: WiringConfig, split: str, size: int | None) -> ImageData:
    """Images of the configuration's data set."""
    name = config.dataset
    return load_images(name, data_dir=run.data_dir, split=split, image_size=size, n_shots=run.shots)


def describe(model: nn.Module) -> str:
    """Parameters, edges and multiply-adds of a network."""
    if not list(wired_layers(model)):
        return f"{count_parameters(model):,} parameters, none of them wired"
    counts = count_wiring(model)
    return (
        f"{counts.edges:,} edges of {counts.legal_slots:,} slots, {counts.effective:,} effective "
        f"parameters of {counts.stored:,}; multiply-adds of an image: {counts.dense_macs:,} as "
        f"trained, {counts.sparse_macs:,} of them with edges"
    )


def default_folder(config: WiringConfig) -> str:
    """Of a run without --out."""
    label = config.name.replace("/", "_")
    if config.name in CONFIGS and config.kind != CONFIGS[config.name].kind:
        label += f"_{config.kind}"
    return f"runs/{label}_{config.dataset}_s{config.seed}"


def train(run: RunConfig, config: WiringConfig, device: str) -> None:
    """Train, or go on with a training."""
    folder = find_run(run.resume) if run.resume else None
    size = read_run(folder)[1]["image_size"] if folder else run.image_size
    out = folder or Path(run.out or default_folder(config))
    images = [load(run, config, split, size) for split in ("trainval", "test")]
    print(f"{config.name} on {config.dataset}: {out}")
    model, records = train_wiring(config, *images, folder=out, device=device, pictures=run.pictures)
    last = records[-1]
    print(describe(model))
    if last["top1_error"] is None:
        raise ValueError("the loss is not finite; lower the learning rate (--lr)")
    graph = [f"{key} {last[key]:.4g}" for key in ("C", "L", "alive", "nfe") if key in last]
    best = min(r["top1_error"] for r in records if r["top1_error"] is not None)
    print(
        f"epoch {last['epoch']}: test accuracy {100 - last['top1_error']:.2f} % (best of all "
        f"epochs {100 - best:.2f} %, chosen on the test images) {', '.join(graph)}"
    )
    print(f"next: python experiments/wirings.py --resume {out} --evaluate --compact")


def evaluate(run: RunConfig, config: WiringConfig, device: str) -> None:
    """Tests a trained network as it is, and compacted where asked for."""
    model = load_wiring(run.resume or "", device=device)[1]
    images = load(run, config, "test", model.expected_input_sz[1])
    how = {"batch_size": config.test_batch_size, "device": device, "progress": True}
    print(describe(model))
    report("as trained", evaluate_wiring(model, images, **how))
    if not (run.compact or run.execution):
        return
    small = compact(model, prune=run.compact, execution=run.execution or "auto")
    print(small.report)
    label = f"{'compacted, ' if run.compact else ''}{run.execution or 'auto'}"
    report(label, evaluate_wiring(small, images, **how))


def report(label: str, found: dict[str, float]) -> None:
    """A line of results."""
    print(
        f"{label}: test accuracy {100 - found['top1_error']:.2f} %, loss {found['test_loss']:.4f}, "
        f"{found['images_per_second']:.0f} images a second"
    )


def collect(run: RunConfig) -> None:
    """A table of runs, and what it says at equal epochs, as numbers and as a picture."""
    rows = collect_runs(run.collect)
    print(format_rows(compare_runs(rows)))
    table = write_rows(run.out or "runs/wirings.csv", rows, checksum=True)
    print(f"wrote {table}")
    if run.pictures:
        print(f"wrote {plot_comparison(rows, table.with_suffix('.png'))}")


def main(argv: Sequence[str] | None = None) -> None:
    """Train or test, as the command line says."""
    run, config = parse(argv)
    if run.list:
        for name, found in CONFIGS.items():
            kept = f"keep {found.keep:g}"
            print(f"{name:42} {found.model:18} {found.kind:14} {kept:11} {found.dataset}")
        return
    if run.collect:
        collect(run)
        return
    device = run.device or ("cuda" if torch.cuda.is_available() else "cpu")
    (evaluate if run.evaluate else train)(run, config, device)


if __name__ == "__main__":
    run_script(main)
