"""How do a user's models become graphs? Each is built, traced and dropped, one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from tqdm import tqdm

from graph2nn.archgraph import ArchGraph, TraceError, trace
from graph2nn.archgraph.tracer import View
from graph2nn.cells.as_archgraph import nb201_from_string
from graph2nn.deepnets import NetConfig, build_graph
from graph2nn.names import check_choice
from graph2nn.training.costs import count_parameters, sample_multiply_adds

__all__ = ["KNOWN", "Architecture", "graph_of", "graphs_of", "named_models"]

Architecture: TypeAlias = nn.Module | ArchGraph | NetConfig | str | Callable[[], Any]
"""A model, its graph, a configuration of DeepNets-1M, the string of a NAS-Bench-201 cell, or a
function that makes one of these."""

KNOWN = ("params", "flops")
"""What can be counted without training: parameters, and multiply-adds of one sample."""


def named_models(models: Any) -> list[tuple[str, Architecture]]:
    """List models with their names.

    Args:
        models: A dictionary by name, or pairs of name and model.

    Raises:
        ValueError: No models, no names, or a name given twice.
    """
    pairs = list(models.items()) if isinstance(models, Mapping) else list(models)
    for k, pair in enumerate(pairs):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ValueError(
                f"models: expected a dictionary from name to model, or pairs of them; item {k} is "
                f"{type(pair).__name__}"
            )
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1}) if pairs else []
    if twice:
        raise ValueError(f"models: {', '.join(twice[:5])} there more than once; names must differ")
    if not pairs:
        raise ValueError("models: expected at least one, got none")
    return pairs


def graphs_of(
    models: Any,
    *,
    inputs: Any = None,
    attributes: Sequence[str] = (),
    view: View = "full",
    progress: bool = True,
) -> list[ArchGraph]:
    """Make the graph of every model, as in the tables that predictors learn from.

    For models that have no labels yet, whose labels a fitted predictor is to predict.

    Args:
        models: Models as `Table.from_models` takes them: a dictionary by name, or pairs.
        inputs, attributes, view: Arguments of `graph_of`, those that the table was made with;
            inputs may also be a dictionary from the names of models to their own inputs.
        progress: Whether a bar is shown.

    Raises:
        ValueError: No models, names that are missing or repeated, or as `graph_of`.

    Examples:
        >>> (graph,) = graphs_of({"new": nn.Linear(8, 3)}, inputs=(1, 8), attributes=["params"])
        >>> graph.name, graph.attributes
        ('new', {'params': 27.0})
    """
    pairs = named_models(models)
    names = {name for name, _ in pairs}
    own = isinstance(inputs, Mapping) and not names.isdisjoint(inputs)
    with tqdm(pairs, desc="graphs", unit="model", disable=not progress) as bar:
        return [
            graph_of(
                model,
                name=name,
                where=f"row {k} ({name})",
                input=inputs.get(name) if own else inputs,
                attributes=attributes,
                view=view,
            )
            for k, (name, model) in enumerate(bar)
        ]


def graph_of(
    model: Any,
    *,
    name: str,
    where: str,
    input: Any = None,
    attributes: Sequence[str] = (),
    view: View = "full",
) -> ArchGraph:
    """Make the graph of a model.

    Args:
        model: An `Architecture`.
        name: Name of the graph.
        where: Row of the model, for messages.
        input: Example input as `trace` takes it, or its shape, the batch first.
        attributes: Numbers to count, of `KNOWN`.
        view: Kind of graph that is traced, see `trace`.

    Raises:
        ValueError: A function that fails, a model that cannot be traced, something else, or a count
            that only a model has; with the row.
    """
    for attribute in attributes:
        check_choice("attributes", attribute, KNOWN)
    made = _made(model, where)
    example = _example(input)
    if isinstance(made, nn.Module):
        try:
            graph = trace(made, example, view=view)
        except TraceError as error:
            raise ValueError(
                f"{where}: {error.failure}; pass `inputs=` with tensors the model accepts, or set "
                "`model.expected_input_sz`"
            ) from error
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    else:
        graph = _written(made, where)
    counts = {a: _count(a, made, graph, example, where) for a in attributes}
    return graph.replace(name=name or graph.name, attributes={**graph.attributes, **counts})


def _made(model: Any, where: str) -> Any:
    if isinstance(model, (nn.Module, ArchGraph, NetConfig, str)) or not callable(model):
        return model
    try:
        return model()
    except Exception as error:
        raise ValueError(
            f"{where}: the function that makes it failed, {type(error).__name__}: {error}"
        ) from error


def _example(input: Any) -> Any:
    """An input, zeros where a shape was given."""
    shape = isinstance(input, (tuple, list)) and input and all(type(n) is int for n in input)
    return torch.zeros(tuple(input)) if shape else input


def _written(made: Any, where: str) -> ArchGraph:
    """The graph of what is no model."""
    try:
        if isinstance(made, ArchGraph):
            return made
        if isinstance(made, NetConfig):
            return build_graph(made)
        if isinstance(made, str):
            return nb201_from_string(made)
    except ValueError as error:
        more = " (for strings of other spaces, pass a function that makes their graph)"
        note = more if isinstance(made, str) else ""
        raise ValueError(f"{where}: {error}{note}") from error
    raise ValueError(
        f"{where}: expected a model (torch.nn.Module), an ArchGraph, a NetConfig, the string of a "
        f"NAS-Bench-201 cell, or a function that makes one, got {type(made).__name__}"
    )


def _count(name: str, made: Any, graph: ArchGraph, input: Any, where: str) -> float:
    module = isinstance(made, nn.Module)
    if name == "params":
        return float(count_parameters(made) if module else graph.num_params())
    if not module:
        raise ValueError(
            f"{where}: flops are counted by running a model, and this is {type(made).__name__}; "
            "pass numbers of your own as attributes={'flops': ...}"
        )
    try:
        return float(sample_multiply_adds(made, input))
    except Exception as error:
        raise ValueError(f"{where}: its flops cannot be counted: {error}") from error
