"""Evaluate graph hypernetworks on networks they have not seen.

python experiments/eval_ghn.py --ckpt checkpoints/ghn2_digits.pt -d digits --split test
python experiments/eval_ghn.py --ckpt ghn2-digits mlp-digits --split all
python experiments/eval_ghn.py --ckpt ghn3tm8 -d imagenet --split torch

Splits: val (on validation images), test, wide, deep, dense, bnfree, search, predefined (ResNet-50
and ViT), torch (torchvision's classifiers), all (val to bnfree and predefined), families' own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ghn import GHN, from_pretrained
from ghn.checks import check_trained_on
from ghn.evaluation import (
    NetResult,
    Results,
    evaluate_nets,
    evaluation_batches,
    result_rows,
    summarise,
    top1_by_method,
)
from ghn.figures import plot_distributions, plot_size_accuracy
from ghn.finetuning import PREDEFINED
from ghn.torchzoo import classifier_names, evaluate_classifiers, evaluate_initial
from ghn.training.networks import evaluation_nets, nets_from_file
from graph2nn.deepnets import EVAL_SPLITS, SPLITS
from graph2nn.families import FAMILIES
from graph2nn.names import check_choice
from graph2nn.runs import describe_environment, option, parse_config, to_dict, write_text
from graph2nn.runs.processes import run_script
from graph2nn.vision import DATASETS, Batches, load_images

ALL = (*EVAL_SPLITS, "predefined")
SETS = (*SPLITS, *FAMILIES, "predefined", "torch", "all")
INITIAL = "initial weights"


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Flags of `eval_ghn.py`."""

    ckpt: tuple[str, ...] = option(help="checkpoint files or names of pretrained hypernetworks")
    dataset: str | None = option(
        None, "-d", help="image data; none for the checkpoint's", choices=tuple(DATASETS)
    )
    data_dir: str | None = option(None, "-D", help="folder of the data")
    split: tuple[str, ...] = option(("test",), help=f"sets of networks: {', '.join(SETS)}")
    nets: str | None = option(None, help="file of networks or folder of published files")
    small: bool | None = option(None, help="narrow, shallow networks; none: below 32 pixels")
    num_nets: int = option(100, "-n", help="networks of each split at most")
    num_images: int | None = option(None, help="images at most, spread evenly; none for all")
    arch: int | None = option(None, help="only this network of the split")
    noise: bool = option(False, help="corrupt the images")
    test_batch_size: int = option(64, "-b", help="images a batch; changes the figures")
    image_size: int | None = option(None, "-i", help="side; none: the checkpoint's", name="imsize")
    device: str | None = option(None, help="none takes a GPU if there is one")
    random_init: bool = option(True, help="also evaluate torch's initial weights")
    force: bool = option(False, help="evaluate on other data than the checkpoint's")
    out: str = option("runs/eval", help="folder for figures and results.json")
    seed: int = option(0, "-s", help="seed of the networks and of their initial weights")

    def __post_init__(self) -> None:
        for split in self.split or (None,):
            check_choice("split", split, SETS)
        if self.num_nets < 1:
            raise ValueError(f"num_nets: expected at least 1 network, got {self.num_nets}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits in the given order, each once."""
        named = [s for split in self.split for s in (ALL if split == "all" else (split,))]
        return tuple(dict.fromkeys(named))


def main(argv: Sequence[str] | None = None) -> Results:
    """Load, check, evaluate, report."""
    config = parse_config(EvalConfig, argv, description=__doc__)
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    ghns = load_ghns(config.ckpt, device)
    images = image_settings(config, ghns)
    methods = {**({INITIAL: None} if config.random_init else {}), **ghns}
    results, skipped = {}, {}
    for split in config.splits:
        data = load_images(split="val" if split == "val" else "test", **images).to(device)
        keep = {"device": device, "noise": config.noise, "limit": config.num_images}
        batches = evaluation_batches(data, config.test_batch_size, **keep)
        results[split], notes = evaluate(config, split, methods, batches)
        skipped.update(notes)
        print(table({split: results[split]}, data.num_classes), flush=True)
    for name, reason in skipped.items():
        print(f"skipped {name}: {reason}")
    report(config, results, skipped)
    return results


def load_ghns(ckpts: Sequence[str], device: str) -> dict[str, GHN]:
    """The hypernetworks by a short name: of the file, with its folder where files share a name."""
    paths = [Path(ckpt) for ckpt in ckpts]
    stems = [path.stem for path in paths]
    names = [p.stem if stems.count(p.stem) == 1 else f"{p.parent.name}/{p.stem}" for p in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"--ckpt: expected different checkpoints, got {', '.join(ckpts)}")
    return {name: from_pretrained(c, device=device).eval() for name, c in zip(names, ckpts)}


def image_settings(config: EvalConfig, ghns: dict[str, GHN]) -> dict:
    """Arguments of `load_images`, checked against what every hypernetwork was trained on."""
    first = next(iter(ghns.values())).config
    dataset, image_size = config.dataset or first.dataset, config.image_size or first.image_size
    if dataset is None:
        raise ValueError("the checkpoint does not name its data set: pass it with -d")
    for name, ghn in ghns.items():
        check_trained_on(ghn.config, dataset, image_size, name=name, force=config.force)
        if ghn.config.in_channels != first.in_channels:
            raise ValueError(f"{', '.join(ghns)} take images of different channels: evaluate one")
    own = {"image_size": image_size, "channels": first.in_channels}
    return {"name": dataset, "data_dir": config.data_dir} | own


def evaluate(
    config: EvalConfig, split: str, methods: dict[str, GHN | None], batches: Batches
) -> tuple[dict[str, dict[str, NetResult]], dict[str, str]]:
    """Results of one split by method and network, and why networks were skipped."""
    results: dict[str, dict[str, NetResult]] = {method: {} for method in methods}
    nets = [] if split == "torch" else drawn(config, split, batches)
    own = dict(zip(["vit"] if split == "predefined" else map(str, range(len(nets))), nets))
    zoo = classifier_names()[: config.num_nets] if split == "torch" else PREDEFINED
    names = list(zoo if split in ("torch", "predefined") else own)
    if config.arch is not None and not 0 <= config.arch < len(names):
        raise ValueError(f"--arch: expected 0 to {len(names) - 1} for {split}, got {config.arch}")
    chosen = names if config.arch is None else [names[config.arch]]
    drawn_ones = [name for name in chosen if name in own]
    for method, ghn in methods.items() if drawn_ones else ():
        title, part = f"{split}: {method}", [own[name] for name in drawn_ones]
        if ghn is None:
            measured = evaluate_initial(part, batches, seed=config.seed, title=title)
        else:
            measured = evaluate_nets(ghn, part, batches, title=title)
        results[method] = dict(zip(drawn_ones, measured))
    others = [name for name in chosen if name not in own]
    if not others:
        return results, {}
    found, skipped = evaluate_classifiers(methods, others, batches, seed=config.seed, title=split)
    return {method: results[method] | found[method] for method in methods}, skipped


def drawn(config: EvalConfig, split: str, batches: Batches) -> Sequence:
    """Networks of a split with their graphs, from the file or drawn by rules."""
    d, count = batches.data, max(config.num_nets, (config.arch or 0) + 1)
    kind = {"num_classes": d.num_classes, "in_channels": d.channels, "image_size": d.image_size}
    if config.nets and split not in ("predefined", *FAMILIES):
        source = nets_from_file(config.nets, split, count, **kind)
        return [source.item(k) for k in range(min(count, len(source)))]
    return evaluation_nets(split, count, seed=config.seed, small=config.small, **kind)


def table(results: Results, num_classes: int) -> str:
    """One line a split and method."""
    lines = []
    for split, by_method in results.items():
        for method, nets in by_method.items():
            if len(nets) == 1:
                ((name, r),) = nets.items()
                text = f"{r.top1:.2f} ({name}: {r.num_params:,} parameters, {r.num_nodes} nodes)"
            else:
                text = str(summarise([r.top1 for r in nets.values()])) if nets else "no networks"
            if nets and num_classes >= 200:
                text += f", top-5 {summarise([r.top5 for r in nets.values()])}"
            lines.append(f"{split:10} {method:16} {text}")
    return "\n".join(lines)


def report(config: EvalConfig, results: Results, skipped: dict[str, str]) -> None:
    """Write results.json and the figures."""
    out = Path(config.out)
    tops = top1_by_method(results)
    content = {"config": to_dict(config), "environment": describe_environment()}
    content |= {"results": result_rows(results), "skipped": skipped}
    text = json.dumps(content, indent=1)
    write_text(out / "results.json", text)
    made, last = [out / "results.json", plot_distributions(tops, out / "accuracy.png")], [*tops][-1]
    if sizes := [r for by_method in results.values() for r in by_method[last].values()]:
        made.append(plot_size_accuracy(sizes, out / "size.png", title=last))
    print("wrote " + ", ".join(map(str, made)))


if __name__ == "__main__":
    run_script(main)
