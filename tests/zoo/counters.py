"""Our counts beside those of torchinfo and fvcore, every difference taken apart.

    pip install torchinfo fvcore
    python tests/zoo/counters.py --out docs/results/counters.md

A difference is explained where it is the sum of parts that are computed from the network alone, by
what the other counter is known to leave out or to add.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from zoo import LARGE, TIMM, build_timm, build_torchvision, image_size

from graph2nn.archgraph import ArchGraph, Summary, summary
from graph2nn.runs import write_text
from graph2nn.runs.pages import markdown_table, page, section

__all__ = ["COLUMNS", "against_fvcore", "against_torchinfo", "compare", "names"]

COLUMNS = (
    *("library", "model", "parameters", "multiply_adds", "torchinfo_parameters"),
    *("torchinfo", "biases", "transposed", "normalisation", "positions", "functions"),
    "torchinfo_unexplained",
    *("fvcore", "fvcore_others", "fused_attention", "unknown", "rounded_einsum"),
    "fvcore_unexplained",
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
    transposed: convolutions, whose weights it takes as often as there are positions of the output.
    normalisation: parameters of other modules, added once a sample; those of tables, such as
        `relative_position_bias_table`, once a sample and channel, as in recurrent layers.
    positions: multiply-adds of linear layers, which it counts once a sample, at further positions.
    functions: those of functions that are called outside of modules without children, or in such a
        module beside its layer (relative positions, a filter that blurs).
    """
    import torchinfo

    counted = torchinfo.summary(model, input_data=[x], verbose=0)
    paths = {id(module): path for path, module in model.named_modules()}
    calls = Counter(scope.path for scope in found.graph.scopes)
    rows = {row.path: row for row in found.modules}
    parts: Counter[str] = Counter()
    inner = 0
    for layer in counted.summary_list:
        module = layer.module
        if not layer.is_leaf_layer or id(module) not in paths or not layer.executed:
            continue
        row = rows[paths[id(module)]]
        own = row.multiply_adds // max(calls[row.path], 1)
        inner += own
        known = _torchinfo_parts(module, layer, own)
        parts.update(known)
    outside = inner - found.total.multiply_adds
    parts["functions"] += outside
    total = int(counted.total_mult_adds)
    return {
        "torchinfo_parameters": int(counted.total_params),
        "torchinfo": total,
        **{name: parts[name] for name in _PARTS},
        "torchinfo_unexplained": total - found.total.multiply_adds - parts.total(),
    }


_PARTS = ("biases", "transposed", "normalisation", "positions", "functions")


def _torchinfo_parts(module: nn.Module, layer: Any, own: int) -> Counter[str]:
    """By what torchinfo's count of a module differs from `own`, its multiply-adds."""
    batch, *behind = layer.output_size or [0]
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    bias = sizes.get("bias", 0)
    if "Conv" in layer.class_name:
        positions = batch * math.prod(behind[1:])
        more = sizes["weight"] * positions - own if "Transpose" in layer.class_name else 0
        return Counter(biases=bias * positions, transposed=more)
    if own and "weight" in sizes:
        return Counter(biases=bias * batch, positions=sizes["weight"] * batch - own)
    if isinstance(module, nn.RNNBase):
        biases = sum(size for name, size in sizes.items() if "bias" in name)
        return Counter(biases=biases * batch * behind[0])
    plain = {name for name in sizes if name in ("weight", "bias")}
    tables = {name for name in sizes if "weight" in name or "bias" in name} - plain
    added = batch * sum(sizes[name] for name in plain)
    added += math.prod([batch, *behind[:1]]) * sum(sizes[name] for name in tables)
    return Counter(normalisation=added, functions=-own)


_PRODUCTS = {"conv", "linear", "matmul", "bmm", "mm", "addmm", "baddbmm", "einsum"}


def against_fvcore(model: nn.Module, x: Tensor, found: Summary) -> dict[str, int]:
    """What fvcore counts: operations of the TorchScript trace.

    fvcore_others: operations on normalisation, pools and resizing, which are no multiply-adds here.
    fused_attention: multiply-adds of `scaled_dot_product_attention`, which it does not know.
    unknown: those of recurrent layers and of convolutions with padding "same", likewise.
    rounded_einsum: what it makes of products by `einsum`, which it rounds to four digits.
    """
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, x)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none")
    by_operator = analysis.by_operator()
    total = int(analysis.total())
    others = sum(int(count) for name, count in by_operator.items() if name not in _PRODUCTS)
    missing = " ".join(analysis.unsupported_ops())
    fused = _fused(found.graph) if "scaled_dot_product_attention" in missing else 0
    unknown = 0
    for row in found.modules:
        module = model.get_submodule(row.path)
        same = isinstance(module, nn.Conv2d) and module.padding == "same"
        if (same and "_convolution_mode" in missing) or isinstance(module, nn.LSTM):
            unknown += row.multiply_adds
    summed = [name == "einsum" for name in found.graph.op_names()]
    exact = int(found.graph.numbers("multiply_adds")[summed].sum())
    rounded = int(by_operator.get("einsum", 0)) - exact
    rounded = rounded if abs(rounded) <= 5e-4 * exact else 0
    difference = total - found.total.multiply_adds
    return {
        "fvcore": total,
        "fvcore_others": others,
        "fused_attention": -fused,
        "unknown": -unknown,
        "rounded_einsum": rounded,
        "fvcore_unexplained": difference - others + fused + unknown - rounded,
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


_TEXT = """\
Parameters and multiply-adds of one image in evaluation mode, by `graph2nn.archgraph.summary`,
torchinfo {torchinfo} and fvcore {fvcore}, for {count} models: those of torchvision that are not
large, and the smallest of each family of timm. Made by `tests/zoo/counters.py`, which computes
every part of a difference from the network alone. In all rows **the parts add up to the
difference, to the last multiply-add**. [How we count](../understand/measures.md)."""

_WHY = """\
Torchinfo multiplies the parameters of modules without children by the size of their output:

- **biases** are added, once a value of a convolution, once a step of a recurrent layer and once a
  sample of a linear one;
- **transposed** convolutions take their weights once a position of the output, not of the input;
- **normalisation**: parameters of other modules are added, once a sample, tables of positions once
  a sample and channel;
- **positions**: linear layers count once a sample, however many tokens or pixels they are applied
  to. A vision transformer loses nearly all of its multiply-adds;
- **functions** outside of modules without children, or in one beside its layer, are not seen:
  attention, `F.linear`, products of matrices, relative positions.

It counts shared modules again: coat_tiny has {coat:,} parameters, of which torchinfo makes
{coat_info:,}. All other parameters agree.

Fvcore reads the operations of a TorchScript trace, for which the model is run on values:

- **others**: operations on normalisation, pools and resizing are added to the multiply-adds;
- **attention** in one function (`scaled_dot_product_attention`) is not known and counts nothing;
- **unknown**: nor do recurrent layers (sequencer2d_s) and convolutions with `padding="same"`
  (convmixer_768_32);
- **einsum** is rounded to four digits."""

_SHOWN = {
    "biases": "biases",
    "transposed": "transposed",
    "normalisation": "normalisation",
    "positions": "positions",
    "functions": "functions",
}
_SEEN = {
    "fvcore_others": "others",
    "fused_attention": "attention",
    "unknown": "unknown",
    "rounded_einsum": "einsum",
}


def written(rows: list[dict[str, Any]]) -> str:
    """The page of results."""
    from importlib.metadata import version

    wrong = [r["model"] for r in rows if r["torchinfo_unexplained"] or r["fvcore_unexplained"]]
    if wrong:
        raise SystemExit(f"differences that no part explains: {', '.join(wrong)}")
    found = {name: version(name) for name in ("torchinfo", "fvcore")}
    coat = next((r for r in rows if r["model"] == "coat_tiny"), rows[0])
    why = _WHY.format(coat=coat["parameters"], coat_info=coat["torchinfo_parameters"])
    header = ["model", "parameters", "multiply-adds", "torchinfo", *_SHOWN.values()]
    header += ["fvcore", *_SEEN.values()]
    keys = ["parameters", "multiply_adds", "torchinfo", *_SHOWN, "fvcore", *_SEEN]
    lines = [[f"{r['library']}: {r['model']}", *(_millions(r[k]) for k in keys)] for r in rows]
    table = markdown_table(header, lines)
    return page(
        _TEXT.format(**found, count=len(rows)),
        section("Why they differ", why),
        section("All models, in millions", table),
        title="Counts beside torchinfo and fvcore",
    )


def _millions(count: int) -> str:
    return "" if count == 0 else f"{count / 1e6:.3f}" if abs(count) < 1e6 else f"{count / 1e6:.1f}"


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True, help="page to write")
    arguments.add_argument("--models", nargs="*", default=None, help="names; default: all")
    args = arguments.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rows = []
    for library, name in names():
        if name not in LARGE and (not args.models or name in args.models):
            rows.append(compare(library, name))
            print(rows[-1], flush=True)
            gc.collect()  # traces of TorchScript hold the model and all its values
    write_text(args.out, written(rows))


if __name__ == "__main__":
    main()
