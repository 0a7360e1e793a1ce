"""Benchmark tables: networks with measured accuracies, latencies and energies."""

from predictors.tables.models import graphs_of
from predictors.tables.registry import TABLES, load_table, read_table
from predictors.tables.table import NoiseReference, Table

__all__ = ["TABLES", "NoiseReference", "Table", "graphs_of", "load_table", "read_table"]
