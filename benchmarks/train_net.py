"""Training one network of DeepNets-1M: batches of 32 images of 3x32x32, on one thread.

    python benchmarks/train_net.py --reference path/to/ppuda

Ours is `train_networks` with the recipe of `experiments/sgd/train_net.py`, whole: it crops and
mirrors the images, tests on a handful of them, tallies and clips. Theirs is the original's trainer
on the same network with the same weights, on batches that are ready when the clock starts, so that
its reading of images is not counted. Memory is the highest during training over that before it,
each side in its own process.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import torch
from common import (
    fresh_process,
    load_reference,
    memory,
    parser,
    quiet,
    random_images,
    ratio,
    report,
    reset_peak,
    side_by_side,
    start,
    table,
)

from graph2nn.deepnets import NetConfig, Network, eval_net
from graph2nn.training import Recipe, train_networks

PLACES = {"test": 0, "deep": 1}  # networks that are trained


def config(split: str, quick: bool) -> NetConfig:
    net = eval_net(split, PLACES[split]).with_(norm="bn-track")
    return net.with_(C=16, n_cells=4) if quick else net


def ours(net: NetConfig, steps: int, batch: int) -> Callable[[], Any]:
    """An epoch of that many batches by the common trainer."""
    images, few = random_images(steps * batch, 32), random_images(2, 32)
    recipe = Recipe(epochs=1, batch_size=batch, lr=0.025, nesterov=False, grad_clip=5, precise_bn=0)
    model = Network(net)

    def train() -> None:
        train_networks({"net": model}, images, few, recipe, seed=0, progress=False)

    return train


def theirs(net: NetConfig, steps: int, batch: int) -> Callable[[], Any]:
    """The same steps by the original's trainer."""
    from ppuda.deepnets1m.net import Network as Original
    from ppuda.utils import Trainer

    given = {k: v for k, v in net.to_json().items() if k not in ("imsize", "in_channels")}
    from ppuda.deepnets1m.genotypes import Genotype

    cells = {
        k: [tuple(e) if isinstance(e, list) else e for e in v]
        for k, v in given.pop("genotype").items()
    }
    with quiet():
        model = Original(is_imagenet_input=False, genotype=Genotype(**cells), **given).train()
    model.drop_path_prob = 0
    own = Network(net).state_dict()
    model.load_state_dict(own, strict=False)
    optimizer = torch.optim.SGD(model.parameters(), 0.025, momentum=0.9, weight_decay=5e-4)
    trainer = Trainer(optimizer, 10, False, n_batches=steps, grad_clip=5, device="cpu")
    images = random_images(steps * batch, 32)
    pixels = (images.images.float() / 255 - 0.5) / 0.25
    pairs = list(zip(pixels.split(batch), images.labels.split(batch)))

    def train() -> None:
        for one, labels in pairs:
            trainer.update(model, one, labels)

    return train


SIDES = {"ours": ours, "theirs": theirs}


def measured(args: argparse.Namespace) -> None:
    """One side's memory, in this process alone: its name and the split, separated by a colon."""
    name, split = args.measure.split(":")
    load_reference(args.reference)
    train = SIDES[name](config(split, args.quick), 2, args.batch)
    before = reset_peak()
    train()
    print(json.dumps({"peak": memory("VmHWM") - before}))


def main() -> None:
    args_of = parser(__doc__)
    args_of.add_argument("--batch", type=int, default=32, help="images; default: %(default)s")
    args_of.add_argument("--steps", type=int, default=48, help="a call; default: %(default)s")
    args = args_of.parse_args()
    start(args)
    if args.quick:
        args.batch, args.steps, args.repeats = 8, 1, 1
    if args.measure:
        measured(args)
        return
    sides = list(SIDES) if load_reference(args.reference) else ["ours"]
    rows, figures = [], {}
    for split in PLACES:
        net = config(split, args.quick)
        actions = {name: SIDES[name](net, args.steps, args.batch) for name in sides}
        seconds = {k: v / args.steps for k, v in side_by_side(actions, args.repeats).items()}
        more = ("--batch", str(args.batch))
        peaks = {k: fresh_process(__file__, f"{k}:{split}", args, *more)["peak"] for k in sides}
        figures[split] = {"seconds": seconds, "peak_mb": peaks}
        name = f"{split}-{PLACES[split]}"
        for what, values in ((f"{name}, CPU s a step", seconds), (f"{name}, peak MB", peaks)):
            their = values.get("theirs")
            rows.append([what, their, values["ours"], ratio(their, values["ours"])])
    report(args, [table(["one network", "theirs", "ours", "ratio"], rows)], figures)


if __name__ == "__main__":
    main()
