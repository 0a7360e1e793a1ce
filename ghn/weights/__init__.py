"""Weights looked at: predicted ones beside trained and initial ones."""

from ghn.weights.figures import plot_weights
from ghn.weights.measures import LayerMeasures, measure_layer, row_correlations, weight_matrices
from ghn.weights.sets import WeightSet, compare_weights

__all__ = [
    "LayerMeasures",
    "WeightSet",
    "compare_weights",
    "measure_layer",
    "plot_weights",
    "row_correlations",
    "weight_matrices",
]
