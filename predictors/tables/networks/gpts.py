"""HW-GPT-Bench: GPTs with perplexities from a supernet, latencies, energies and memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.cells.networks.gpt import GPTSizes
from graph2nn.cells.traced import gpt_network
from predictors.tables.making.fields import with_attributes
from predictors.tables.published import PUBLISHED, Columns, published_columns, read_code
from predictors.tables.table import Table

__all__ = ["gpt_sizes", "hwgpt"]

_ENCODING = ("embed_dim", "n_layer", "heads", "mlp_ratios", "bias")
_KNOWN = ("params", "macs")
_SLOWEST = 100.0  # seconds; the CPU latencies of one host are partly in milliseconds


def hwgpt(folder: Path | None = None) -> Table:
    """Read HW-GPT-Bench's space GPT-S: 10 000 GPTs, complete in 26 targets.

    `perplexity` (the default) and `accuracy` (next token, a fraction) are those on OpenWebText of
    sub-networks that inherit the weights of one weight-sharing supernet; none was trained by
    itself. Costs are of a forward pass of separately built networks: `lat_<device>_ms` in
    milliseconds on GPUs, `lat_cpu_<host>_s` in seconds on CPUs, `energy_<gpu>_wh` in watt-hours,
    `mem_<gpu>_mb` in megabytes. 547 latencies of the host `meta` are in milliseconds in the source,
    which prints whatever unit fits: here all are seconds.

    Graphs are those of the supernet's networks (`GPT`). Attributes: `params` and `macs` as the
    source counts them, on the networks that costs were measured on, which have gated MLPs and an
    output layer of its own (see `GPT`), and the encoding: `embed_dim`, `n_layer`, `bias`, and the
    sums of `heads` and `mlp_ratios` over layers.
    """
    columns = published_columns("hwgpt", folder)
    sizes = gpt_sizes(columns)
    targets = {n: columns[n].copy() for n in columns if n not in (*_ENCODING, *_KNOWN)}
    for name, values in targets.items():
        if name.startswith("lat_cpu_"):
            values[values > _SLOWEST] /= 1000
    known = {
        **{name: columns[name] for name in (*_KNOWN, "embed_dim", "n_layer", "bias")},
        "heads": np.array([float(sum(size.heads)) for size in sizes]),
        "mlp_ratios": np.array([float(sum(size.mlp_ratios)) for size in sizes]),
    }
    return Table(
        name="hwgpt",
        graphs=with_attributes([gpt_network(size) for size in sizes], known),
        targets=targets,
        default="perplexity",
        minimise=frozenset(targets) - {"accuracy"},
        source=f"{PUBLISHED['hwgpt'].cite}; perplexity and accuracy: weights inherited from one "
        "weight-sharing supernet, not trained separately",
    )


def gpt_sizes(columns: Columns) -> list[GPTSizes]:
    """Read the sizes of each row's network in the supernet."""
    rows = zip(*(columns[name].tolist() for name in _ENCODING))
    return [
        GPTSizes(
            embed_dim=int(width),
            heads=_numbers(heads, int(layers)),
            mlp_ratios=_numbers(ratios, int(layers)),
            bias=bool(bias),
        )
        for width, layers, heads, ratios, bias in rows
    ]


def _numbers(text: str, count: int) -> tuple[int, ...]:
    numbers = read_code(text, "-")
    if len(numbers) != count:
        raise ValueError(
            f"hwgpt: expected a number for each of {count} layers, got {text!r}; copy the file "
            "again"
        )
    return numbers
