"""TART: a transformer on graph tokens, pre-trained without labels."""

from predictors.tart.pretraining import PretrainedEncoder, PretrainSettings, pretrain
from predictors.tart.tart import HEADS, TART

__all__ = ["HEADS", "TART", "PretrainSettings", "PretrainedEncoder", "pretrain"]
