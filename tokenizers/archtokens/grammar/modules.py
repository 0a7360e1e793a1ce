"""Which string does a module have? DeepNets-1M networks and relational ones have one."""

from __future__ import annotations

from torch import nn

from archtokens.grammar.derivation import NotInLanguage
from archtokens.grammar.grammar import ArchGrammar
from graph2nn.deepnets import Network
from graph2nn.relational import RelationalGraph

__all__ = ["module_string"]


def module_string(model: nn.Module) -> list[str]:
    """Encode a module as the tokens of its space, without weights and images.

    A DeepNets-1M network is written as it is sampled: whether its normalisation keeps running
    statistics is not part of the string. Of a relational network the graph is written.

    Args:
        model: Network of `graph2nn.deepnets` or `graph2nn.relational`.

    Raises:
        ValueError: A network of another kind, or one that is not in the language; says what is not.

    Examples:
        >>> from graph2nn.deepnets import eval_nets
        >>> module_string(Network(eval_nets("test", 1)[0], device="meta"))[:2]
        ['[CELLS:18]', '[STEPS:1]']
    """
    if isinstance(model, Network):
        c = model.config
        grammar = ArchGrammar(
            "deepnets",
            image_size=c.image_size,
            num_classes=c.num_classes,
            in_channels=c.in_channels,
        )
        return grammar.encode(c.with_(norm="bnorm" if c.has_norm else None, auxiliary=False))
    graphs = [getattr(module, "graph", None) for module in model.modules()]
    graph = next((graph for graph in graphs if isinstance(graph, RelationalGraph)), None)
    if graph is None:
        raise NotInLanguage(
            f"{type(model).__name__} has no string: expected a network of DeepNets-1M or on a "
            "relational graph"
        )
    return ArchGrammar("relational").encode(graph)
