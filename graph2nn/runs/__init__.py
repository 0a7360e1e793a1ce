"""The ground under every run: settings, checkpoints, folders, seeds, jobs, tables, figures."""

from graph2nn.runs.campaign import (
    Campaign,
    Files,
    Job,
    Report,
    follow_jobs,
    read_job,
    read_or_set_aside,
    result_files,
    run_campaign,
    write_job,
)
from graph2nn.runs.checkpoint import (
    load_checkpoint,
    save_checkpoint,
    sha256_file,
    write_atomic,
    write_text,
)
from graph2nn.runs.config import (
    add_arguments,
    changed,
    flat,
    flattened,
    from_args,
    from_dict,
    option,
    parse_command,
    parse_config,
    settings_of,
    to_dict,
)
from graph2nn.runs.folder import RunFolder, describe_environment, read_metrics
from graph2nn.runs.jobs import one_thread, parallel_map
from graph2nn.runs.processes import Workers, relaunch, run_script
from graph2nn.runs.seeds import generator_state, restore_generator, seeded

__all__ = [
    "Campaign",
    "Files",
    "Job",
    "Report",
    "RunFolder",
    "Workers",
    "add_arguments",
    "changed",
    "describe_environment",
    "flat",
    "flattened",
    "follow_jobs",
    "from_args",
    "from_dict",
    "generator_state",
    "load_checkpoint",
    "one_thread",
    "option",
    "parallel_map",
    "parse_command",
    "parse_config",
    "read_job",
    "read_metrics",
    "read_or_set_aside",
    "relaunch",
    "restore_generator",
    "result_files",
    "run_campaign",
    "run_script",
    "save_checkpoint",
    "seeded",
    "settings_of",
    "sha256_file",
    "to_dict",
    "write_atomic",
    "write_text",
    "write_job",
]
