"""Which network is meant? A network of any family by the name that a command line gives it."""

from __future__ import annotations

import importlib.util
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ghn.finetuning.layers import replace_classes
from ghn.torchzoo import build_classifier, classifier_names
from ghn.training.networks import nets_from_file
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.tracer import View
from graph2nn.deepnets import (
    GENOTYPES,
    SPLITS,
    NetConfig,
    Network,
    ViT,
    build_graph,
    eval_net,
    eval_nets,
    split_rules,
)
from graph2nn.families import FAMILIES, build_network
from graph2nn.families.blueprint import Blueprint
from graph2nn.names import choose
from graph2nn.relational import GENERATORS, MODELS, build_model, read_graph
from graph2nn.relational.message_rounds import trace_relational
from graph2nn.runs import seeded
from graph2nn.training.probe import module_modes
from graph2nn.vision import ImageData
from graph2nn.wirings.as_archgraph import trace_wiring
from graph2nn.wirings.campaign.published import CONFIGS, find_config
from graph2nn.wirings.networks.tiny import TinyWiring

__all__ = ["PREDEFINED", "NamedNetwork", "named_network"]

PREDEFINED = ("resnet50", "vit")
"""Networks of the published split `predefined`, in its order."""

_SETS = (*SPLITS, "predefined", *FAMILIES)
_PLACE = re.compile(r"(?P<split>\w+)-(?P<number>\d+)")


@dataclass(frozen=True, kw_only=True)
class NamedNetwork:
    """A network with what is known of it.

    Args:
        name: Short name, fit for folders.
        model: The network, with initial weights.
        graph: Graph that a hypernetwork reads; None where it is to be traced.
    """

    name: str
    model: nn.Module
    graph: ArchGraph | None = None

    def archgraph(self, images: ImageData, view: View = "ghn2") -> ArchGraph:
        """Return the graph under the network's name, traced where it is not at hand.

        Args:
            images: Images that the network is for.
            view: View of the trace, see `trace`; `ghn2` is what hypernetworks read.
        """
        if self.graph is not None and view == "ghn2":
            return self.graph.replace(name=self.name)
        zeros = torch.zeros(2, images.channels, images.image_size, images.image_size)
        return trace(self.model, zeros, view=view).replace(name=self.name)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is asked for besides the name."""

    images: ImageData
    split: str
    nets: str | None
    small: bool | None
    channels: int
    n_cells: int
    auxiliary: bool
    pretrained: bool
    seed: int

    @property
    def kind(self) -> dict[str, Any]:
        """Images in the words of networks."""
        return {
            "num_classes": self.images.num_classes,
            "image_size": self.images.image_size,
            "in_channels": self.images.channels,
        }


def named_network(
    arch: str | int,
    images: ImageData,
    *,
    split: str = "predefined",
    nets: str | None = None,
    small: bool | None = None,
    channels: int = 36,
    n_cells: int = 20,
    auxiliary: bool = False,
    pretrained: bool = False,
    seed: int = 0,
) -> NamedNetwork:
    """Build the network that a name stands for, for the given images.

    Normalisation keeps running statistics, also in DeepNets-1M networks, whose own kind uses those
    of the batch alone, as in the published training.

    Args:
        arch: A number, of a network of `split`, or both as in `test-0`; a genotype (DARTS, PDARTS,
            ViT); a network of torchvision, or of timm behind `timm:`; a relational graph, as
            `read_graph` takes it, also with `model`, `dims` and `depths` of `build_model`
            (`ws:n=64,k=8,p=0.1` is the published perceptron,
            `ws:n=16,k=4,model=cnn6,dims=32-64,depths=1-1` a convolutional network); a
            configuration of wirings (`small/static_dnw`); a `.json` file with the configuration of
            a DeepNets-1M network; or `FILE.py:FUNCTION`, called with the keywords `num_classes`,
            `image_size` and `in_channels`.
        images: Images that it is for.
        split: Split of a number: of DeepNets-1M (`graph2nn.deepnets.SPLITS`), `predefined`, or a
            family of `graph2nn.families`.
        nets: File or folder that the networks of a split are read from; None draws them by rules.
        small: Whether rules are those of small networks; None means below 32 pixels.
        channels, n_cells: Initial width and number of cells of a genotype.
        auxiliary: Whether a DeepNets-1M network has an auxiliary head.
        pretrained: Whether weights are those that torchvision or timm publish. Where those are for
            other classes, the last layer has initial weights.
        seed: Seed of the initial weights.

    Raises:
        ValueError: A name that stands for nothing, or a network that cannot take the images.
        FileNotFoundError: There is no such file.

    Examples:
        >>> from graph2nn.vision import load_images
        >>> found = named_network(0, load_images("digits"), split="test")
        >>> found.name, found.graph.num_classes
        ('test-0', 10)
    """
    place = _PLACE.fullmatch(str(arch))
    if place and place["split"] in _SETS:
        split, arch = place["split"], place["number"]
    wanted = _Wanted(
        images=images,
        split=split,
        nets=nets,
        small=small,
        channels=channels,
        n_cells=n_cells,
        auxiliary=auxiliary,
        pretrained=pretrained,
        seed=seed,
    )
    with seeded(seed):
        found = _reader(str(arch))(str(arch), wanted)
    if auxiliary and not isinstance(found.model, Network):
        raise ValueError(f"{found.name}: auxiliary heads are there for DeepNets-1M networks only")
    _check_images(found, images)
    return found


def _reader(arch: str) -> Callable[[str, _Wanted], NamedNetwork]:
    """Which kind of name is it?"""
    head = arch.partition(":")[0]
    if arch.lstrip("-").isdecimal():
        return _numbered
    if arch in GENOTYPES:
        return _genotype
    if head == "timm":
        return _timm
    if head in GENERATORS:
        return _relational
    if head.endswith(".py"):
        return _function
    if arch.endswith(".json"):
        return _configured
    return _wiring if arch in CONFIGS else _torchvision


def _no_pretrained(what: str, wanted: _Wanted) -> None:
    if wanted.pretrained:
        raise ValueError(f"pretrained: nobody publishes weights of {what}; torchvision and timm do")


def _numbered(arch: str, wanted: _Wanted) -> NamedNetwork:
    index, split = int(arch), wanted.split
    choose("split", split, _SETS, where="split")
    if index < 0:
        raise ValueError(f"arch: expected a number from 0 up, got {index}")
    if split == "predefined" and wanted.nets is None:
        if index >= len(PREDEFINED):
            listed = ", ".join(f"{k} {name}" for k, name in enumerate(PREDEFINED))
            raise ValueError(f"arch: predefined has {listed}, got {index}")
        if PREDEFINED[index] != "vit":
            return _torchvision(PREDEFINED[index], wanted)
    name = f"{split}-{index}"
    _no_pretrained(name, wanted)
    if split in FAMILIES:
        net: Blueprint = FAMILIES[split](0, held_out=True, **wanted.kind).item(index)[0]
        return NamedNetwork(name=name, model=build_network(net), graph=net.archgraph())
    return _deepnet(name, _drawn(split, index, wanted), wanted)


def _drawn(split: str, index: int, wanted: _Wanted) -> NetConfig:
    if wanted.nets is not None:
        source = nets_from_file(wanted.nets, split, index + 1, **wanted.kind)
        if index >= len(source):
            raise ValueError(f"arch: {wanted.nets} has {len(source)} networks, got {index}")
        return source.item(index)[0]
    if split == "predefined":
        return eval_nets(split, 1, **wanted.kind)[0]
    rules = split_rules(split, image_size=wanted.images.image_size, small=wanted.small)
    return eval_net(split, index, rules=rules, **wanted.kind)


def _genotype(arch: str, wanted: _Wanted) -> NamedNetwork:
    _no_pretrained(arch, wanted)
    config = NetConfig(
        genotype=GENOTYPES[arch],
        n_cells=wanted.n_cells,
        C=wanted.channels,
        stem_type=1,
        C_mult=1 if GENOTYPES[arch] == ViT else 2,
        preproc=GENOTYPES[arch] != ViT,
        **wanted.kind,
    )
    return _deepnet(arch, config, wanted)


def _configured(arch: str, wanted: _Wanted) -> NamedNetwork:
    path = Path(arch)
    _no_pretrained(path.stem, wanted)
    try:
        config = NetConfig.from_json(json.loads(path.read_text(encoding="utf-8")), **wanted.kind)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} does not hold the configuration of one network, as NetConfig.to_json gives "
            f"it ({type(error).__name__}: {error})"
        ) from None
    return _deepnet(path.stem, config, wanted)


def _deepnet(name: str, config: NetConfig, wanted: _Wanted) -> NamedNetwork:
    norm = "bn-track" if config.has_norm else None
    config = config.with_(norm=norm, auxiliary=wanted.auxiliary)
    return NamedNetwork(name=name, model=Network(config), graph=build_graph(config))


def _torchvision(arch: str, wanted: _Wanted) -> NamedNetwork:
    name = arch.lower()
    if name not in classifier_names():
        kinds = [*GENOTYPES, *classifier_names(), *CONFIGS]
        more = "a number of the split, timm:NAME, a graph (ws:n=64,k=8,p=0.1), FILE.json, FILE.py:F"
        choose("network", arch, kinds, where="arch", more=more)
    sizes = {"num_classes": wanted.images.num_classes, "image_size": wanted.images.image_size}
    model = build_classifier(name, seed=wanted.seed, pretrained=wanted.pretrained, **sizes)
    replace_classes(model, wanted.images.num_classes)
    return NamedNetwork(name=name, model=model)


def _timm(arch: str, wanted: _Wanted) -> NamedNetwork:
    try:
        import timm
    except ImportError:
        raise ValueError('timm is not installed; run: pip install "netwright[timm]"') from None
    name = arch.partition(":")[2]
    choose("model of timm", name.partition(".")[0], timm.list_models(), where="arch")
    how: dict[str, Any] = {"pretrained": wanted.pretrained, "in_chans": wanted.images.channels}
    how["num_classes"] = wanted.images.num_classes
    try:
        model = timm.create_model(name, img_size=wanted.images.image_size, **how)
    except TypeError:  # most networks take any size, and no argument for it
        model = timm.create_model(name, **how)
    return NamedNetwork(name=f"timm-{name}", model=model)


def _relational(arch: str, wanted: _Wanted) -> NamedNetwork:
    _no_pretrained("relational networks", wanted)
    kind, _, settings = arch.partition(":")
    own: dict[str, Any] = {"model": "mlp"}
    others = []
    for part in settings.split(","):
        key, _, value = part.partition("=")
        if key in ("dims", "depths"):
            try:
                own["base_dims" if key == "dims" else key] = [int(n) for n in value.split("-")]
            except ValueError:
                raise ValueError(
                    f"arch: cannot read {part!r}; expected whole numbers such as {key}=32-64"
                ) from None
        elif key == "model":
            own["model"] = choose("relational network", value, list(MODELS), where="arch")
        else:
            others.append(part)
    graph = read_graph(f"{kind}:{','.join(others)}")
    name = own.pop("model")
    if "base_dims" in own:
        own["dim_first"] = own["base_dims"][0]
    model = build_model(name, graph, seed=wanted.seed, **wanted.kind, **own)
    label = "_".join([kind, *(part.replace("=", "") for part in settings.split(","))])
    return NamedNetwork(name=label, model=model, graph=trace_relational(model))


def _wiring(arch: str, wanted: _Wanted) -> NamedNetwork:
    _no_pretrained("wirings", wanted)
    config = replace(find_config(arch), seed=wanted.seed)
    if config.kind in ("given", "fine_tune", "lottery", "rigl", "set"):
        raise ValueError(
            f"arch: {arch} needs more than gradients or other edges; use experiments/wirings.py"
        )
    model = config.build(wanted.images)
    graph = trace_wiring(model) if isinstance(model, TinyWiring) else None
    return NamedNetwork(name=arch.replace("/", "-"), model=model, graph=graph)


def _function(arch: str, wanted: _Wanted) -> NamedNetwork:
    path, name = Path(arch.partition(":")[0]), arch.partition(":")[2]
    if not path.is_file():
        raise FileNotFoundError(f"arch: {path} does not exist")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    functions = {k: v for k, v in vars(module).items() if callable(v) and not k.startswith("_")}
    model = choose("function", name, functions, where=str(path))(**wanted.kind)
    if not isinstance(model, nn.Module):
        raise ValueError(f"{arch}: expected a module, got {type(model).__name__}")
    if wanted.pretrained:
        replace_classes(model, wanted.images.num_classes)
    return NamedNetwork(name=name, model=model)


@torch.no_grad()
def _check_images(found: NamedNetwork, images: ImageData) -> None:
    """Run the network on two images of zeros, with nothing of it changed."""
    side = images.image_size
    zeros = torch.zeros(2, images.channels, side, side)
    try:
        with module_modes(found.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logits = found.model.eval()(zeros)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{found.name} cannot take images of {images.channels} channels and {side}x{side} "
            f"pixels: {reason}"
        ) from None
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, images.num_classes):
        got = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(
            f"{found.name}: expected logits of shape [2, {images.num_classes}] for two images, as "
            f"{images.name} has {images.num_classes} classes, got {got}"
        )
