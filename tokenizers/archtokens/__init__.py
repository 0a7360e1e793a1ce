"""Architectures as tokens: graph tokens for transformers, and robust strings for generation.

Every name is imported when it is first used: hypernetworks read tokens without the grammar.
"""

from typing import TYPE_CHECKING

from graph2nn.lazy import on_first_use

if TYPE_CHECKING:
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

_NAMES = {
    "ArchGrammar": "archtokens.grammar",
    "GraphTokenizer": "archtokens.tokenizer",
    "IDENTIFIERS": "archtokens.identifiers",
    "PRESETS": "archtokens.settings",
    "TokenBatch": "archtokens.batch",
    "TokenSettings": "archtokens.settings",
}
_MODULES = ("batch", "grammar", "identifiers", "settings", "tokenizer")

__getattr__, __dir__ = on_first_use(__name__, _NAMES, modules=_MODULES)
