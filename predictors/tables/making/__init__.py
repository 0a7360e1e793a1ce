"""Tables of one's own: models and rows of files become graphs, labels numbers, both a file."""

from predictors.tables.making.fields import fields_of_csv, fields_of_models
from predictors.tables.making.labels import read_labels
from predictors.tables.making.models import Architecture, graphs_of
from predictors.tables.making.saved import content_checksum, read_fields, write_fields

__all__ = [
    "Architecture",
    "content_checksum",
    "fields_of_csv",
    "fields_of_models",
    "graphs_of",
    "read_fields",
    "read_labels",
    "write_fields",
]
