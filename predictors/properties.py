"""Where is what `predictors.properties` had? In `predictors.studies.properties`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "predictors.studies.properties")
