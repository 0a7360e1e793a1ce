"""Tables of whole networks: GPTs, FBNets, residual chains, timm's image models."""

from predictors.tables.networks.chains import fbnet, tnb101_macro
from predictors.tables.networks.gpts import hwgpt
from predictors.tables.networks.image_models import timm_models

__all__ = ["fbnet", "hwgpt", "timm_models", "tnb101_macro"]
