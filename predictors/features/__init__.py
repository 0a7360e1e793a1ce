"""Graph features: what a network's graph says about it, as columns for any regressor."""

from predictors.features.graph_features import BLOCKS, STANDARD_BLOCKS, GraphFeatures

__all__ = ["BLOCKS", "STANDARD_BLOCKS", "GraphFeatures"]
