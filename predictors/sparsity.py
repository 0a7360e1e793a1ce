"""Where is what `predictors.sparsity` had? In `predictors.studies.sparsity`."""

from graph2nn.deprecated import moved

__getattr__ = moved(__name__, "predictors.studies.sparsity")
