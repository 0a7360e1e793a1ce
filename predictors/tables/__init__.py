"""Benchmark tables: networks with measured accuracies, latencies and energies."""

from predictors.tables.making import graphs_of
from predictors.tables.registry import TABLES, is_file_name, load_table, read_table
from predictors.tables.table import NoiseReference, Table, TableLike

__all__ = [
    "TABLES",
    "NoiseReference",
    "Table",
    "TableLike",
    "graphs_of",
    "is_file_name",
    "load_table",
    "read_table",
]
