"""Graphs, summaries, parameters and accuracies of networks.

    netwright graph torchvision.models:resnet50 --html net.html
    netwright summary torchvision.models:vit_b_16
    netwright predict models.py:small width=32 --checkpoint ghn2-digits --out weights.safetensors
    netwright accuracy torchvision.models:resnet50 --table timm_models
    netwright measure
    netwright latency torchvision.models:resnet50 --input 1x3x64x64
    netwright diff torchvision.models:resnet34 torchvision.models:resnet50
    netwright data

A network is MODULE:FUNCTION or FILE.py:FUNCTION with keyword arguments (num_classes=10), a graph
that was saved (net.json, net.json.gz), or an ONNX file. Nothing is imported that is not named.
"""

# The text above is what `netwright --help` says.

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from graph2nn import __version__
from graph2nn.archgraph import TraceError
from graph2nn.runs import parse_command
from graph2nn.runs.config import command_parser
from netwright.command.accuracy import AccuracyCommand, show_accuracy
from netwright.command.compare import DiffCommand, show_difference
from netwright.command.completion import CompletionCommand, completion_script
from netwright.command.data import DataCommand, show_data
from netwright.command.graph import GraphCommand, show_graph
from netwright.command.inputs import INPUT_HELP
from netwright.command.latency import (
    LatencyCommand,
    MeasureCommand,
    measure_machine,
    show_latency,
)
from netwright.command.predict import PredictCommand, write_parameters
from netwright.command.summary import SummaryCommand, show_summary

__all__ = ["COMMANDS", "main"]


def _show_completion(config: CompletionCommand) -> str:
    parser, _ = command_parser(_settings(), description="", program="netwright")
    return completion_script(config, parser)


COMMANDS: Mapping[str, tuple[type, Callable[[Any], str]]] = {
    "graph": (GraphCommand, show_graph),
    "summary": (SummaryCommand, show_summary),
    "predict": (PredictCommand, write_parameters),
    "accuracy": (AccuracyCommand, show_accuracy),
    "measure": (MeasureCommand, measure_machine),
    "latency": (LatencyCommand, show_latency),
    "diff": (DiffCommand, show_difference),
    "data": (DataCommand, show_data),
    "completion": (CompletionCommand, _show_completion),
}
"""Words of the command: their settings, and what they do; it returns the text to print."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says, print the result and return the exit status.

    Args:
        argv: Arguments; those of the process when None.
    """
    config = parse_command(
        _settings(),
        argv,
        description=__doc__ or "",
        program="netwright",
        version=__version__,
        scattered="keywords",
    )
    word, (_, do) = next((w, c) for w, c in COMMANDS.items() if c[0] is type(config))
    try:
        with _current_folder():
            text = do(config)
        print(text, flush=True)
    except TraceError as error:
        text = f"{error.failure}; say what the network takes with --input, {INPUT_HELP}"
        print(f"netwright {word}: {text}", file=sys.stderr)
        return 1
    except (ValueError, OSError, ImportError) as error:
        print(f"netwright {word}: {error}", file=sys.stderr)
        return 1
    return 0


def _settings() -> dict[str, type]:
    return {name: settings for name, (settings, _) in COMMANDS.items()}


@contextmanager
def _current_folder() -> Iterator[None]:
    """Modules in the current folder can be named, after all that are installed."""
    before = list(sys.path)
    sys.path.append("")
    try:
        yield
    finally:
        sys.path[:] = before
