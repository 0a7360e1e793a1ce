"""Any network made relational: its layers on a graph, as costly as the dense network."""

from graph2nn.relational.conversion.convert import make_relational
from graph2nn.relational.conversion.forward import count_forward
from graph2nn.relational.conversion.widening import widen

__all__ = ["count_forward", "make_relational", "widen"]
