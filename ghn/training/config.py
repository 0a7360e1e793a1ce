"""Settings of hypernetwork training: the command line of `experiments/train_ghn.py`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from ghn.config import DECODERS, HYPERNETS, GHNConfig
from ghn.trunks.tokens import TOKENS
from graph2nn.deprecated import renamed_attribute, renamed_keywords
from graph2nn.families import parse_families
from graph2nn.runs import flat, flattened, option
from graph2nn.vision import DATASETS

__all__ = ["TrainConfig"]


_DECIDED_LATER = (  # by `ghn_config`, from the data and from flags that may be undecided
    *("num_classes", "dataset", "in_channels", "imsize", "accuracy"),
    *("max_shape", "weight_norm", "ve", "ve_cutoff", "layernorm"),
)


@renamed_keywords(imsize="image_size")
@flattened
@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Flags of `train_ghn.py`, with the published names (arXiv:2110.13100, official code).

    A value of None takes the data set's own: on CIFAR, ImageNet and the rest what GHN-1 was
    published with, on `digits` the recipe that the shipped checkpoint was trained with (a GHN-2).
    See `resolved`.
    """

    dataset: str = option("digits", "-d", help="image data", choices=tuple(DATASETS))
    data_dir: str | None = option(
        None, "-D", help="folder of the data, none for $NETWRIGHT_DATA or ./data"
    )
    image_size: int | None = option(None, "-i", help="side of the images in pixels", name="imsize")
    split: str = option("train", help="DeepNets-1M split that networks are drawn from")
    nets: str | None = option(
        None, help="HDF5 file of networks, ours or published; none draws them on the fly"
    )
    small: bool | None = option(
        None, help="draw narrow and shallow networks; none does so below 32 pixels"
    )
    families: str = option(
        "deepnets", help="families of networks with their shares: deepnets:0.6,relational:0.4"
    )
    normfree: float | None = option(
        None, help="probability that a shallow network has no normalisation; none for the split's"
    )
    num_nets: int = option(1000000, "-M", help="use only the first networks of a file")
    max_nodes: int | None = option(2200, help="drop meta-batches with more nodes in total")
    num_workers: int = option(0, "-w", help="processes that draw networks and build graphs")

    ghn: GHNConfig = flat(
        GHNConfig,
        without=_DECIDED_LATER,
        hypernet=option(None, "-H", help="trunk", choices=HYPERNETS),
        decoder=option(help="decoder of weights", choices=DECODERS),
        rank=option(help="rank of the weights of the decoder lowrank"),
        hid=option(help="width of node states"),
        layers=option(help="layers of a Graphormer or token transformer"),
        heads=option(help="their heads"),
        tokens=option(help="what a token transformer reads", choices=TOKENS),
        noise=option(help="width of the noise under which predictions are drawn; 0 for none"),
    )
    max_shape: tuple[int, ...] | None = option(
        None, help="largest decoded block: one, two or four integers; none for (2 hid, 2 hid, s, s)"
    )
    weight_norm: bool | None = option(
        None, "-n", help="fan-in normalisation of predicted parameters"
    )
    ln: bool | None = option(None, help="LayerNorm on node states")
    virtual_edges: int | None = option(None, "-v", help="longest virtual edge; 1 for none")

    meta_batch_size: int | None = option(None, "-m", help="networks a step")
    batch_size: int | None = option(None, "-b", help="images a step")
    augment: bool | None = option(None, help="crop and flip the training images")
    epochs: int | None = option(None, "-e", help="passes over the training images")
    steps: int | None = option(
        None, help="train for this many steps; the schedule then counts in hundredths of them"
    )
    opt: Literal["adam", "adamw", "sgd", "soap"] | None = option(
        None, help="optimiser; none for soap on digits, adam elsewhere"
    )
    lr: float | None = option(None, help="learning rate")
    wd: float = option(1e-5, help="weight decay")
    momentum: float = option(0.9, help="momentum of SGD")
    scheduler: str | None = option(
        None, help="step, cosine, cosine-warmup[-steps5-init_lr1e-5], none"
    )
    lr_steps: tuple[int, ...] = option((200, 250), help="epochs at which the step schedule decays")
    gamma: float = option(0.1, "-g", help="decay factor of the step schedule")
    grad_clip: float = option(5.0, help="largest gradient norm; 0 for none")
    net_clip: float | None = option(
        None, help="largest gradient norm of one network in its parameters; 0 for none"
    )
    ema: float = option(
        0.0, help="decay of the running average of the weights, which is what is kept; 0 for none"
    )
    label_smooth: float | None = option(None, help="label smoothing")
    norm_penalty: float | None = option(None, help="weight of the predicted tensors' norms (GHN-3)")
    diversity: float = option(
        0.0, help="weight of the likeness of two predictions under noise; 0 for none"
    )
    init: Literal["published", "unit"] | None = option(
        None,
        help="start of the decoders: as published, or with a known gain of predicted weights",
    )
    amp: bool = option(False, help="run the networks in mixed precision")
    amp_dtype: Literal["bf16", "fp16"] = option("bf16", help="its number format; fp16 on GPUs only")

    accuracy: str | None = option(
        None,
        help="table of labelled networks, by name or path, whose label becomes a second output",
    )
    accuracy_label: str | None = option(None, help="the label; none for the table's own")
    accuracy_labels: int | None = option(
        None, help="labelled networks to learn from, the others test; none for the table's own half"
    )
    accuracy_batch: int | None = option(None, help="labelled networks a step; none for 16")
    accuracy_weight: float | None = option(
        None, help="weight of the second output's loss; none for 1"
    )

    seed: int = option(1111, "-s", help="seed of initial weights, networks and images")
    device: str | None = option(None, help="cpu, cuda, ...; none takes a GPU if there is one")
    processes: int | None = option(
        None,
        help="processes that share a step's networks; none takes 2 on digits if there are cores",
    )
    shards: int | None = option(
        None,
        help="parts of a step's networks whose gradients are summed in one order, so that any "
        "number of processes that divides theirs gives the same bits; none takes 2 on digits, "
        "else a part a process",
    )
    threads: int | None = option(
        None,
        help="threads of a process, on whose number sums depend; none takes 1 on digits, else "
        "torch's choice",
    )
    multigpu: bool = option(False, help="refers to torchrun, which replaces it")
    ckpt: str | None = option(
        None, "-C", help="start from this checkpoint: its weights and its hypernetwork settings"
    )
    save_dir: str = option("runs", "-S", help="folder of run folders")
    name: str | None = option(None, help="name of the run folder; none makes one from the settings")
    resume: bool = option(True, help="go on with a run that was stopped")
    save_every: int = option(300, help="steps between checkpoints")
    log_interval: int = option(100, "-l", help="steps between log lines")
    val_every: int | None = option(None, help="epochs between validations; 0 for none")
    val_nets: int = option(20, help="validation networks")
    val_images: int = option(1000, help="validation images at most")
    test_nets: int | None = option(None, help="test networks to evaluate at the end; 0 for none")
    test_batch_size: int = option(64, help="images a batch in evaluation")
    tensorboard: bool = option(False, help="also log for TensorBoard")
    debug: int = option(1, help="0 hides the progress bar")

    imsize = renamed_attribute("image_size")

    def __post_init__(self) -> None:
        for name in (
            "meta_batch_size",
            "batch_size",
            "epochs",
            "save_every",
            "log_interval",
            "accuracy_batch",
            "processes",
            "shards",
            "threads",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        parse_families(self.families)
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be a decay from 0 to below 1, got {self.ema}")
        if self.net_clip is not None and self.net_clip < 0:
            raise ValueError(f"net_clip must not be negative, got {self.net_clip}")
        if self.normfree is not None and not 0 <= self.normfree <= 1:
            raise ValueError(f"normfree must be a probability, got {self.normfree}")
        if self.diversity < 0:
            raise ValueError(f"diversity must not be negative, got {self.diversity}")
        if self.multigpu:
            raise ValueError(
                "multigpu: networks are shared among processes now; start "
                "'torchrun --nproc_per_node=<GPUs> experiments/train_ghn.py ...' without --multigpu"
            )
        if self.accuracy_weight is not None and not self.accuracy_weight >= 0:
            raise ValueError(f"accuracy_weight must not be negative, got {self.accuracy_weight}")
        if self.max_shape is not None and len(self.max_shape) not in (1, 2, 4):
            raise ValueError(f"max_shape takes one, two or four integers, got {self.max_shape}")

    def resolved(self) -> TrainConfig:
        """Return the settings with the data set's defaults in place of every None."""
        defaults = _defaults(self)
        return replace(self, **{k: v for k, v in defaults.items() if getattr(self, k) is None})

    def ghn_config(self, *, num_classes: int, in_channels: int) -> GHNConfig:
        """Return the configuration of the hypernetwork to train."""
        c = self.resolved()
        assert c.weight_norm is not None and c.ln is not None and c.virtual_edges is not None
        return replace(
            c.ghn,
            num_classes=num_classes,
            max_shape=_block(c),
            weight_norm=c.weight_norm,
            ve=c.virtual_edges > 1,
            ve_cutoff=max(c.virtual_edges, 2),
            layernorm=c.ln,
            accuracy=c.accuracy is not None,
            dataset=c.dataset,
            in_channels=in_channels,
            image_size=c.image_size,
        )


def _defaults(c: TrainConfig) -> dict[str, Any]:
    large = c.dataset == "imagenet"
    ghn3 = c.ghn.is_ghn3
    values: dict[str, Any] = {
        "image_size": {"imagenet": 224, "tiny_imagenet": 64}.get(c.dataset, 32),
        "weight_norm": False,
        "ln": False,
        "virtual_edges": 1,
        "meta_batch_size": 1,
        "batch_size": 256 if large else 64,
        "augment": True,
        "epochs": 300,
        "opt": "adam",
        "net_clip": 0.0,
        "lr": 1e-3,
        "scheduler": "step",
        "label_smooth": 0.1 if large else 0.0,
        "norm_penalty": 3e-5 if ghn3 else 0.0,
        "init": "published",
        "val_every": 5,
        "test_nets": 0,
        "processes": 1,
    }
    if c.dataset == "digits":
        values |= _DIGITS
        if not _on_gpu(c.device):
            parts = c.shards or max(c.processes or 0, min(2, c.meta_batch_size or 2))
            own = {"shards": parts, "threads": 1}
            values |= {**own, "processes": math.gcd(parts, min(2, os.cpu_count() or 1))}
        if c.opt not in (None, "soap"):
            values["lr"] = 3e-3
    kinds = {"gatedgnn": "ghn2", "graphormer": "ghn3"}
    mixed = "" if parse_families(c.families) == {"deepnets": 1.0} else "-mixed"
    values["name"] = f"{kinds.get(c.ghn.hypernet, c.ghn.hypernet)}-{c.dataset}{mixed}"
    return values


def _on_gpu(device: str | None) -> bool:
    """Whether the run takes a GPU, which processes of it cannot share."""
    return torch.cuda.is_available() if device is None else device.startswith("cuda")


_DIGITS: dict[str, Any] = {
    "image_size": 8,
    "max_shape": (32, 32),
    "weight_norm": True,
    "ln": True,
    "virtual_edges": 50,
    "meta_batch_size": 4,
    "batch_size": 48,
    "augment": False,
    "epochs": 150,
    "opt": "soap",
    "net_clip": 0.5,
    "lr": 6e-3,
    "scheduler": "cosine-warmup",
    "val_every": 15,
    "test_nets": 100,
}


def _block(c: TrainConfig) -> tuple[int, int, int, int]:
    size = 16 if c.dataset == "imagenet" else 11
    width = c.ghn.hid if c.ghn.is_ghn3 else 2 * c.ghn.hid
    given = c.max_shape or (width,)
    if len(given) == 1:
        return (given[0], given[0], size, size)
    if len(given) == 2:
        return (given[0], given[1], size, size)
    o, i, h, w = given
    return (o, i, h, w)
