"""Tables of whole networks: GPTs, FBNets, residual chains."""

from predictors.tables.networks.chains import fbnet, tnb101_macro
from predictors.tables.networks.gpts import hwgpt

__all__ = ["fbnet", "hwgpt", "tnb101_macro"]
