"""Our counts beside those of torchinfo and fvcore, every difference taken apart.

    python tests/zoo/counters.py --out docs/results/counters.csv

A difference is explained where it is the sum of parts that are computed from the network alone, by
what the other counter is known to leave out or to add.
"""

from __future__ import annotations

import argparse
import logging
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from zoo import LARGE, TIMM, build_timm, build_torchvision, image_size

from graph2nn.archgraph import ArchGraph, Summary, summary
from graph2nn.runs.tables import write_rows

__all__ = ["COLUMNS", "against_fvcore", "against_torchinfo", "compare", "names"]

COLUMNS = (
    *("library", "model", "parameters", "multiply_adds", "torchinfo_parameters"),
    *("torchinfo", "biases", "normalisation", "positions", "functions", "torchinfo_unexplained"),
    *("fvcore", "fvcore_others", "fused_attention", "rounded_einsum", "fvcore_unexplained"),
)


def names() -> Iterator[tuple[str, str]]:
    """The compared models: those of torchvision, and the smallest of timm's families."""
    from torchvision import models

    yield from (("torchvision", name) for name in models.list_models(module=models))
    yield from (("timm", name) for name in TIMM)


def compare(library: str, name: str) -> dict[str, str | int]:
    """One row: counts, and the parts of both differences."""
    model = (build_timm if library == "timm" else build_torchvision)(name).eval()
    x = torch.zeros(1, *image_size(model))
    found = summary(model, x)
    return {
        "library": library,
        "model": name,
        "parameters": found.total.parameters,
        "multiply_adds": found.total.multiply_adds,
        **against_torchinfo(model, x, found),
        **against_fvcore(model, x, found),
    }


def against_torchinfo(model: nn.Module, x: Tensor, found: Summary) -> dict[str, int]:
    """What torchinfo counts: the parameters of modules without children, by their output's size.

    biases: added, one a value of the output of a convolution, one a sample of a linear layer.
    normalisation: parameters of other modules, added once a sample.
    positions: multiply-adds of linear layers, which it counts once a sample, at further positions.
    functions: those of functions that are called outside of modules without children.
    """
    import torchinfo

    counted = torchinfo.summary(model, input_data=[x], verbose=0)
    paths = {id(module): path for path, module in model.named_modules()}
    calls = Counter(scope.path for scope in found.graph.scopes)
    rows = {row.path: row for row in found.modules}
    parts: Counter[str] = Counter()
    inner = unexplained = 0
    for layer in counted.summary_list:
        module, batch = layer.module, layer.output_size[0] if layer.output_size else 0
        if not layer.is_leaf_layer or id(module) not in paths or not layer.executed:
            continue
        row = rows[paths[id(module)]]
        own = row.multiply_adds // max(calls[row.path], 1)
        inner += own
        difference = layer.macs - own
        named = dict(module.named_parameters())
        bias = named["bias"].numel() if "bias" in named else 0
        if "Conv" in layer.class_name:
            part, known = "biases", bias * batch * math.prod(layer.output_size[2:])
        elif own and "weight" in named:
            missed = named["weight"].numel() * batch - own
            parts["positions"] += missed
            part, known = (
                "biases",
                difference - missed if difference == missed + bias * batch else 0,
            )
            difference -= missed
        else:
            part, known = "normalisation", layer.macs - own
        parts[part] += known
        unexplained += difference - known
    outside = inner - found.total.multiply_adds
    parts["functions"] += outside
    total = int(counted.total_mult_adds)
    return {
        "torchinfo_parameters": int(counted.total_params),
        "torchinfo": total,
        **{name: parts[name] for name in ("biases", "normalisation", "positions", "functions")},
        "torchinfo_unexplained": total - found.total.multiply_adds - parts.total(),
    }


_PRODUCTS = {"conv", "linear", "matmul", "bmm", "mm", "addmm", "baddbmm", "einsum"}


def against_fvcore(model: nn.Module, x: Tensor, found: Summary) -> dict[str, int]:
    """What fvcore counts: operations of the TorchScript trace.

    fvcore_others: operations on normalisation, pools and resizing, which are no multiply-adds here.
    fused_attention: multiply-adds of `scaled_dot_product_attention`, which it does not know.
    rounded_einsum: what it makes of products by `einsum`, which it rounds to four digits.
    """
    from fvcore.nn import FlopCountAnalysis

    logging.disable(logging.WARNING)
    analysis = FlopCountAnalysis(model, x)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none")
    by_operator = analysis.by_operator()
    total = int(analysis.total())
    others = sum(int(count) for name, count in by_operator.items() if name not in _PRODUCTS)
    fused = 0
    unknown = analysis.unsupported_ops()
    if any("scaled_dot_product_attention" in name for name in unknown):
        fused = _fused(found.graph)
    summed = [name == "einsum" for name in found.graph.op_names()]
    exact = int(found.graph.numbers("multiply_adds")[summed].sum())
    rounded = int(by_operator.get("einsum", 0)) - exact
    rounded = rounded if abs(rounded) <= 5e-4 * exact else 0
    difference = total - found.total.multiply_adds
    return {
        "fvcore": total,
        "fvcore_others": others,
        "fused_attention": -fused,
        "rounded_einsum": rounded,
        "fvcore_unexplained": difference - others + fused - rounded,
    }


def _fused(graph: ArchGraph) -> int:
    """Multiply-adds of attention alone, without projections."""
    names, work = graph.op_names(), graph.numbers("multiply_adds").tolist()
    total = 0
    for node, name in enumerate(names):
        if name == "scaled_dot_product_attention":
            total += work[node]
        elif name == "multi_head_attention_forward":
            length, batch, width = graph.columns["output_shape"][node]
            total += 2 * batch * length * length * width
    return total


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="table to write")
    arguments.add_argument("--models", nargs="*", default=None, help="names; default: all")
    args = arguments.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = []
    for library, name in names():
        if name in LARGE or (args.models and name not in args.models):
            continue
        try:
            rows.append(compare(library, name))
        except Exception as error:  # a counter that fails says so, the others go on
            print(f"{library}:{name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
            continue
        print(rows[-1], flush=True)
    write_rows(args.out, rows, COLUMNS)


if __name__ == "__main__":
    main()
