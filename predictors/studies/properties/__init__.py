"""Property prediction as published: four properties of DeepNets-1M networks, two halves."""

from graph2nn.deprecated import moved
from predictors.studies.properties.methods import Method, scalar_methods, svr_method, with_numbers
from predictors.studies.properties.scoring import (
    PropertyScore,
    best_networks,
    plot_scores,
    score_methods,
    score_table,
)
from predictors.studies.properties.tasks import PROPERTIES, PropertyTask, own_task, published_task

__all__ = [
    "PROPERTIES",
    "Method",
    "PropertyScore",
    "PropertyTask",
    "best_networks",
    "own_task",
    "plot_scores",
    "published_task",
    "scalar_methods",
    "score_methods",
    "score_table",
    "svr_method",
    "with_numbers",
]

__getattr__ = moved(__name__, {"markdown_table": "predictors.studies.properties:score_table"})
