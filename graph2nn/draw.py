"""Draw the graph of a network: a command line.

python -m graph2nn.draw resnet50 --out resnet50.png
python -m graph2nn.draw vit_b_16 --view full --out vit.html
python -m graph2nn.draw vit_b_16 --view full --fold auto --out vit.pdf
python -m graph2nn.draw deepnets:test:3 --out network.svg
"""

# To be run; from Python, call `graph2nn.archgraph.draw`.

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.pictures.drawing import draw
from graph2nn.archgraph.tracer import trace
from graph2nn.runs import option, parse_config

__all__ = ["DrawConfig", "main"]


@dataclass(frozen=True, kw_only=True)
class DrawConfig:
    """Arguments of the command."""

    network: str = option(positional=True, help="torchvision name, or deepnets:<split>:<number>")
    out: str | None = option(None, "-o", help="picture or .html page; none for <network>.png")
    view: Literal["ghn2", "ghn3", "full", "primitives"] = option("ghn2", help="view of the network")
    image_size: int | None = option(
        None, "-i", help="side of the images; none for 224, deepnets 32", name="imsize"
    )
    classes: int = option(1000, help="classes")
    virtual_edges: int = option(1, "-v", help="also draw shortest paths up to this length")
    labels: Literal["auto", "yes", "no"] = option("auto", help="write into the nodes")
    fold: str | None = option(
        None, help='levels of modules that a picture shows, or "auto"; none for every node'
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Build the graph, draw it, say where."""
    config = parse_config(DrawConfig, argv, description=__doc__)
    out = config.out or f"{config.network.replace(':', '-')}.png"
    labels: bool | Literal["auto"] = "auto" if config.labels == "auto" else config.labels == "yes"
    virtual = config.virtual_edges if config.virtual_edges > 1 else False
    fold = _fold(config.fold)
    graph = _graph(config)
    draw(graph, out, labels=labels, virtual_edges=virtual, fold=fold)
    print(f"{graph!r} drawn to {out}")


def _fold(text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not text.isdecimal():
        raise ValueError(f'--fold: expected a number of levels or "auto", got {text!r}')
    return int(text)


def _graph(config: DrawConfig) -> ArchGraph:
    kind, *place = config.network.split(":")
    if kind == "deepnets":
        return _deepnets_graph(config, place)
    try:
        from torchvision import models
    except ImportError:
        raise ValueError(
            'torchvision is not installed; run: pip install "netwright[vision]"'
        ) from None
    if config.network not in models.list_models():
        raise ValueError(
            f"no network {config.network!r}: expected a name of torchvision.models.list_models() "
            "or deepnets:<split>:<number>"
        )
    with torch.device("meta"):
        model = models.get_model(config.network, weights=None, num_classes=config.classes)
    side = config.image_size
    example = None if side is None else torch.empty(2, 3, side, side, device="meta")
    return trace(model, example, view=config.view).replace(name=config.network)


def _deepnets_graph(config: DrawConfig, place: list[str]) -> ArchGraph:
    from graph2nn.deepnets import Network, build_graph, eval_nets

    if len(place) != 2 or not place[1].isdecimal():
        raise ValueError(f"expected deepnets:<split>:<number>, got {config.network!r}")
    split, number = place[0], int(place[1])
    side = config.image_size or 32
    nets = eval_nets(split, number + 1, image_size=side, num_classes=config.classes)
    if number >= len(nets):
        raise ValueError(f"split {split!r} has {len(nets)} network(s), got number {number}")
    if config.view == "ghn2":
        return build_graph(nets[number], name=config.network)
    graph = trace(Network(nets[number], device="meta"), view=config.view)
    return graph.replace(name=config.network)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"draw: {error}")
