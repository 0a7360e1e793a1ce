"""Neural predictors on graphs: one loop, rank losses, graph convolutions, message passing."""

from predictors.neural.base import NeuralPredictor
from predictors.neural.gcn import GCNPredictor
from predictors.neural.losses import LOSSES

__all__ = ["LOSSES", "GCNPredictor", "NeuralPredictor"]
