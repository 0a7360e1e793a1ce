"""Where is what `graph2nn.relational.models` had? In `graph2nn.relational.networks`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "graph2nn.relational.networks")
