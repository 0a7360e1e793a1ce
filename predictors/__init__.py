"""From the graph of a network to its accuracy and other properties: scikit-learn estimators."""

from predictors.base import ArchPredictor
from predictors.tables import TABLES, Table, load_table, read_table

__all__ = ["TABLES", "ArchPredictor", "Table", "load_table", "read_table"]
