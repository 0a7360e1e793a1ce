"""Architectures as tokens: graph tokens for transformers, and robust strings for generation."""

from archtokens.batch import TokenBatch
from archtokens.grammar import ArchGrammar
from archtokens.identifiers import IDENTIFIERS
from archtokens.settings import PRESETS, TokenSettings
from archtokens.tokenizer import GraphTokenizer

__all__ = [
    "IDENTIFIERS",
    "PRESETS",
    "ArchGrammar",
    "GraphTokenizer",
    "TokenBatch",
    "TokenSettings",
]
