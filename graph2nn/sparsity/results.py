"""Where is what `graph2nn.sparsity.results` had? In `graph2nn.sparsity.campaign.results`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "graph2nn.sparsity.campaign.results")
