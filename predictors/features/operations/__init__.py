"""What operations are: factors told by their names, likeness, features of factors."""

from predictors.features.operations.alike import (
    UnknownOperationWarning,
    most_alike,
    read_as_known,
)
from predictors.features.operations.names import Factors, factors_of

__all__ = ["Factors", "UnknownOperationWarning", "factors_of", "most_alike", "read_as_known"]
