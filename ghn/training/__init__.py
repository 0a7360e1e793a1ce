"""Training of graph hypernetworks."""

from ghn.training.accuracy import LabelledNetworks
from ghn.training.config import TrainConfig
from ghn.training.step import StepResult, joint_step, meta_step
from ghn.training.trainer import Trainer

__all__ = [
    "LabelledNetworks",
    "StepResult",
    "TrainConfig",
    "Trainer",
    "joint_step",
    "meta_step",
]
