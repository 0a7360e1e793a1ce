"""Tables of results: columns of known kinds, as CSV and in a compact, exact file."""

from graph2nn.runs.tables.packed import (
    Facts,
    PackedTable,
    read_packed,
    read_shipped,
    write_packed,
)
from graph2nn.runs.tables.schema import ColumnTable, Row, Schema
from graph2nn.runs.tables.text import (
    cell_text,
    read_columns,
    read_csv,
    read_rows,
    write_csv,
    write_rows,
)

__all__ = [
    "ColumnTable",
    "Facts",
    "PackedTable",
    "Row",
    "Schema",
    "cell_text",
    "read_columns",
    "read_csv",
    "read_packed",
    "read_rows",
    "read_shipped",
    "write_csv",
    "write_packed",
    "write_rows",
]
