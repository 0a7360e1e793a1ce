"""The processes of a program: how they begin, work as one, follow each other and are stopped."""

from __future__ import annotations

from graph2nn.runs.processes.launching import relaunch
from graph2nn.runs.processes.parents import end_with_parent
from graph2nn.runs.processes.scripts import run_script
from graph2nn.runs.processes.stopping import Stopped, StopRequest, stoppable, stopping_between_steps
from graph2nn.runs.processes.workers import Workers, flat_gradient, set_gradient

__all__ = [
    "StopRequest",
    "Stopped",
    "Workers",
    "end_with_parent",
    "flat_gradient",
    "relaunch",
    "run_script",
    "set_gradient",
    "stoppable",
    "stopping_between_steps",
]
