"""Analysis of trained relational graphs: maps over (C, L), sweet spots, correlations."""

from graph2nn.relational.analysis.report import Report, analyze

__all__ = ["Report", "analyze"]
