"""`netwright summary`: a network's modules with their sizes and work, as a table."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from graph2nn.archgraph import ArchGraph, Summary, summary
from graph2nn.runs import option, write_text
from graph2nn.runs.summaries import format_rows
from netwright.command.inputs import INPUT_HELP, example_input
from netwright.command.targets import graph_of, is_file_target, model_of

__all__ = ["SummaryCommand", "show_summary"]


@dataclass(frozen=True, kw_only=True)
class SummaryCommand:
    """Print a table of a network by module: sizes, parameters, work, memory.

    Examples:
        netwright summary torchvision.models:resnet50
        netwright summary torchvision.models:vit_b_16 --depth 2 --json vit.json
        netwright summary models.py:text --input ids=int64:1x128
        netwright summary net.onnx
    """

    target: str = option(positional=True, help="MODULE:FUNCTION, FILE.py:FUNCTION, graph or ONNX")
    keywords: tuple[str, ...] = option((), positional=True, help="arguments: num_classes=10 ...")
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    depth: int = option(3, help="levels of modules to show; -1 for all")
    train: bool = option(False, help="train mode instead of eval mode")
    json: str | None = option(None, help="file to write everything to, modules of every depth")


def show_summary(config: SummaryCommand) -> str:
    """Return the table, and write the file where one is asked for.

    Raises:
        ValueError, OSError: The network cannot be had or traced, or the file not be written.
    """
    if config.depth < -1:
        raise ValueError(f"--depth: expected a number from 0 on, or -1 for all, got {config.depth}")
    depth = None if config.depth < 0 else config.depth
    if is_file_target(config.target):
        graph = graph_of(config.target, config.keywords)
        rows = _modules(graph)
        whole: dict[str, Any] = {"name": graph.name, "note": graph.note, "modules": rows}
        text = _table(rows, depth)
    else:
        found = _summary(config, depth)
        whole, text = found.as_dict(), str(found)
    if config.json is not None:
        write_text(config.json, json.dumps(whole, indent=1) + "\n")
    return text


def _summary(config: SummaryCommand, depth: int | None) -> Summary:
    """That of a module, built without memory or time where it can be."""
    example = example_input(config.input)
    try:
        model = model_of(config.target, config.keywords, device="meta")
        return summary(model, example, depth=depth, training=config.train)
    except FileNotFoundError:
        raise
    except Exception:  # whatever needs values: what then fails is said
        model = model_of(config.target, config.keywords)
        return summary(model, example, depth=depth, training=config.train)


def _table(rows: list[dict[str, Any]], depth: int | None) -> str:
    """The modules of a stored graph, down to a depth."""
    shown = [row for row in rows if depth is None or row["depth"] <= depth]
    return format_rows(
        [
            {
                "module": "  " * row["depth"] + row["module"],
                **{name: row[name] for name in row if name not in ("module", "depth")},
            }
            for row in shown
        ]
    )


def _modules(graph: ArchGraph) -> list[dict[str, Any]]:
    """A row for each module, with everything inside of it, in the order of the first calls."""
    numbers = {
        name.replace("_", " "): column
        for name, column in graph.columns.items()
        if name in ("multiply_adds", "flops", "activation_bytes")
    }
    places = [_modules_above(graph, k) for k in range(graph.num_nodes)]
    order = dict.fromkeys(path for place in places for path in reversed(place))
    kinds = {scope.path: scope.kind for scope in graph.scopes}
    rows = []
    for path in order:
        inside = [k for k, place in enumerate(places) if path in place]
        names = {name for k in inside for name in graph.params[k]}
        depth = next(place[::-1].index(path) for place in places if path in place)
        rows.append(
            {
                "module": path or graph.name,
                "kind": kinds.get(path, ""),
                "depth": depth,
                "operations": len(inside),
                "parameters": sum(math.prod(graph.param_shapes[name]) for name in names),
                **{name: int(sum(column[k] for k in inside)) for name, column in numbers.items()},
            }
        )
    return rows


def _modules_above(graph: ArchGraph, k: int) -> list[str]:
    """Modules that an operation is in, the innermost first; by names where calls are not known."""
    if graph.scopes:
        found, scope = [], int(graph.scope[k])
        while scope >= 0:
            found.append(graph.scopes[scope].path)
            scope = graph.scopes[scope].parent
        return list(dict.fromkeys([*found, ""]))
    parts = graph.params[k][0].split(".")[:-1] if graph.params[k] else []
    return [".".join(parts[:n]) for n in range(len(parts), -1, -1)]
