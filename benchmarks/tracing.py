"""Time and memory of tracing, beside running the same network once on meta tensors.

    python benchmarks/tracing.py
    python benchmarks/tracing.py --networks resnet50 --repeats 15

Networks are built on the meta device, without values; `llama-70b` from its configuration (extra
`zoo`), on 128 tokens with a mask. CPU seconds are medians of --repeats calls in turns; to compare
two versions, run the script with each in PYTHONPATH and compare the ratios. Memory is the highest
of the process while the network is traced, and how much more that is than before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from common import memory, parser, ratio, report, reset_peak, side_by_side, start, table
from torch import nn

from graph2nn.archgraph import trace

NETWORKS = ("resnet50", "vit_b_16", "llama-70b")
LLAMA = {
    **{"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80},
    **{"num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256},
}


def build(name: str, *, quick: bool) -> tuple[nn.Module, Any]:
    """A network without values, and an input as `trace` takes it."""
    with torch.device("meta"):
        if name != "llama-70b":
            from torchvision import models

            return models.get_model(name), torch.zeros(2, 3, 224, 224)
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {**LLAMA, "num_hidden_layers": 2} if quick else LLAMA
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    tokens = torch.ones(1, 128, dtype=torch.long)
    return model, {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


def run(model: nn.Module, input: Any) -> Callable[[], Any]:
    """Call the network as it is, each operation with its meta kernel."""

    def call() -> None:
        with torch.no_grad():
            if isinstance(input, dict):
                model(input_ids=input["input_ids"].to("meta"))
            else:
                model(input)

    return call


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds and megabytes of one network."""
    model, input = build(name, quick=args.quick)
    trace(model, input)
    before = reset_peak()
    graph = trace(model, input)
    peak = memory("VmHWM")
    actions = {
        "trace": lambda: trace(model, input),
        "with calls": lambda: trace(model, input, calls=True),
        "run on meta": run(model, input),
    }
    seconds = side_by_side(actions, args.repeats)
    return {"nodes": graph.num_nodes, "peak": peak, "more": peak - before, **seconds}


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark."""
    arguments = parser(__doc__, reference=False)
    arguments.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    args = arguments.parse_args(argv)
    start(args)
    names = ["resnet50"] if args.quick else args.networks
    found = {name: measure(name, args) for name in names}
    rows = [
        [
            *(name, f["nodes"], f["trace"], ratio(f["run on meta"], f["trace"])),
            *(f["with calls"], round(f["peak"]), round(f["more"])),
        ]
        for name, f in found.items()
    ]
    header = ["", "nodes", "trace, s", "a run on meta tensors", "with calls, s", "MB", "MB more"]
    report(args, [table(header, rows)], {"networks": found})


if __name__ == "__main__":
    main()
