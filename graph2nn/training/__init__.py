"""Run folders, checkpoints, optimisers and schedules, command lines, parallel map."""

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
from graph2nn.training.jobs import parallel_map
from graph2nn.training.optim import (
    OPTIMIZERS,
    SCHEDULES,
    Schedule,
    clip_gradients,
    cosine_factor,
    cosine_warmup_factor,
    exponential_factor,
    make_optimizer,
    make_schedule,
    set_learning_rate,
    step_factor,
)
from graph2nn.training.rng import generator_state, restore_generator
from graph2nn.training.runs import RunFolder, describe_environment

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "RunFolder",
    "Schedule",
    "Workers",
    "add_arguments",
    "clip_gradients",
    "cosine_factor",
    "cosine_warmup_factor",
    "describe_environment",
    "exponential_factor",
    "from_args",
    "from_dict",
    "generator_state",
    "load_checkpoint",
    "make_optimizer",
    "make_schedule",
    "option",
    "parallel_map",
    "parse_command",
    "parse_config",
    "restore_generator",
    "save_checkpoint",
    "set_learning_rate",
    "sha256_file",
    "step_factor",
    "to_dict",
    "write_atomic",
]
