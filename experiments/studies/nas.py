"""Choose networks without training them, then train them: which ranking finds good ones?

python experiments/studies/nas.py                                 split search of DeepNets-1M
python experiments/studies/nas.py --space relational              which graph?
python experiments/studies/nas.py --space wirings --candidates 100 --seeds 3 --jobs 2

Candidates are ranked by embeddings, by a predictor, by their accuracy with predicted parameters and
by size; the best of each ranking and random ones are trained with one budget. The same command goes
on with a study that was stopped. Writes results.csv and table.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graph2nn.runs import flat, flattened, option, parse_config, run_script, write_text
from graph2nn.runs.tables import write_rows
from predictors.studies.nas import NasSettings, nas_page, run_nas


@flattened
@dataclass(frozen=True, kw_only=True)
class NasConfig:
    """Flags of `nas.py`."""

    settings: NasSettings = flat(
        NasSettings,
        space=option(None, help="search, or a family: relational, wirings, convnets, ..."),
        candidates=option(None, "-n", help="networks to choose from"),
        rankings=option(help="what ranks: embeddings, gp-graph, under-prediction, size"),
        top=option(help="networks of each ranking that are trained"),
        random=option(help="random networks that are trained"),
        seeds=option(None, "-s", help="seeds of each training"),
        ghn=option(help="hypernetwork: name or file"),
        table=option(help="labelled networks that predictors learn from"),
        dataset=option(None, "-d", help="image data"),
        data_dir=option(None, "-D", help="folder of the data"),
        epochs=option(None, "-e", help="passes over the training images"),
        batch_size=option(None, "-b", help="images a step"),
        lr=option(help="learning rate"),
    )
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    out: str | None = option(None, "-o", help="folder; none for runs/nas_SPACE")


def parse(argv: Sequence[str] | None = None) -> NasConfig:
    """The settings that the command line gives."""
    return parse_config(NasConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Rank, train, report."""
    config = parse(argv)
    out = Path(config.out or f"runs/nas_{config.settings.space}")
    rows = run_nas(config.settings, out, jobs=config.jobs)
    write_rows(out / "results.csv", rows)
    page = nas_page(rows)
    write_text(out / "table.md", page + "\n")
    print(page)
    print(f"\nwrote {out / 'results.csv'}, {out / 'table.md'}")


if __name__ == "__main__":
    run_script(main)
