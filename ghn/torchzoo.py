"""Torchvision's classifiers as networks to evaluate, and networks with initial weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from ghn.adjust import adjust_net
from ghn.evaluation import NetResult, accuracy
from ghn.model import GHN
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.tracer import View
from graph2nn.deprecated import renamed_keywords
from graph2nn.families import Net, build_network
from graph2nn.runs import seeded
from graph2nn.training.costs import count_parameters
from graph2nn.training.precise_bn import use_batch_statistics
from graph2nn.vision import Batches

__all__ = [
    "build_classifier",
    "classifier_names",
    "evaluate_classifiers",
    "evaluate_initial",
    "evaluate_module",
]

SMALL = 64
"""Largest side, in pixels, of images that classifiers are adjusted to."""


def classifier_names() -> list[str]:
    """List the names of all torchvision classifiers, in alphabetical order.

    Raises:
        ValueError: Torchvision is not installed.
    """
    return _torchvision().list_models(module=_torchvision())


@renamed_keywords(imsize="image_size")
def build_classifier(
    name: str, *, num_classes: int, image_size: int, seed: int = 0, pretrained: bool = False
) -> nn.Module:
    """Build a torchvision classifier with torch's default initial weights, or published ones.

    For sides of at most 64 pixels the first layers lose their downsampling (`adjust_net`); vision
    transformers are built for the given side.

    Args:
        name: Name in `classifier_names`.
        num_classes: Size of the last layer; that of pretrained networks is 1000 whatever it is.
        image_size: Side of the images in pixels.
        seed: Seed of the initial weights.
        pretrained: Whether to take torchvision's best weights for ImageNet, which are downloaded.

    Raises:
        ValueError: An unknown name, an architecture that cannot take such images, or that has no
            published weights.
    """
    models = _torchvision()
    if name not in classifier_names():
        raise ValueError(f"torchvision has no classifier {name!r}; see torchvision.models")
    sized = {"vit_": "image_size", "maxvit_": "input_size"}
    extra: dict[str, Any] = {}
    for prefix, argument in sized.items():
        if name.startswith(prefix):
            extra[argument] = image_size if argument == "image_size" else (image_size, image_size)
    with warnings.catch_warnings(), seeded(seed):
        warnings.simplefilter("ignore")  # about initial weights and missing rules of adjust_net
        try:
            how = {"weights": "DEFAULT"} if pretrained else {"num_classes": num_classes}
            model = models.get_model(name, **how, **extra)
        except (AssertionError, KeyError, RuntimeError, ValueError) as error:
            raise ValueError(f"{name} cannot be built for {image_size} pixels: {error}") from None
        adjust_net(model, large_input=image_size > SMALL)
    model.expected_input_sz = image_size
    return model


def evaluate_module(
    model: nn.Module, batches: Batches, *, index: int = 0, num_nodes: int = 0
) -> NetResult:
    """Measure the accuracy of a network as it is, normalising by batch.

    `index` and `num_nodes` are noted.
    """
    model.to(batches.device).eval()
    use_batch_statistics(model)
    top1, top5 = accuracy(model, batches)
    size = count_parameters(model)
    return NetResult(index=index, top1=top1, top5=top5, num_params=size, num_nodes=num_nodes)


def evaluate_initial(
    nets: Iterable[tuple[Net, ArchGraph]],
    batches: Batches,
    *,
    seed: int = 0,
    progress: bool = True,
    title: str = "initial weights",
) -> list[NetResult]:
    """Measure networks of any family with their default initial weights.

    That is what a hypernetwork must beat.
    """
    results = []
    nets = nets if isinstance(nets, Sequence) else list(nets)
    for index, (net, graph) in enumerate(tqdm(nets, desc=title, disable=not progress, leave=False)):
        with seeded(seed + index):
            model = build_network(net)
        result = evaluate_module(model, batches, index=index, num_nodes=graph.num_nodes)
        results.append(result)
    return results


def evaluate_classifiers(
    methods: Mapping[str, GHN | None],
    names: Sequence[str],
    batches: Batches,
    *,
    seed: int = 0,
    progress: bool = True,
    title: str = "torchvision",
) -> tuple[dict[str, dict[str, NetResult]], dict[str, str]]:
    """Measure torchvision classifiers with parameters of several methods.

    As in arXiv:2303.04143, section 4. Every classifier is built once, its weights are overwritten
    by one hypernetwork after another.

    Args:
        methods: Hypernetworks by name; None stands for torch's initial weights and comes first.
        names: Names of classifiers.
        batches: The images.
        seed: Seed of the initial weights.
        progress, title: Whether there is a progress bar, and its title.

    Returns:
        Results by method and classifier, and the reason for every classifier that was skipped:
        one that cannot take such small images, or does not fit into memory. Such a classifier is
        missing under every method, so that means compare.
    """
    results: dict[str, dict[str, NetResult]] = {method: {} for method in methods}
    skipped: dict[str, str] = {}
    for index, name in enumerate(tqdm(names, desc=title, disable=not progress, leave=False)):
        try:
            found = _evaluate_classifier(methods, name, index, batches, seed)
        except (ValueError, RuntimeError) as error:
            skipped[name] = str(error).splitlines()[0]
            continue
        for method, result in found.items():
            results[method][name] = result
    return results, skipped


@torch.no_grad()
def _evaluate_classifier(
    methods: Mapping[str, GHN | None], name: str, index: int, batches: Batches, seed: int
) -> dict[str, NetResult]:
    data = batches.data
    model = build_classifier(
        name, num_classes=data.num_classes, image_size=data.image_size, seed=seed + index
    )
    example = torch.zeros(2, data.channels, data.image_size, data.image_size)
    model.to(batches.device).eval()
    graphs: dict[View, ArchGraph] = {}
    results = {}
    for method, ghn in sorted(methods.items(), key=lambda item: item[1] is not None):
        view: View = "ghn3" if ghn is not None and ghn.config.is_ghn3 else "ghn2"
        if view not in graphs:
            graphs[view] = trace(model, example, view=view)
        graph = graphs[view]
        if ghn is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # parameters that the forward pass does not use
                ghn(model, example, graph=graph)
        nodes = graph.num_nodes
        results[method] = evaluate_module(model, batches, index=index, num_nodes=nodes)
    return results


def _torchvision() -> Any:
    try:
        from torchvision import models
    except ImportError:
        raise ValueError(
            'torchvision is not installed; run: pip install "netwright[vision]"'
        ) from None
    return models
