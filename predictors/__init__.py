"""From the graph of a network to its accuracy and other properties: scikit-learn estimators."""

from predictors.base import ArchPredictor
from predictors.registry import BASELINE, MODELS, make_predictor
from predictors.tables import TABLES, Table, load_table, read_table

__all__ = [
    "BASELINE",
    "MODELS",
    "TABLES",
    "ArchPredictor",
    "Table",
    "load_table",
    "make_predictor",
    "read_table",
]
