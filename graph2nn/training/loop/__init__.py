"""The loop of the common trainer: learners, streams of images, observers, shared batches."""

from graph2nn.training.loop.observer import Observer
from graph2nn.training.loop.stacked import Stacked, Template, group_by_width
from graph2nn.training.loop.trainer import DivergedWarning, Record, train_networks

__all__ = [
    "DivergedWarning",
    "Observer",
    "Record",
    "Stacked",
    "Template",
    "group_by_width",
    "train_networks",
]
