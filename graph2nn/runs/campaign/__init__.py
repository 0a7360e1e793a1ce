"""Campaigns: many independent jobs, each done once whatever happens, their results kept."""

from graph2nn.runs.campaign.engine import (
    Campaign,
    Files,
    Job,
    Report,
    follow_jobs,
    run_campaign,
)
from graph2nn.runs.campaign.results import (
    Row,
    read_job,
    read_or_set_aside,
    result_files,
    write_job,
)

__all__ = [
    "Campaign",
    "Files",
    "Job",
    "Report",
    "Row",
    "follow_jobs",
    "read_job",
    "read_or_set_aside",
    "result_files",
    "run_campaign",
    "write_job",
]
