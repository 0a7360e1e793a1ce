"""Settings of the training of one network: the command line of `experiments/sgd/train_net.py`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from ghn.finetuning.flags import StartFlags, run_name
from ghn.finetuning.named import NamedNetwork, named_network
from ghn.finetuning.starts import Start
from graph2nn.runs import flat, flattened, option
from graph2nn.training import Recipe
from graph2nn.training.optim import OPTIMIZERS, make_schedule
from graph2nn.vision import DATASETS, Augment, ImageData, corrupted, empty_images, load_images

__all__ = ["NORMALISATIONS", "NetworkConfig", "TrainNetConfig"]

NORMALISATIONS = ("running", "precise", "batch")
"""Statistics that batch normalisation is tested with: running averages of training, those of 1024
training images after each epoch, or those of the test batch."""


@flattened
@dataclass(frozen=True, kw_only=True)
class TrainNetConfig:
    """Flags of `train_net.py`, with the published names (arXiv:2110.13100, official code).

    A value of None takes the data set's own: the published one on CIFAR and ImageNet, on digits
    one that takes a minute. See `resolved`.
    """

    dataset: str = option("cifar10", "-d", help="image data", choices=tuple(DATASETS))
    data_dir: str | None = option(
        None, "-D", help="folder of the data, none for $NETWRIGHT_DATA or ./data"
    )
    image_size: int | None = option(None, "-i", help="side of the images in pixels", name="imsize")
    arch: str = option(
        "DARTS",
        help="DARTS, PDARTS, ViT; a number of the split; a name of torchvision or timm:NAME; a "
        "relational graph such as ws:n=64,k=8,p=0.1; a wiring such as small/static_dnw; FILE.json "
        "of a configuration; FILE.py:FUNCTION",
    )
    split: str = option("predefined", help="set of networks that --arch counts in")
    nets: str | None = option(
        None, help="file or folder of DeepNets-1M networks; none draws those of a split by rules"
    )
    small: bool | None = option(
        None, help="draw narrow and shallow networks; none does so below 32 pixels"
    )
    init_channels: int | None = option(None, help="initial width of a genotype")
    layers: int | None = option(None, help="number of cells of a genotype")
    auxiliary: bool = option(False, help="train an auxiliary head (DeepNets-1M networks)")
    auxiliary_weight: float = option(0.4, help="weight of its loss")
    drop_path_prob: float = option(0.0, help="probability of drop path at the end; rises from 0")

    begin: StartFlags = flat(StartFlags)
    bn: str = option(
        "running", help="statistics that normalisation is tested with", choices=NORMALISATIONS
    )
    bn_images: int = option(1024, help="training images that a start's statistics come from")

    val: bool = option(False, help="test on validation images while training, on test images after")
    n_shots: int | None = option(None, help="only the first so many training images of each class")
    noise: bool = option(False, help="test on noisy images")
    cutout: bool = option(False, help="cut a square out of training images")
    cutout_length: int = option(16, help="its side in pixels")

    epochs: int | None = option(None, "-e", help="passes over the training images; 0 only tests")
    batch_size: int | None = option(None, "-b", help="images a step")
    test_batch_size: int = option(64, help="images a batch of tests")
    opt: str = option("sgd", help="optimiser", choices=OPTIMIZERS)
    lr: float | None = option(None, help="learning rate")
    wd: float | None = option(None, help="weight decay")
    momentum: float = option(0.9, help="momentum of SGD")
    grad_clip: float = option(5.0, help="largest norm of the gradient; 0 for none")
    scheduler: str | None = option(
        None, help="cosine, step, exponential, none or cosine-warmup-steps5-init_lr1e-5"
    )
    lr_steps: tuple[int, ...] = option((30, 60), help="epochs of the scheduler step")
    gamma: float | None = option(
        None, "-g", help="factor of step (none: 0.1) and exponential (none: 0.97)"
    )
    label_smooth: float | None = option(None, help="label smoothing while training")
    amp: bool = option(False, help="compute in bfloat16 where that is possible")

    seed: int = option(1111, "-s", help="seed of weights, images and draws")
    device: str | None = option(None, help="none takes a GPU if there is one")
    multigpu: bool = option(False, help="a process for each GPU, each with its share of a batch")
    num_workers: int | None = option(None, "-w", help="threads that decode image files")
    save_dir: str = option("runs", "-S", help="folder of run folders; none keeps nothing")
    name: str | None = option(None, help="name of the run folder; none makes one from the settings")
    resume: bool = option(True, help="go on with a run that was stopped")
    log_interval: int = option(100, "-l", help="has no effect: a bar shows the loss at any time")
    debug: int = option(1, help="0: no progress bar")

    def resolved(self) -> TrainNetConfig:
        """Return the settings with the data set's defaults in place of every None."""
        large, digits = self.dataset == "imagenet", self.dataset == "digits"
        defaults: dict[str, Any] = {
            "image_size": DATASETS[self.dataset].image_size if large or digits else 32,
            "init_channels": 48 if large else 16 if digits else 36,
            "layers": 14 if large else 8 if digits else 20,
            "epochs": 250 if large else 20 if digits else 600,
            "batch_size": 128 if large else 32 if digits else 96,
            "lr": 0.1 if large else 0.025,
            "wd": 3e-5 if large else 3e-4,
            "scheduler": "exponential" if large else "cosine",
            "label_smooth": 0.1 if large else 0.0,
            "num_workers": 8 if large else 0,
            "device": "cuda" if torch.cuda.is_available() else "cpu",
        }
        changed = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        named = replace(self, **changed)
        own = run_name(
            arch=named.arch,
            split=named.split,
            dataset=named.dataset,
            shots=named.n_shots,
            start=named.begin.label,
            seed=named.seed,
        )
        return replace(named, name=named.name or own)

    def network(self, images: ImageData) -> NamedNetwork:
        """Build the network that is meant, for these images."""
        c = self.resolved()
        assert c.init_channels is not None and c.layers is not None
        return named_network(
            c.arch,
            images,
            split=c.split,
            nets=c.nets,
            small=c.small,
            channels=c.init_channels,
            n_cells=c.layers,
            auxiliary=c.auxiliary,
            pretrained=c.begin.pretrained,
            seed=c.seed,
        )

    def start(self) -> Start:
        """Return the weights that training begins with."""
        return self.begin.start(0 if self.bn == "batch" else self.bn_images)

    def recipe(self, images: int, processes: int = 1) -> Recipe:
        """Return the recipe for so many training images, shared by some processes.

        The last, smaller batch of an epoch is left out where there is no image for every process,
        or one alone, which batch normalisation cannot train on.
        """
        c = self.resolved()
        assert c.epochs is not None and c.batch_size is not None and c.label_smooth is not None
        assert c.lr is not None and c.wd is not None
        plan = make_schedule(
            c.scheduler, lr=c.lr, epochs=max(1, c.epochs), milestones=c.lr_steps, gamma=c.gamma
        )
        warm = plan.name == "cosine-warmup" and c.epochs > 0
        return Recipe(
            epochs=c.epochs,
            batch_size=min(c.batch_size, images),
            test_batch_size=c.test_batch_size,
            lr=c.lr,
            schedule=plan.name if warm or plan.name != "cosine-warmup" else "none",
            milestones=plan.milestones if plan.name == "step" else (),
            gamma=plan.gamma,
            warmup_epochs=plan.warmup if warm else 0,
            warmup_factor=plan.start if warm else 0.1,
            optimizer=c.opt,
            momentum=c.momentum,
            nesterov=False,
            weight_decay=c.wd,
            grad_clip=c.grad_clip,
            auxiliary_weight=c.auxiliary_weight,
            label_smoothing=c.label_smooth,
            precise_bn=1024 if c.bn == "precise" else 0,
            amp="bf16" if c.amp else "none",
            drop_last=0 < images % min(c.batch_size, images) < max(2, processes),
        )

    def augment(self) -> Augment:
        """Return what happens to training images."""
        return Augment(cutout=self.cutout_length if self.cutout else 0)

    def images(self) -> tuple[ImageData, ImageData, dict[str, ImageData]]:
        """Load training images, those of the tests while training, and those of the final test.

        Raises:
            ValueError: Fewer images of a class than `n_shots`, or settings that do not fit.
            FileNotFoundError: The data are not there; says how to get them.
        """
        c = self.resolved()

        def load(split: str, shots: int | None = None) -> ImageData:
            return load_images(
                c.dataset,
                data_dir=c.data_dir,
                split=split,
                image_size=c.image_size,
                n_shots=shots,
            )

        train = load("train" if c.val else "trainval", c.n_shots)
        test = load("val" if c.val else "test")
        if c.noise:
            test = corrupted(test, "noise", noise=test.noise_std, seed=c.seed)
        return train, test, {"final": load("test")} if c.val else {}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Flags that say which network is meant, for commands that train little or nothing."""

    arch: str = option(
        positional=True,
        help="name as of train_net.py --arch: test-0, DARTS, resnet18, timm:NAME, "
        "ws:n=16,k=4,p=0.1, small/static_dnw, FILE.json, FILE.py:FUNCTION",
    )
    dataset: str = option("digits", "-d", help="images it is for", choices=tuple(DATASETS))
    split: str = option("predefined", help="set of networks that a mere number counts in")
    nets: str | None = option(None, help="file or folder of DeepNets-1M networks")
    image_size: int | None = option(None, "-i", help="side of the images in pixels", name="imsize")
    seed: int = option(1111, "-s", help="seed of initial weights, and of training")

    def training(self, **more: Any) -> TrainNetConfig:
        """Return the resolved settings that `train_net.py` would have for the network.

        Args:
            more: Further settings.
        """
        own = {field.name: getattr(self, field.name) for field in fields(NetworkConfig)}
        return TrainNetConfig(**own, **more).resolved()

    def network(self) -> tuple[NamedNetwork, ImageData]:
        """Build the network, with the kind of images that it is for; nothing is read."""
        c = self.training()
        images = empty_images(c.dataset, image_size=c.image_size)
        return c.network(images), images
