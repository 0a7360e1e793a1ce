"""Training that begins with predicted parameters."""

from ghn.finetuning.layers import classification_layer, replace_classes, weight_layers
from ghn.finetuning.named import PREDEFINED, NamedNetwork, named_network
from ghn.finetuning.post_processing import post_process
from ghn.finetuning.starts import STARTS, Start, start_network
from ghn.finetuning.training import StartObserver, keep_batch_statistics, train

__all__ = [
    "PREDEFINED",
    "STARTS",
    "NamedNetwork",
    "Start",
    "StartObserver",
    "classification_layer",
    "keep_batch_statistics",
    "named_network",
    "post_process",
    "replace_classes",
    "start_network",
    "train",
    "weight_layers",
]
