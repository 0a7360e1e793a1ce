"""Property prediction as published: four properties of DeepNets-1M networks, two halves."""

from predictors.studies.properties.methods import Method, scalar_methods, svr_method, with_numbers
from predictors.studies.properties.scoring import (
    PropertyScore,
    best_networks,
    markdown_table,
    plot_scores,
    score_methods,
)
from predictors.studies.properties.tasks import PROPERTIES, PropertyTask, own_task, published_task

__all__ = [
    "PROPERTIES",
    "Method",
    "PropertyScore",
    "PropertyTask",
    "best_networks",
    "markdown_table",
    "own_task",
    "plot_scores",
    "published_task",
    "scalar_methods",
    "score_methods",
    "svr_method",
    "with_numbers",
]
