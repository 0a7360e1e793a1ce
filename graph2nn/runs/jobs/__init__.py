"""Many independent jobs, on the cores of a machine or on a cluster."""

from graph2nn.runs.jobs.clusters import RESTARTS, Lost
from graph2nn.runs.jobs.parallel import (
    WORKER_DIED,
    check_jobs,
    follow_parent,
    one_thread,
    parallel_map,
    threads,
    unordered_map,
)

__all__ = [
    "RESTARTS",
    "WORKER_DIED",
    "Lost",
    "check_jobs",
    "follow_parent",
    "one_thread",
    "parallel_map",
    "threads",
    "unordered_map",
]
