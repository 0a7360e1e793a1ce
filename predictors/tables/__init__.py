"""Benchmark tables: networks with measured accuracies, latencies and energies."""

from predictors.tables.registry import TABLES, load_table, read_table
from predictors.tables.table import NoiseReference, Table

__all__ = ["TABLES", "NoiseReference", "Table", "load_table", "read_table"]
