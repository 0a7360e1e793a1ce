"""DeepNets networks as tokens, beside a plain loop over nodes and edges, on one thread.

    python benchmarks/graph_tokens.py

Networks are of the training split (187 nodes on average). Path lengths, which graphs remember, are
forgotten before each run. The plain side makes the same tokens one after another, with networkx
for the path lengths; both are compared before they are timed. Batches hold 50 networks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from common import parser, ratio, report, side_by_side, start, table

from archtokens.batch import TokenBatch
from archtokens.reference import tokenize_reference
from archtokens.settings import PRESETS
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import EndlessNets, build_graph

_BATCH = 50
_PLAIN = 20  # networks that the plain side tokenises, it being slow


def networks(count: int) -> list[ArchGraph]:
    nets = EndlessNets("train", seed=0)
    return [build_graph(nets[k]) for k in range(count)]


def forgetful(
    tokenize: Callable[[list[ArchGraph]], TokenBatch], graphs: list[ArchGraph]
) -> Callable[[], None]:
    """An action that tokenises graphs which remember nothing."""

    def action() -> None:
        for graph in graphs:
            graph._cache.clear()
        for first in range(0, len(graphs), _BATCH):
            tokenize(graphs[first : first + _BATCH])

    return action


def measure(name: str, graphs: list[ArchGraph], repeats: int) -> dict[str, float]:
    """CPU seconds a network of both sides."""
    tokenizer = GraphTokenizer.preset(name, max_nodes=None, max_edges=None)
    few = graphs[:_PLAIN]

    def plain(part: list[ArchGraph]) -> TokenBatch:
        return tokenize_reference(tokenizer, part)

    ours, theirs = tokenizer(few, seed=0) if name == "tokengt" else tokenizer(few), plain(few)
    for field in ("token", "kind", "u", "v"):
        assert torch.equal(getattr(ours, field), getattr(theirs, field)), field
    assert (ours.identifiers - theirs.identifiers).abs().max() < 1e-5
    actions = {"ours": forgetful(tokenizer, graphs), "plain": forgetful(plain, few)}
    taken = side_by_side(actions, repeats)
    return {"ours": taken["ours"] / len(graphs), "plain": taken["plain"] / len(few)}


def main(arguments: list[str] | None = None) -> None:
    args = parser(__doc__, reference=False).parse_args(arguments)
    start(args)
    graphs = networks(4 if args.quick else 1000)
    found: dict[str, Any] = {
        name: measure(name, graphs, 1 if args.quick else args.repeats) for name in PRESETS
    }
    rows = [
        [name, 1000 * taken["ours"], 1000 * taken["plain"], ratio(taken["plain"], taken["ours"])]
        for name, taken in found.items()
    ]
    header = ["preset", "s for 1 000 networks", "plain, s", "plain / ours"]
    report(args, [table(header, rows)], {"tokens": found})


if __name__ == "__main__":
    main()
