"""Analysis of trained relational graphs: maps over (C, L), sweet spots, correlations."""

from graph2nn.deprecated import moved
from predictors.studies.relational.findings import Findings
from predictors.studies.relational.report import analyze

__all__ = ["Findings", "analyze"]

__getattr__ = moved(__name__, {"Report": "predictors.studies.relational:Findings"})
