"""Analysis of trained relational graphs: maps over (C, L), sweet spots, correlations."""

from predictors.studies.relational.report import Report, analyze

__all__ = ["Report", "analyze"]
