"""Fitted predictors as files that hold no code: `save` and `load`."""

from predictors.saving.files import Saveable, load, save

__all__ = ["Saveable", "load", "save"]
