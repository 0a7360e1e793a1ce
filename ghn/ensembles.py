"""Are several predictions for one network better together? Beside as many trained networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from tqdm import tqdm

from ghn.decoding.noise import draw_noise, likeness
from ghn.evaluation import Forward, network_function
from ghn.model import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import NetConfig, Network
from graph2nn.families import Net
from graph2nn.runs import seeded
from graph2nn.training import Recipe, train_networks
from graph2nn.vision import Augment, Batches, ImageData

__all__ = ["Ensemble", "evaluate_members", "evaluate_samples", "evaluate_trained"]


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Several classifiers of one architecture, alone and together; percent of the images.

    Args:
        members: Accuracy of each of them.
        together: Accuracy of the mean of their softmax outputs.
        disagreement: Images that two members classify differently, mean over pairs (0 for one).
        likeness: Mean cosine between the weights of two members (`ghn.decoding.noise.likeness`).
        mean: Accuracy under the mean of the noise (`GHN.predict`); None for trained networks.
    """

    members: tuple[float, ...]
    together: float
    disagreement: float
    likeness: float
    mean: float | None = None


@torch.no_grad()
def evaluate_members(
    members: Sequence[Forward], batches: Batches
) -> tuple[list[float], float, float]:
    """Evaluate classifiers alone and together.

    Args:
        members: Functions from images (B, C, H, W) to logits (B, classes), at least one. Where
            logits are not finite a member says nothing: it is wrong, and counts as undecided.
        batches: Images with labels.

    Returns:
        Accuracy of each, of the mean of their softmax outputs, and mean disagreement of two, in
        percent.

    Raises:
        ValueError: No member.
    """
    if not members:
        raise ValueError("members: expected at least one classifier, got none")
    alone = torch.zeros(len(members), dtype=torch.float64)
    together = apart = images = 0.0
    for inputs, labels in batches:
        shares = torch.stack([_softmax(member(inputs)) for member in members])  # (n, B, classes)
        said = torch.where(shares.amax(2) > shares.amin(2), shares.argmax(2), -1)
        alone += (said == labels).sum(1).cpu()
        together += float((shares.mean(0).argmax(1) == labels).sum())
        pairs = list(combinations(range(len(members)), 2))
        apart += sum(float((said[i] != said[j]).sum()) for i, j in pairs) / max(1, len(pairs))
        images += len(labels)
    scale = 100 / images
    return (scale * alone).tolist(), scale * together, scale * apart


@torch.no_grad()
def evaluate_samples(
    ghn: GHN,
    nets: Sequence[tuple[Net, ArchGraph]],
    batches: Batches,
    count: int,
    *,
    seed: int = 0,
    progress: bool = True,
) -> list[Ensemble]:
    """Sample parameters of each network several times, and measure them alone and together.

    Args:
        ghn: A hypernetwork with noise, in evaluation mode meanwhile.
        nets: Networks with their graphs.
        batches: Images with labels.
        count: Number of samples a network.
        seed: Seed of the noise; network k draws from seed + k.
        progress: Whether to show a bar.

    Raises:
        ValueError: No sample is asked for, or the hypernetwork has no noise.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1 sample, got {count}")
    was_training, found = ghn.training, []
    ghn.eval()
    for k, (net, graph) in enumerate(tqdm(nets, disable=not progress, leave=False)):
        noise = draw_noise([seed + k], ghn.config.noise, count=count)
        drawn = [ghn.predict_graphs([graph], noise=one)[0] for one in noise]
        every = [*drawn, ghn.predict_graphs([graph])[0]]
        functions = [network_function(net, parameters) for parameters in every]
        members, together, apart = evaluate_members(functions[:-1], batches)
        (mean,), _, _ = evaluate_members(functions[-1:], batches)
        found.append(_ensemble(drawn, members, together, apart, mean=mean))
    ghn.train(was_training)
    return found


def evaluate_trained(
    config: NetConfig,
    train: ImageData,
    batches: Batches,
    count: int,
    *,
    recipe: Recipe,
    seed: int = 0,
    progress: bool = True,
) -> Ensemble:
    """Train one network from several seeds, and measure what comes of it alone and together.

    Args:
        config: The network.
        train: Training images.
        batches: Images with labels to measure on.
        count: Number of initialisations, of seeds `seed` and up.
        recipe: Recipe of training.
        seed: First seed of initial weights, and seed of the order of images, which all share.
        progress: Whether to show a bar.
    """
    networks = {}
    for k in range(count):
        with seeded(seed + k):
            networks[f"seed {seed + k}"] = Network(config)
    train_networks(
        networks,
        train,
        batches.data,
        recipe,
        seed=seed,
        device=batches.device,
        augment=Augment(crop=False, flip=False),  # as hypernetworks are trained on digits
        progress=progress,
    )
    functions: list[Forward] = list(networks.values())
    parameters = [dict(net.named_parameters()) for net in networks.values()]
    return _ensemble(parameters, *evaluate_members(functions, batches))


@torch.no_grad()
def _ensemble(
    parameters: Sequence[Mapping[str, Tensor]],
    members: list[float],
    together: float,
    apart: float,
    mean: float | None = None,
) -> Ensemble:
    alike = [float(likeness(a, b)) for a, b in combinations(parameters, 2)] or [1.0]
    return Ensemble(
        members=tuple(members),
        together=together,
        disagreement=apart,
        likeness=sum(alike) / len(alike),
        mean=mean,
    )


def _softmax(found: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Shares of the classes, equal ones where logits are not finite. Shapes: (B, classes)."""
    logits = (found[0] if isinstance(found, tuple) else found).float()
    undecided = ~logits.isfinite().all(1, keepdim=True)
    return logits.masked_fill(undecided, 0).softmax(1)
