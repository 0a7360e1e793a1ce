"""Order relational graphs by networks whose parameters a hypernetwork predicts.

python experiments/studies/relational_ghn.py --ckpt ghn2-digits-mixed
python experiments/studies/relational_ghn.py --ckpt runs/mixed-1/ghn.pt runs/mixed-2/ghn.pt \\
    --split trainval
python experiments/studies/relational_ghn.py --ckpt ghn2-digits-mixed --model cnn6 --depths 2
python experiments/studies/relational_ghn.py --ckpt ghn2-digits-mixed --read other

Networks of the 52 published graphs and the complete one, as in the task mlp_digits unless told
otherwise, get predicted parameters and are measured on images. Labels are errors of trained
networks of the same graphs: of our own sweeps and of the published ones. Kendall's tau of both
stands beside what noise of the seeds allows and beside simple baselines.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ghn import from_pretrained
from ghn.evaluation import evaluation_batches
from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.runs import (
    describe_environment,
    option,
    parse_config,
    run_script,
    to_dict,
    write_text,
)
from graph2nn.runs.summaries import format_rows, standard_error, with_error
from graph2nn.vision import load_images
from predictors.studies.relational.predicted import (
    READ,
    PredictedScores,
    TargetTaus,
    compare_with_labels,
    label_targets,
    networks_of,
    predicted_scores,
)
from predictors.studies.relational.sources import open_source

SOURCES = ("mlp_digits_52", "mlp_cifar10_52", "published")


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Flags of `relational_ghn.py`."""

    ckpt: tuple[str, ...] = option(help="hypernetworks, several seeds of one kind: files or names")
    labels: tuple[str, ...] = option(SOURCES, help="tables of trained networks, see relational.py")
    model: str = option("mlp", help="family of the networks: mlp, cnn6 or resnet34")
    base_dims: tuple[int, ...] = option((64,), help="widths of the dense network to match")
    depths: tuple[int, ...] = option((3,), help="blocks of each stage")
    read: str = option("own", help="graph that is read: own, layers or other", choices=READ)
    split: str = option("test", help="images: test, or trainval for more of them")
    data_dir: str | None = option(None, "-D", help="folder of the data")
    num_images: int | None = option(None, help="images at most, spread evenly; none for all")
    test_batch_size: int = option(64, "-b", help="images a batch; changes the figures")
    out: str = option("runs/relational_ghn", "-o", help="folder for results.json")


def parse(argv: Sequence[str] | None = None) -> StudyConfig:
    """The settings that the command line gives."""
    return parse_config(StudyConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> list[TargetTaus]:
    """Predict, measure, compare, report."""
    config = parse(argv)
    sources = [open_source(name) for name in config.labels]
    targets = {
        f"{name}: {target}": means
        for name, source in zip(config.labels, sources)
        for task in source.tasks(None)
        if has_graphs(source.means(task))
        for target, means in label_targets(source, task).items()
    }
    scores = measure(config, next(iter(targets.values())))
    found = [compare_with_labels(name, means, scores) for name, means in targets.items()]
    print(table(found, list(scores)))
    write(config, scores, found)
    return found


def has_graphs(means: GraphMeans) -> bool:
    """Whether a task trained the 52 graphs."""
    return bool((np.nan_to_num(means.extra["idx_in_n64_52"], nan=-1.0) >= 0).any())


def measure(config: StudyConfig, means: GraphMeans) -> dict[str, PredictedScores]:
    """Scores of every hypernetwork by its number."""
    found = {}
    for number, ckpt in enumerate(config.ckpt, 1):
        ghn = from_pretrained(ckpt)
        c = ghn.config
        if c.dataset is None:
            raise ValueError(f"{ckpt} does not name its images, so it cannot be measured on any")
        data = load_images(
            c.dataset,
            data_dir=config.data_dir,
            split=config.split,
            image_size=c.image_size,
            channels=c.in_channels,
        )
        nets = networks_of(
            means,
            model=config.model,
            base_dims=config.base_dims,
            depths=config.depths,
            image_size=data.image_size,
            num_classes=data.num_classes,
            in_channels=data.channels,
        )
        batches = evaluation_batches(data, config.test_batch_size, limit=config.num_images)
        scores = predicted_scores(ghn, means.graph_id, nets, batches, read=config.read)
        found[f"hypernetwork {number}"] = scores
        low, high = 100 - scores.error.max(), 100 - scores.error.min()
        middle = 100 - scores.error.mean()
        print(f"{ckpt}: accuracy {middle:.2f} % over {len(nets)} graphs, {low:.2f} to {high:.2f}")
    return found


def table(found: Sequence[TargetTaus], hypernetworks: Sequence[str]) -> str:
    """A line a label."""
    rows = []
    for t in found:
        row = {"label": t.target, "graphs": t.graphs, "seeds": t.seeds}
        row |= {"perfect": f"{t.perfect:.2f}", "one run": f"{t.one_run:.2f}"}
        for what in ("accuracy", "loss"):
            taus = [t.taus[f"{name}: {what}"] for name in hypernetworks]
            error = t.errors[f"{hypernetworks[0]}: {what}"]  # over graphs, of a single one
            error = standard_error(taus) if len(taus) > 1 else error
            row[f"predicted {what}"] = with_error(float(np.mean(taus)), error, 2)
        for name in (n for n in t.taus if not n.startswith(tuple(hypernetworks))):
            row[name] = with_error(t.taus[name], t.errors[name], 2)
        rows.append(row)
    return format_rows(rows)


def write(
    config: StudyConfig, scores: dict[str, PredictedScores], found: Sequence[TargetTaus]
) -> None:
    """Write results.json."""
    networks = {
        name: {"graph_id": s.graph_id.tolist(), "error": s.error.tolist(), "loss": s.loss.tolist()}
        for name, s in scores.items()
    }
    content = {"config": to_dict(config), "environment": describe_environment()}
    content |= {"networks": networks, "labels": [asdict(t) for t in found]}
    path = Path(config.out) / "results.json"
    write_text(path, json.dumps(content, indent=1, default=float).replace("NaN", "null"))
    print(f"wrote {path}")


if __name__ == "__main__":
    run_script(main)
