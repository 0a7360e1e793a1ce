"""What is the graph of a network with numbers at its nodes?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.measures.meter import Meter
from graph2nn.archgraph.tracing.caller.targets import as_network
from graph2nn.archgraph.tracing.recording import record
from graph2nn.archgraph.views.full import full_view

__all__ = ["measured", "measured_with"]


def measured(
    model: nn.Module | Callable, input: Any = None, *, training: bool = False, calls: bool = False
) -> ArchGraph:
    """Trace the full graph of a network with numbers at its nodes, the columns of the graph.

    Columns, N values each, for the whole input:

    - `multiply_adds`: number of multiply-adds of products, convolutions and attention, see
      `multiply_adds`;
    - `flops`: number of floating-point operations, two a multiply-add, with those of biases,
      normalisation, activations, pools and sums;
    - `parameters`, `parameter_bytes`: number of scalars, and bytes, of the parameters that a node
      carries; a parameter that is read twice is at its first node;
    - `activation_bytes`: bytes of all outputs; `allocated_bytes`: bytes of new memory, none for
      views and for what is done in place; `memory`: number of the block of memory of the (first)
      output, -1 that of parameters and buffers;
    - `output_shape`, `dtype`: of the (first) output;
    - `module`: qualified name of the innermost module at work, "" for the network itself;
    - `site`: file (as a module of Python) and line of the code that called, such as
      "torchvision.models.resnet:147";
    - `kernel`, `stride`, `dilation`, `padding`: of convolutions and pools, a number an axis;
    - `axes`: which axis of its argument each axis of the output is, where some move or go.

    Args:
        model: Any module, or a function, see `trace`.
        input: Example input as `trace` takes it; by default one image.
        training: Whether the model runs in train mode.
        calls: Whether it is also recorded how each operation was called.

    Raises:
        ValueError: The model cannot run on the input.

    Examples:
        >>> graph = measured(nn.Linear(3, 5), torch.zeros(7, 3))
        >>> graph.op_names(), graph.columns["multiply_adds"].tolist()
        (['input', 'linear', 'bias'], [0, 105, 0])
    """
    return measured_with(model, input, training=training, calls=calls)[0]


def measured_with(
    model: nn.Module | Callable, input: Any = None, *, training: bool = False, calls: bool = False
) -> tuple[ArchGraph, Meter]:
    """Trace as `measured`, and return the meter that took the numbers, too."""
    meters: list[Meter] = []

    def meter() -> Meter:
        meters.append(Meter())
        return meters[-1]

    recorded = record(model, input, training=training, calls=calls, meter=meter, batch=1)
    graph = full_view(as_network(model)[0], recorded)
    sizes = meters[-1].parameter_bytes
    params = [(math.prod(graph.param_shapes[n]) for n in names) for names in graph.params]
    own: dict[str, np.ndarray | tuple] = {
        "parameters": np.array([sum(node) for node in params], dtype=np.int64),
        "parameter_bytes": np.array(
            [sum(sizes[n] for n in names) for names in graph.params], dtype=np.int64
        ),
        "module": tuple(graph.scopes[k].path if k >= 0 else "" for k in graph.scope.tolist()),
        "memory": np.array(graph.columns["memory"], dtype=np.int64),
    }
    return graph.replace(columns={**graph.columns, **own}), meters[-1]
