"""Training of wirings by the common trainer, with curves of the graph; and what runs leave."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.runs import read_metrics, save_checkpoint, to_dict
from graph2nn.training import Observer, Record, train_networks
from graph2nn.vision import Augment, ImageData
from graph2nn.wirings.campaign.checkpoints import FINAL, INITIAL
from graph2nn.wirings.campaign.config import WiringConfig, image_settings
from graph2nn.wirings.campaign.figures import animate, draw_adjacency, plot_curves
from graph2nn.wirings.campaign.start import find_start
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.masks import swap_rate, wiring_masks
from graph2nn.wirings.edges.rewiring import Rewiring, RewiringSchedule
from graph2nn.wirings.graphs.measures import measure_wiring
from graph2nn.wirings.networks.as_graph import wiring_graph
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.tiny import TinyWiring

__all__ = ["WiringObserver", "draw_run", "train_wiring"]

_SOURCES = 256  # of distances in graphs of more nodes than a tiny network has
_MEASURES = ("C", "L", "alive", "in_entropy", "out_entropy")
_FIGURES = "figures"


class WiringObserver(Observer):
    """What exchanges edges where the kind asks for it, and follows the graph epoch by epoch.

    Each record gets `edges` (that the network uses), `swap_rate` (share of them that were exchanged
    since the last record; None at first) and, for networks that `wiring_graph` knows, `C`, `L`,
    `alive` nodes and the entropies of degrees (`measure_wiring`; L from 256 nodes where there are
    more than 1000); in continuous time also `nfe`, the solver's evaluations on the last test batch.
    With a folder, the weights before training go to `initial.pt` and a picture of every epoch to
    `figures/adjacency_XXX.png`.

    Args:
        model: Network that is trained.
        config: Its configuration.
        images: Images that it is trained on.
        steps: Number of steps of the optimiser in the whole training.
        folder: Folder of the run; None draws and stores nothing.
        pictures: Whether to draw.
    """

    def __init__(
        self,
        model: nn.Module,
        config: WiringConfig,
        images: ImageData,
        steps: int,
        *,
        folder: str | Path | None = None,
        pictures: bool = True,
    ) -> None:
        schedule = RewiringSchedule(
            total_steps=steps,
            interval=config.rewire_every,
            fraction=config.rewire_fraction,
            decay=config.kind != "set",
        )
        self.model, self.config, self.pictures = model, config, pictures
        self.folder = None if folder is None else Path(folder)
        self.images = image_settings(images)
        self.rewiring = Rewiring(model, schedule, seed=config.seed)
        if self.rewiring.layers and not any(map(schedule.due, range(steps))):
            warnings.warn(
                f"{config.kind}: no edge is ever exchanged, with one exchange every "
                f"{config.rewire_every} of {steps} steps; lower rewire_every",
                stacklevel=2,
            )
        self._before: dict[str, Tensor] = {}

    def settings(self) -> dict[str, Any]:
        """Return the configuration, and the images that the network takes."""
        return {"wiring": to_dict(self.config), "images": self.images}

    def before_step(self, step: int) -> None:
        self.rewiring.before_step(step)

    def after_step(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        self.rewiring.after_step(step, optimizer)

    def after_epoch(self, epoch: int) -> dict[str, float | int | None]:
        masks = {name: mask.cpu() for name, mask in wiring_masks(self.model).items()}
        if epoch == 0 and self.folder is not None:
            payload = {"kind": INITIAL, "weights": self.model.state_dict()}
            save_checkpoint(self.folder / "initial.pt", payload)
        if not masks:
            return {}
        if self.folder is not None and self.pictures:
            path = self.folder / _FIGURES / f"adjacency_{epoch:03d}.png"
            title = f"{self.config.name}, epoch {epoch}"
            draw_adjacency(self.model, path, before=self._before, title=title)
        found: dict[str, float | int | None] = {
            "edges": sum(int(mask.sum()) for mask in masks.values()),
            "swap_rate": swap_rate(self._before, masks) if self._before else None,
            **_measured(self.model),
        }
        self._before = masks
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the edges at the last record, as bits."""
        packed = {
            name: {"shape": list(mask.shape), "bits": torch.from_numpy(np.packbits(mask.numpy()))}
            for name, mask in self._before.items()
        }
        return {"before": packed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._before = {}
        for name, packed in state["before"].items():
            count = int(np.prod(packed["shape"]))
            bits = np.unpackbits(packed["bits"].cpu().numpy(), count=count)
            self._before[name] = torch.from_numpy(bits).bool().view(packed["shape"])


def train_wiring(
    config: WiringConfig,
    train: ImageData,
    test: ImageData,
    *,
    folder: str | Path | None = None,
    resume: bool = True,
    pictures: bool = True,
    augment: Augment | None = None,
    edges: Any = None,
    **how: Any,
) -> tuple[nn.Module, list[Record]]:
    """Train the network of a configuration as published, and follow its graph.

    A run with a folder is saved after every epoch (and every `save_seconds`) and goes on from
    there to the same numbers; edges and the schedule by which they are exchanged are part of it.
    At its end the folder has `figures/curves.png` and `figures/adjacency.gif`.

    Args:
        config: Configuration; see `find_config`.
        train, test: Images to train and to test on.
        folder: Folder of the run; None keeps nothing.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        pictures: Whether to draw curves and adjacency.
        augment: Augmentation of training images; None means crops and, where the data allow it,
            flips.
        edges: Edges of kind `given`: anything that `given_masks` takes; None reads `config.edges`.
        how: Further arguments of `train_networks` (`device`, `progress`, `save_seconds`).

    Returns:
        The trained network, and its records: those of `train_networks` with the entries of
        `WiringObserver`.

    Raises:
        ValueError: The network cannot take such images, the folder is that of another run,
            `fine_tune` or `lottery` have no trained network, or `given` has no edges.

    Examples:
        >>> from graph2nn.vision import load_images
        >>> train, test = (load_images("digits", split=name) for name in ("trainval", "test"))
        >>> few = torch.arange(64)
        >>> config = find_config("small/static_dnw", dataset="digits", epochs=1, batch_size=32)
        >>> model, records = train_wiring(config, train.subset(few), test.subset(few))
        >>> [record["epoch"] for record in records]
        [0, 1]
    """
    recipe = config.recipe()
    resumed = resume and folder is not None and (Path(folder) / FINAL).is_file()
    model = config.build(train, find_start(config, edges, resumed=resumed))
    steps = recipe.epochs * -(-len(train) // recipe.batch_size)
    observer = WiringObserver(model, config, train, steps, folder=folder, pictures=pictures)
    records = train_networks(
        {config.name: model},
        train,
        test,
        recipe,
        seed=config.seed,
        folder=folder,
        resume=resume,
        augment=augment,
        observers={config.name: observer},
        save_epochs=True,
        **how,
    )
    if folder is not None and pictures:
        draw_run(folder)
    return model, records


def draw_run(folder: str | Path) -> list[Path]:
    """Draw the curves of a run and join its pictures to a moving one; return the files."""
    folder = Path(folder)
    records = read_metrics(folder)
    written = [plot_curves(records, folder / _FIGURES / "curves.png")]
    last = max(record["step"] for record in records)
    named = {int(p.stem.split("_")[1]): p for p in (folder / _FIGURES).glob("adjacency_*.png")}
    pictures = [named[epoch] for epoch in sorted(named) if epoch <= last]
    if pictures:
        written.append(animate(pictures, folder / _FIGURES / "adjacency.gif"))
    return written


def _measured(model: nn.Module) -> dict[str, float | int]:
    if not isinstance(model, (TinyWiring, WiredMobileNetV1, WiredConv)):
        return {}
    graph = wiring_graph(model, split_outputs=False)
    calls = {"nfe": model.nfe} if isinstance(model, ContinuousTimeWiring) else {}
    found = measure_wiring(graph, sources=None if graph.num_nodes <= 1000 else _SOURCES)
    return {**{name: getattr(found, name) for name in _MEASURES}, **calls}
