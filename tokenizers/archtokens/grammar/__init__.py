"""Robust architecture strings: a language in which every token sequence is a network."""

from archtokens.grammar.dag import DagRules, DagSpace, dag_tokens
from archtokens.grammar.deepnets import DeepNetsRules, DeepNetsSpace, deepnets_tokens
from archtokens.grammar.derivation import Choices, Decision, NotInLanguage, Picker
from archtokens.grammar.grammar import SPACES, ArchGrammar
from archtokens.grammar.modules import module_string
from archtokens.grammar.relational import RelationalRules, RelationalSpace, relational_tokens
from archtokens.grammar.space import Space
from archtokens.grammar.vocabulary import Vocabulary, vocabulary_file

__all__ = [
    "SPACES",
    "ArchGrammar",
    "Choices",
    "DagRules",
    "DagSpace",
    "Decision",
    "DeepNetsRules",
    "DeepNetsSpace",
    "NotInLanguage",
    "Picker",
    "RelationalRules",
    "RelationalSpace",
    "Space",
    "Vocabulary",
    "dag_tokens",
    "deepnets_tokens",
    "module_string",
    "relational_tokens",
    "vocabulary_file",
]
