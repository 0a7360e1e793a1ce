"""Where is what `graph2nn.relational.analysis` had? In `predictors.studies.relational`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "predictors.studies.relational")
