"""Training that begins with predicted parameters."""

from ghn.finetuning.post_processing import post_process
from ghn.finetuning.starts import STARTS, Start, start_network

__all__ = ["STARTS", "Start", "post_process", "start_network"]
