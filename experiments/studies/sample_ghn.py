"""Draw several sets of parameters for each network from one hypernetwork, alone and together.

python experiments/train_ghn.py --noise 16 --diversity 0.3 --name noisy
python experiments/studies/sample_ghn.py --ckpt runs/noisy/ghn.pt
python experiments/studies/sample_ghn.py --ckpt runs/noisy/ghn.pt -n 30 --samples 5 \\
    --trained 3 --epochs 20

Unseen networks get the mean prediction, several samples, and the mean of their softmax outputs. The
first `--trained` networks are also trained from as many seeds: what ensembles bring otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ghn import GHN, from_pretrained
from ghn.ensembles import Ensemble, evaluate_samples, evaluate_trained
from ghn.evaluation import evaluation_batches
from ghn.training.networks import evaluation_nets
from graph2nn.deepnets import EVAL_SPLITS
from graph2nn.names import check_choice
from graph2nn.runs import (
    describe_environment,
    option,
    parse_config,
    run_script,
    to_dict,
    write_text,
)
from graph2nn.runs.summaries import format_rows, standard_error, with_error
from graph2nn.training import Recipe
from graph2nn.vision import load_images

Results = dict[str, list[Ensemble]]  # by what made the members


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """Flags of `sample_ghn.py`."""

    ckpt: tuple[str, ...] = option(help="hypernetworks with noise: files or names")
    data_dir: str | None = option(None, "-D", help="folder of the data")
    split: str = option("test", help="networks: test, wide, deep, dense, bnfree or val")
    small: bool | None = option(None, help="narrow, shallow networks; none: below 32 pixels")
    num_nets: int = option(30, "-n", help="networks")
    num_images: int | None = option(None, help="images at most, spread evenly; none for all")
    samples: int = option(5, help="samples of each network, and seeds of each trained one")
    trained: int = option(0, help="networks that are also trained, the first ones")
    epochs: int = option(20, "-e", help="passes over the training images of these")
    lr: float = option(0.05, help="learning rate of these")
    test_batch_size: int = option(64, "-b", help="images a batch; changes the figures")
    device: str = option("cpu", help="device")
    seed: int = option(0, "-s", help="seed of the networks, of the noise and of trainings")
    out: str = option("runs/samples", "-o", help="folder for results.json")

    def __post_init__(self) -> None:
        check_choice("split", self.split, EVAL_SPLITS)
        if min(self.num_nets, self.samples, self.epochs) < 1:
            raise ValueError("num_nets, samples and epochs: expected at least 1 of each")
        if not 0 <= self.trained <= self.num_nets:
            raise ValueError(
                f"trained: expected 0 to {self.num_nets} of the networks, got {self.trained}"
            )


def main(argv: Sequence[str] | None = None) -> Results:
    """Load, draw, measure, report."""
    config = parse(argv)
    results: Results = {}
    for name in config.ckpt:
        results[name] = sampled(config, from_pretrained(name, device=config.device))
        if config.trained:
            results[f"{name}, same {config.trained}"] = results[name][: config.trained]
    if config.trained:
        results["trained"] = trained(config, from_pretrained(config.ckpt[0]))
    print(table(results))
    content = {
        "config": to_dict(config),
        "environment": describe_environment(),
        "results": {name: [asdict(e) for e in found] for name, found in results.items()},
    }
    path = write_text(Path(config.out) / "results.json", json.dumps(content, indent=1))
    print(f"wrote {path}")
    return results


def parse(argv: Sequence[str] | None = None) -> SampleConfig:
    """Settings from a command line."""
    return parse_config(SampleConfig, argv, description=__doc__)


def images(config: SampleConfig, ghn: GHN, split: str):
    """Images of the kind that the hypernetwork was trained on."""
    c = ghn.config
    if c.dataset is None:
        raise ValueError("the hypernetwork does not name its images, so it cannot be measured")
    kind = {"image_size": c.image_size, "channels": c.in_channels, "data_dir": config.data_dir}
    return load_images(c.dataset, split=split, **kind).to(config.device)


def networks(config: SampleConfig, data) -> Sequence:
    kind = {"num_classes": data.num_classes, "in_channels": data.channels}
    kind |= {"image_size": data.image_size}
    return evaluation_nets(
        config.split, config.num_nets, seed=config.seed, small=config.small, **kind
    )


def batches_of(config: SampleConfig, data):
    keep = {"device": config.device, "limit": config.num_images}
    return evaluation_batches(data, config.test_batch_size, **keep)


def sampled(config: SampleConfig, ghn: GHN) -> list[Ensemble]:
    data = images(config, ghn, "val" if config.split == "val" else "test")
    nets, batches = networks(config, data), batches_of(config, data)
    return evaluate_samples(ghn, nets, batches, config.samples, seed=config.seed)


def trained(config: SampleConfig, ghn: GHN) -> list[Ensemble]:
    data = images(config, ghn, "val" if config.split == "val" else "test")
    once = {"epochs": config.epochs, "eval_every": config.epochs}
    recipe = Recipe(batch_size=48, lr=config.lr, warmup_epochs=1, lr_per_step=True, **once)
    return [
        evaluate_trained(
            net,
            images(config, ghn, "train"),
            batches_of(config, data),
            config.samples,
            recipe=recipe,
            seed=config.seed,
        )
        for net, _ in networks(config, data)[: config.trained]
    ]


def table(results: Results) -> str:
    """A line a hypernetwork, percent with standard errors over networks."""
    rows = []
    for name, found in results.items():
        means = [e.mean for e in found if e.mean is not None]
        single = [sum(e.members) / len(e.members) for e in found]
        columns = {
            "mean prediction": means,
            "one member": single,
            "together": [e.together for e in found],
            "gain": [e.together - one for e, one in zip(found, single)],
            "disagreement": [e.disagreement for e in found],
            "likeness": [e.likeness for e in found],
        }
        row = {"members": name, "networks": str(len(found))}
        rows.append(row | {k: _mean(v, 3 if k == "likeness" else 1) for k, v in columns.items()})
    return format_rows(rows)


def _mean(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    return with_error(sum(values) / len(values), standard_error(values), digits)


if __name__ == "__main__":
    run_script(main)
