"""Graphs of pruned networks: unrolled, rolled, rolled-channel; correct, or as published."""

from graph2nn.sparsity.encodings.encode import ENCODINGS, encode
from graph2nn.sparsity.encodings.published import published_unrolled
from graph2nn.sparsity.encodings.rolled import rolled
from graph2nn.sparsity.encodings.unrolled import unrolled

__all__ = ["ENCODINGS", "encode", "published_unrolled", "rolled", "unrolled"]
