"""Published tables that come with the package: facts, originals, columns."""

from predictors.tables.published.columns import PUBLISHED, published_columns, published_notes
from predictors.tables.published.original import Columns, Published

__all__ = ["PUBLISHED", "Columns", "Published", "published_columns", "published_notes"]
