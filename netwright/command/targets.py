"""Which network does a text name? What is imported is what it names, and nothing else."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, from_export, from_onnx, trace
from graph2nn.archgraph.tracer import View
from graph2nn.runs import seeded
from netwright.command.inputs import example_input

__all__ = ["EXAMPLES", "graph_of", "is_file_target", "model_of", "read_keywords"]

EXAMPLES = "torchvision.models:resnet50, FILE.py:FUNCTION, net.json or net.onnx"
"""What targets look like, for messages."""

_WORDS = {"true": True, "false": False, "none": None}
_GRAPHS = (".json", ".json.gz")
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".bin", ".pt2")


def read_keywords(texts: Sequence[str]) -> dict[str, Any]:
    """Read keyword arguments: `num_classes=10 weights=none sizes=(3,4) name=tiny`.

    Raises:
        ValueError: A text of another form, or a name that stands twice.

    Examples:
        >>> read_keywords(["depth=3", "rates=[0.1, 0.2]", "pretrained=false", "kind=tiny"])
        {'depth': 3, 'rates': [0.1, 0.2], 'pretrained': False, 'kind': 'tiny'}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"expected keyword arguments such as num_classes=10, got {text!r}")
        if name in found:
            raise ValueError(f"keyword argument {name} stands twice")
        found[name] = _literal(value)
    return found


def _literal(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def is_file_target(target: str) -> bool:
    """Tell whether a target is a graph or an ONNX file, which holds no module."""
    return target.endswith((*_GRAPHS, ".onnx"))


def graph_of(
    target: str,
    keywords: Sequence[str] = (),
    *,
    view: View = "full",
    input: str | None = None,
    training: bool = False,
    measures: bool = False,
) -> ArchGraph:
    """Make the graph of the network that a text names.

    Networks are built on the meta device, which takes no memory and no time, as far as they can be.

    Args:
        target: `MODULE:FUNCTION`, `FILE.py:FUNCTION`, or the path of a graph or an ONNX file.
        keywords: Keyword arguments of the function.
        view: Kind of graph; a stored graph is what it is.
        input: Text of the example input, see `example_input`.
        training: Whether the network runs in train mode.
        measures: Whether numbers are measured at each node (full view only).

    Raises:
        ValueError: The text names nothing, or what it names is no network or cannot be traced.
        FileNotFoundError: There is no such file.
    """
    if is_file_target(target):
        _refuse_keywords(target, keywords)
        if target.endswith(".onnx"):
            return from_onnx(target, view=view)  # type: ignore[arg-type]
        return ArchGraph.load(target)
    how: dict[str, Any] = {"view": view, "training": training}
    if measures and view == "full":
        how["measures"] = True
    example = example_input(input)
    try:
        found = _built(target, keywords, device="meta")
        return _graph(found, target, example, how)
    except FileNotFoundError:
        raise
    except Exception:  # whatever needs values: what then fails is said
        found = _built(target, keywords, device=None)
        return _graph(found, target, example, how)


def _graph(found: Any, target: str, example: Any, how: dict[str, Any]) -> ArchGraph:
    if isinstance(found, ArchGraph):
        return found
    if type(found).__name__ == "ExportedProgram":
        return from_export(found, view=how["view"])
    return trace(_module(found, target), example, **how)


def model_of(
    target: str, keywords: Sequence[str] = (), *, seed: int = 0, device: str | None = None
) -> nn.Module:
    """Build the network that a text names, with initial weights drawn from a seed.

    Args:
        target: `MODULE:FUNCTION` or `FILE.py:FUNCTION`.
        keywords: Keyword arguments of the function.
        seed: Seed of whatever the function draws.
        device: Device that it is built on; None for torch's own.

    Raises:
        ValueError: The text names nothing, or what it names is no network.
        FileNotFoundError: There is no such file.
    """
    if is_file_target(target):
        raise ValueError(f"{target} holds a graph: expected a network, such as {EXAMPLES[:29]}")
    return _module(_built(target, keywords, device=device, seed=seed), target)


def _module(found: Any, target: str) -> nn.Module:
    if not isinstance(found, nn.Module):
        raise ValueError(
            f"{target} gives a {type(found).__name__}: expected a torch.nn.Module, or a function "
            "that returns one"
        )
    return found


def _built(target: str, keywords: Sequence[str], *, device: str | None, seed: int = 0) -> Any:
    with _beside(target):
        maker = _named(target)
        if isinstance(maker, (nn.Module, ArchGraph)) or not callable(maker):
            _refuse_keywords(target, keywords)
            return maker
        arguments = read_keywords(keywords)
        place = nullcontext() if device is None else torch.device(device)
        try:
            with seeded(seed), warnings.catch_warnings(), place:
                warnings.simplefilter("ignore")
                return maker(**arguments)
        except Exception as error:  # of any kind: it is the user's function
            given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
            line = next((text for text in str(error).splitlines() if text.strip()), "")
            kind = type(error).__name__
            raise ValueError(f"{target}({given}) failed: {kind}: {line}") from error


@contextmanager
def _beside(target: str) -> Iterator[None]:
    """A file finds what lies beside it, after all that is installed."""
    before = list(sys.path)
    place = target.rpartition(":")[0]
    if place.endswith(".py"):
        sys.path.append(str(Path(place).parent.resolve()))
    try:
        yield
    finally:
        sys.path[:] = before


def _refuse_keywords(target: str, keywords: Sequence[str]) -> None:
    if keywords:
        raise ValueError(f"{target} is no function, so it takes no {' '.join(keywords)}")


def _named(target: str) -> Any:
    place, colon, name = target.rpartition(":")
    if not colon or not name:
        raise ValueError(_no_target(target))
    module = _file(place) if place.endswith(".py") else _module_of(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in getattr(module, "__all__", vars(module)) if not n.startswith("_")]
            more = f"; it has {', '.join(sorted(known)[:20])}" if known else ""
            raise ValueError(f"{place} has no {name!r}{more}")
        found = getattr(found, part)
    return found


def _no_target(target: str) -> str:
    if target.endswith(_PICKLES):
        return (
            f"{target}: such a file may run code of a stranger when it is opened; name the "
            "function that makes the network instead, MODULE:FUNCTION or FILE.py:FUNCTION"
        )
    return f"expected {EXAMPLES}, got {target!r}; nothing is imported that is not named"


def _module_of(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(
                f"there is no module {error.name!r}: install it, or run in the folder that has it"
            ) from None
        raise ValueError(f"the module {name} needs {error.name!r}, which is not there") from None
    except Exception as error:  # of any kind: it is the user's module
        raise ValueError(f"importing {name} failed: {type(error).__name__}: {error}") from error


def _file(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"netwright_target_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and the like look there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # of any kind: it is the user's file
        raise ValueError(f"running {path} failed: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[spec.name]
    return module
