"""Does it help to begin with predicted parameters, when, and by how much?

python experiments/finetune_study.py                                   digits, an hour of one core
python experiments/finetune_study.py --shots 10 100 --seeds 3 --jobs 2
python experiments/finetune_study.py -d fashion_mnist --imsize 8 -D data --out runs/transfer
python experiments/finetune_study.py -d cifar10 --imsize 16 --ghn FILE --mlp FILE

Trains networks that the hypernetwork never saw, of all families, from predicted and other weights,
on a few images; the learning rate of each start is chosen on validation images by seeds that are
not reported. The same command goes on with a study that was stopped, and larger numbers extend it.
Writes results.csv, tables and a figure; docs/results/finetuning.md says what came out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ghn.finetuning.study import (
    StudySettings,
    plot_study,
    run_study,
    study_page,
)
from graph2nn.runs import flat, flattened, option, parse_config, run_script, write_text
from graph2nn.runs.tables import write_rows


@flattened
@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Flags of `finetune_study.py`."""

    settings: StudySettings = flat(
        StudySettings,
        dataset=option(None, "-d", help="image data"),
        image_size=option(help="side of the images in pixels", name="imsize"),
        data_dir=option(None, "-D", help="folder of the data"),
        networks=option(help="networks by name, as train_net.py --arch takes them"),
        starts=option(help="what training begins with"),
        ghn=option(help="hypernetwork that predicts: name or file"),
        mlp=option(help="its baseline without message passing"),
        shots=option(help="training images of each class"),
        rates=option(help="learning rates to choose from"),
        seeds=option(help="seeds that are reported"),
        tuning_seeds=option(help="seeds that choose the learning rate"),
        test_images=option(help="validation images, and test images, at most"),
        epochs=option(None, "-e", help="passes over the training images"),
        batch_size=option(None, "-b", help="images a step"),
        weight_decay=option(help="weight decay"),
    )
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    out: str | None = option(None, "-o", help="folder; none for runs/finetune_DATASET")


def parse(argv: Sequence[str] | None = None) -> StudyConfig:
    """The settings that the command line gives."""
    return parse_config(StudyConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the study, write tables and figure."""
    config = parse(argv)
    settings = config.settings
    out = Path(config.out or f"runs/finetune_{settings.dataset}")
    rows = run_study(settings, out, jobs=config.jobs)
    write_rows(out / "results.csv", rows)
    page = study_page(rows)
    write_text(out / "tables.md", page + "\n")
    title = f"{settings.dataset}: {len(settings.networks)} networks, {settings.seeds} seeds"
    made = plot_study(rows, out / "study.png", title=title)
    print(page)
    print(f"\nwrote {out / 'results.csv'}, {out / 'tables.md'}, {made}")


if __name__ == "__main__":
    run_script(main)
