"""Masks by pruning at initialisation."""

from graph2nn.sparsity.pruning.prune import PRUNERS, prune, scores
from graph2nn.sparsity.pruning.selection import masks_from_scores

__all__ = ["PRUNERS", "masks_from_scores", "prune", "scores"]
