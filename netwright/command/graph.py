"""`netwright graph`: the graph of a network, as a page, a picture or a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graph2nn.archgraph import ArchGraph, TraceError, draw, to_dot
from graph2nn.runs import option
from netwright.command.inputs import INPUT_HELP, example_input
from netwright.command.targets import graph_of, is_file_target, model_of

__all__ = ["GraphCommand", "show_graph"]


@dataclass(frozen=True, kw_only=True)
class GraphCommand:
    """Make the graph of a network: a page to click through, a picture, a file.

    Without --html, --picture, --json and --dot, what the graph holds is printed.

    Examples:
        netwright graph torchvision.models:resnet50 --html net.html
        netwright graph torchvision.models:vit_b_16 --picture vit.svg --fold 2
        netwright graph models.py:small width=32 --json net.json.gz --dot net.dot
        netwright graph net.onnx --html net.html
    """

    target: str = option(positional=True, help="MODULE:FUNCTION, FILE.py:FUNCTION, graph or ONNX")
    keywords: tuple[str, ...] = option((), positional=True, help="arguments: num_classes=10 ...")
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    view: Literal["full", "primitives", "ghn2", "ghn3"] = option(
        "full", help="every operation, or the 15 primitives, or the graph of a hypernetwork"
    )
    train: bool = option(False, help="train mode instead of eval mode")
    html: str | None = option(None, help="page to write, one file to click through")
    picture: str | None = option(None, help="picture to write: .png, .pdf or .svg")
    json: str | None = option(None, help="file to write, of ArchGraph.load; .json or .json.gz")
    dot: str | None = option(None, help="file to write for Graphviz")
    fold: int | None = option(None, help="levels of modules that the picture shows unfolded")
    colour: str | None = option(None, help="number that colours the page, such as flops")

    def __post_init__(self) -> None:
        ends = {
            "html": (".html",),
            "picture": (".png", ".pdf", ".svg"),
            "json": (".json", ".json.gz"),
            "dot": (".dot", ".gv"),
        }
        for name, wanted in ends.items():
            path = getattr(self, name)
            if path is not None and not path.endswith(wanted):
                raise ValueError(f"--{name}: expected a name with {' or '.join(wanted)}: {path!r}")


def show_graph(config: GraphCommand) -> str:
    """Write what is asked for and return what to print.

    Raises:
        ValueError, OSError: The network cannot be had or traced, or a file not be written.
    """
    try:
        graph = graph_of(
            config.target,
            config.keywords,
            view=config.view,
            input=config.input,
            training=config.train,
            measures=config.html is not None,
        )
    except TraceError:
        if config.html is not None and not is_file_target(config.target):
            _draw_partly(config)
        raise
    said = [f"{graph!r}"]
    if config.html is not None:
        draw(graph, config.html, colour=config.colour)
    if config.picture is not None:
        draw(graph, config.picture, fold=config.fold)
    if config.json is not None:
        graph.save(config.json)
    if config.dot is not None:
        to_dot(graph, config.dot)
    written = [p for p in (config.html, config.picture, config.json, config.dot) if p is not None]
    if written:
        said += [f"{path}: {Path(path).stat().st_size} bytes" for path in written]
    else:
        said += _contents(graph)
    return "\n".join(said)


def _draw_partly(config: GraphCommand) -> None:
    """The page of what was traced until then; the operation that failed is marked."""
    model = model_of(config.target, config.keywords)
    try:
        draw(model, config.html, input=example_input(config.input))
    except TraceError:
        return


def _contents(graph: ArchGraph) -> list[str]:
    counts = Counter(graph.op_names())
    width = max(map(len, counts), default=0)
    lines = [f"  {name:{width}}  {count:6d}" for name, count in counts.most_common()]
    classes = "" if graph.num_classes is None else f", {graph.num_classes} classes"
    note = [f"note: {graph.note}"] if graph.note else []
    return [f"{graph.num_params():,} scalars in parameters{classes}", *note, "operations:", *lines]
