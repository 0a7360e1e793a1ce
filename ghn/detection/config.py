"""Settings of a detector's training: the command line of `experiments/sgd/detector`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from ghn.detection.backbone import backbone_network
from ghn.detection.coco_file import read_coco
from ghn.detection.data import DetectionData
from ghn.detection.penn_fudan import read_penn_fudan
from ghn.detection.recipe import DetectionRecipe
from ghn.detection.shapes import make_shapes
from ghn.finetuning import NamedNetwork, Start
from ghn.finetuning.flags import StartFlags, run_name
from graph2nn.deepnets import Network, ViT
from graph2nn.names import choose
from graph2nn.runs import flat, flattened, option
from graph2nn.training import OPTIMIZERS
from graph2nn.vision.datasets import default_data_dir
from graph2nn.vision.readers import find_folder

__all__ = ["DATASETS", "DetectConfig"]

DATASETS = ("shapes", "PennFudanPed")
"""Data sets: one that is drawn, and pedestrians."""

_OTHERS = "auxiliary auxiliary_weight cutout cutout_length drop_path_prob multigpu noise scheduler"
_REFUSED = (*_OTHERS.split(), "val")
_NOT_HERE = "no part of detection; any other value is refused"


@flattened
@dataclass(frozen=True, kw_only=True)
class DetectConfig:
    """Flags of `train_detector.py`, with the published names (arXiv:2110.13100, official code).

    A value of None takes the data set's own: the published one on Penn-Fudan, on shapes one that
    takes two minutes. See `resolved`. Flags of classification are there, but refused.
    """

    dataset: str = option(
        "shapes",
        "-d",
        help="images with boxes: shapes, PennFudanPed, or FILE.json of annotations as COCO has "
        "them, with images in --data_dir or beside the file",
    )
    data_dir: str | None = option(
        None, "-D", help="folder of the data or above it, none for $NETWRIGHT_DATA or ./data"
    )
    image_size: int | None = option(
        None, "-i", help="wanted shorter side of images in pixels; none: 256, 800, ViT 320",
        name="imsize",
    )  # fmt: skip
    shapes: int = option(170, help="number of images with shapes")
    shapes_size: int = option(256, help="their longest side in pixels")
    test_images: int = option(50, help="number of images, the last of a random order, of the test")
    arch: str = option(
        "DARTS",
        help="backbone: DARTS, PDARTS, ViT; a number of the split; a convolutional network of "
        "torchvision or timm:NAME; a relational graph such as ws:n=16,k=4,model=cnn6; FILE.json; "
        "FILE.py:FUNCTION",
    )
    split: str = option("predefined", help="set of networks that --arch counts in")
    nets: str | None = option(
        None, help="file or folder of DeepNets-1M networks; none draws those of a split by rules"
    )
    small: bool = option(False, help="draw narrow and shallow networks")
    init_channels: int | None = option(None, help="initial width of a genotype; none: 8, 36")
    layers: int | None = option(None, help="number of cells of a genotype; none: 6, 20")

    begin: StartFlags = flat(StartFlags)
    bn_images: int = option(64, help="training images that a start's statistics come from")
    n_shots: int | None = option(None, help="only the first so many training images")

    epochs: int = option(10, "-e", help="passes over the training images; 0 only tests")
    batch_size: int = option(2, "-b", help="images a step")
    test_batch_size: int = option(1, help="images a pass of tests")
    regions: int | None = option(
        None, help="regions an image that the box head learns on; none: 32, 512"
    )
    opt: str = option("sgd", help="optimiser", choices=OPTIMIZERS)
    lr: float | None = option(None, help="learning rate; none: 0.01, 0.005")
    wd: float = option(5e-4, help="weight decay")
    momentum: float = option(0.9, help="momentum of SGD")
    grad_clip: float = option(0.0, help="largest norm of the gradient; 0 for none")
    lr_steps: tuple[int, ...] | None = option(
        None, help="epochs that lower the learning rate; none: every third"
    )
    gamma: float = option(0.1, "-g", help="factor of the learning rate at such an epoch")
    amp: bool = option(False, help="compute in bfloat16 where that is possible")

    seed: int = option(1111, "-s", help="seed of shapes, split, weights and draws")
    device: str | None = option(None, help="none takes a GPU if there is one")
    num_workers: int = option(4, "-w", help="threads that decode image files")
    save_dir: str = option("runs", "-S", help="folder of run folders; none keeps nothing")
    name: str | None = option(None, help="name of the run folder; none makes one from the settings")
    resume: bool = option(True, help="go on with a run that was stopped")
    log_interval: int = option(10, "-l", help="has no effect: a bar shows the loss at any time")
    debug: int = option(1, help="0: no progress bar")

    auxiliary: bool = option(False, help=_NOT_HERE)
    auxiliary_weight: float = option(0.4, help=_NOT_HERE)
    cutout: bool = option(False, help=_NOT_HERE)
    cutout_length: int = option(16, help=_NOT_HERE)
    drop_path_prob: float = option(0.0, help=_NOT_HERE)
    multigpu: bool = option(False, help=_NOT_HERE)
    noise: bool = option(False, help=_NOT_HERE)
    scheduler: str | None = option(None, help=_NOT_HERE)
    val: bool = option(False, help=_NOT_HERE)

    def __post_init__(self) -> None:
        if not self.dataset.endswith(".json"):
            more = "FILE.json of annotations as COCO has them"
            choose("data set", self.dataset, DATASETS, where="dataset", more=more)
        defaults = {f.name: f.default for f in fields(self)}
        for name in _REFUSED:
            if getattr(self, name) != defaults[name]:
                raise ValueError(f"--{name}: {_NOT_HERE.replace('any other', 'a changed')}")
        if self.n_shots is not None and self.n_shots < 1:
            raise ValueError(f"--n_shots: expected 1 image or more, got {self.n_shots}")

    def resolved(self) -> DetectConfig:
        """Return the settings with the data set's defaults in place of every None.

        Only `image_size` may stay None, as it depends on the network, too.
        """
        shapes = self.dataset == "shapes"
        defaults: dict[str, Any] = {
            "init_channels": 8 if shapes else 36,
            "layers": 6 if shapes else 20,
            "regions": 32 if shapes else 512,
            "lr": 0.01 if shapes else 0.005,
            "device": "cuda" if torch.cuda.is_available() else "cpu",
        }
        changed = {k: v for k, v in defaults.items() if getattr(self, k) is None}
        named = replace(self, **changed)
        own = run_name(
            arch=named.arch,
            split=named.split,
            dataset=Path(named.dataset).stem,
            shots=named.n_shots,
            start=named.begin.label,
            seed=named.seed,
        )
        return replace(named, name=named.name or own)

    def network(self) -> NamedNetwork:
        """Build the network of the backbone."""
        c = self.resolved()
        assert c.init_channels is not None and c.layers is not None
        return backbone_network(
            c.arch,
            split=c.split,
            nets=c.nets,
            small=c.small,
            channels=c.init_channels,
            n_cells=c.layers,
            pretrained=c.begin.pretrained,
            seed=c.seed,
        )

    def start(self) -> Start:
        """Return the weights that the backbone begins with."""
        return self.begin.start(self.bn_images)

    def recipe(self, network: NamedNetwork) -> DetectionRecipe:
        """Return the recipe for a network."""
        c = self.resolved()
        assert c.regions is not None and c.lr is not None
        vit = isinstance(network.model, Network) and network.model.config.genotype == ViT
        own = 256 if c.dataset == "shapes" else 320 if vit else 800
        return DetectionRecipe(
            epochs=c.epochs,
            batch_size=c.batch_size,
            test_batch_size=c.test_batch_size,
            image_size=own if c.image_size is None else c.image_size,
            regions=c.regions,
            lr=c.lr,
            milestones=c.lr_steps,
            gamma=c.gamma,
            optimizer=c.opt,
            momentum=c.momentum,
            weight_decay=c.wd,
            grad_clip=c.grad_clip,
            amp=c.amp,
        )

    def images(self) -> tuple[DetectionData, DetectionData]:
        """Load the images of training and of the test.

        Raises:
            ValueError: Data that are wrong, or fewer images than are asked for.
            FileNotFoundError: The data are not there; says where they are.
        """
        if self.dataset == "shapes":
            data = make_shapes(self.shapes, image_size=self.shapes_size, seed=self.seed)
        elif self.dataset.endswith(".json"):
            data = read_coco(self.dataset, self.data_dir, decoders=self.num_workers)
        else:
            above = default_data_dir() if self.data_dir is None else Path(self.data_dir)
            found = find_folder(above, (self.dataset, "."), ("PNGImages", "PedMasks"))
            data = read_penn_fudan(found or above / self.dataset, decoders=self.num_workers)
        train, test = data.split_off_test(self.seed, self.test_images)
        shots = len(train) if self.n_shots is None else self.n_shots
        if shots > len(train):
            raise ValueError(f"--n_shots: {train.name} has {len(train)} training images")
        return train.subset(range(shots)), test
