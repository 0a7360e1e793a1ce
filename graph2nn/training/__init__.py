"""Training of one network or many, run folders, checkpoints, schedules, command lines, jobs."""

from graph2nn.training.checkpoint import (
    load_checkpoint,
    save_checkpoint,
    sha256_file,
    write_atomic,
)
from graph2nn.training.config import (
    add_arguments,
    from_args,
    from_dict,
    option,
    parse_command,
    parse_config,
    to_dict,
)
from graph2nn.training.distributed import Workers
from graph2nn.training.job_reports import Report, follow_jobs, read_or_set_aside
from graph2nn.training.job_results import read_job, result_files, write_job
from graph2nn.training.jobs import one_thread, parallel_map
from graph2nn.training.observer import Observer
from graph2nn.training.optim import (
    OPTIMIZERS,
    SCHEDULES,
    Schedule,
    clip_gradients,
    cosine_factor,
    cosine_warmup_factor,
    exponential_factor,
    linear_warmup_factor,
    make_optimizer,
    make_schedule,
    set_learning_rate,
    step_factor,
)
from graph2nn.training.precise_bn import PreciseStatistics, precise_bn
from graph2nn.training.recipe import AMP, Recipe
from graph2nn.training.rng import generator_state, restore_generator, seeded
from graph2nn.training.runs import RunFolder, describe_environment
from graph2nn.training.stacking import Stacked, Template, group_by_width
from graph2nn.training.trainer import Record, train_networks

__all__ = [
    "AMP",
    "OPTIMIZERS",
    "SCHEDULES",
    "Observer",
    "PreciseStatistics",
    "Recipe",
    "Record",
    "Report",
    "RunFolder",
    "Schedule",
    "Stacked",
    "Template",
    "Workers",
    "add_arguments",
    "clip_gradients",
    "cosine_factor",
    "cosine_warmup_factor",
    "describe_environment",
    "exponential_factor",
    "follow_jobs",
    "from_args",
    "from_dict",
    "generator_state",
    "group_by_width",
    "linear_warmup_factor",
    "load_checkpoint",
    "make_optimizer",
    "make_schedule",
    "one_thread",
    "option",
    "parallel_map",
    "parse_command",
    "parse_config",
    "precise_bn",
    "read_job",
    "read_or_set_aside",
    "restore_generator",
    "result_files",
    "save_checkpoint",
    "seeded",
    "set_learning_rate",
    "sha256_file",
    "step_factor",
    "to_dict",
    "train_networks",
    "write_atomic",
    "write_job",
]
