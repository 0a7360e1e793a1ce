"""Where is what `graph2nn.deepnets.campaign` had? In `graph2nn.ground_truth`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "graph2nn.ground_truth")
