"""Published tables that come with the package: facts, originals, columns."""

from predictors.tables.published.columns import (
    PUBLISHED,
    published_columns,
    read_code,
    read_published,
)
from predictors.tables.published.original import Columns, Published

__all__ = [
    "PUBLISHED",
    "Columns",
    "Published",
    "published_columns",
    "read_code",
    "read_published",
]
