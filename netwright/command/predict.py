"""`netwright predict`: the parameters of a network, from a hypernetwork, into a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ghn import GHN, from_pretrained
from ghn.reading.class_layers import ClassLayers
from graph2nn.archgraph import TraceError
from graph2nn.archgraph.exchange.onnx.graph import turned_weights
from graph2nn.runs import option, write_atomic
from graph2nn.runs.tensors import write_tensors
from netwright.command.inputs import INPUT_HELP, example_input
from netwright.command.targets import graph_of, is_file_target, model_of

__all__ = ["PredictCommand", "write_parameters"]

_CLASSES: dict[str, ClassLayers] = {"auto": "auto", "yes": True, "no": False}


@dataclass(frozen=True, kw_only=True)
class PredictCommand:
    """Predict the parameters of a network with a hypernetwork, and write them to a file.

    The file holds the whole state of the network: model.load_state_dict(...) takes it. That of a
    graph or an ONNX file holds the parameters, in their names and shapes. Names of hypernetworks:

    Examples:
        netwright data.
        netwright predict torchvision.models:resnet18 num_classes=10 --checkpoint ghn2-digits \\
            --out weights.safetensors
        netwright predict models.py:small --checkpoint my_ghn.pt --input 1x3x8x8 --out small.pt
        netwright predict net.onnx --checkpoint ghn2-digits --out weights.safetensors
    """

    target: str = option(positional=True, help="MODULE:FUNCTION, FILE.py:FUNCTION, graph or ONNX")
    keywords: tuple[str, ...] = option((), positional=True, help="arguments: num_classes=10 ...")
    checkpoint: str = option(help="hypernetwork: a name of netwright data, or a file")
    out: str = option(help="file to write: .safetensors or .pt")
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    classes: Literal["auto", "yes", "no"] = option(
        "auto",
        help="the last layer: predicted as a classifier where it is one for as many classes as the "
        "hypernetwork's, else as any other layer (auto), as a classifier (yes), not at all (no)",
    )
    seed: int = option(0, help="seed of what is not predicted")
    device: str = option("cpu", help="device of the hypernetwork")

    def __post_init__(self) -> None:
        if not self.out.endswith((".safetensors", ".pt")):
            raise ValueError(f"--out: expected a name with .safetensors or .pt, got {self.out!r}")


def write_parameters(config: PredictCommand) -> str:
    """Predict, write the file, and return what to print.

    Raises:
        ValueError, OSError: The network or the hypernetwork cannot be had, they do not fit, or the
            file cannot be written.
    """
    ghn = from_pretrained(config.checkpoint, device=config.device)
    try:
        if is_file_target(config.target):
            state = _of_graph(config, ghn)
            count = len(state)
        else:
            state, count = _of_model(config, ghn)
    except TraceError:
        raise
    except ValueError as error:
        raise ValueError(_in_flags(str(error))) from error
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if config.out.endswith(".pt"):
        write_atomic(config.out, lambda file: torch.save(state, file))
    else:
        told = {"network": " ".join((config.target, *config.keywords)), "by": config.checkpoint}
        write_tensors(config.out, state, told)
    total = sum(tensor.numel() for tensor in state.values())
    size = Path(config.out).stat().st_size
    return (
        f"{config.out}: {count} parameters predicted by {config.checkpoint}, "
        f"{len(state)} tensors, {total:,} scalars, {size} bytes"
    )


def _in_flags(text: str) -> str:
    """An error of the library with the command's flags for its arguments."""
    for word, value in _CLASSES.items():
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        text = text.replace(f"predict_class_layers={shown}", f"--classes {word}")
    return text


def _of_model(config: PredictCommand, ghn: GHN) -> tuple[dict[str, Tensor], int]:
    """The state of the network with what is predicted in its place, tied names included."""
    model = model_of(config.target, config.keywords, seed=config.seed).eval()
    with torch.no_grad():
        found = ghn.predict(
            model,
            example_input(config.input),
            predict_class_layers=_CLASSES[config.classes],
        )
    places = {id(p): name for name, p in model.named_parameters()}
    named = dict(model.named_parameters(remove_duplicate=False))
    state = dict(model.state_dict())
    for name, parameter in named.items():
        own = places[id(parameter)]
        if name in state and own in found:
            state[name] = found[own]
    return state, len(found)


def _of_graph(config: PredictCommand, ghn: GHN) -> dict[str, Tensor]:
    """The parameters of a graph; nothing but names and shapes is known of the network."""
    graph = graph_of(config.target, view="primitives")
    with torch.no_grad():
        how = _CLASSES[config.classes]
        found = ghn.predict_graphs([graph], predict_class_layers=how)[0]
    if not found:
        raise ValueError(f"{config.target} has no parameters to predict")
    if config.target.endswith(".onnx"):
        for name in turned_weights(config.target) & found.keys():
            found[name] = found[name].t()
    return found
