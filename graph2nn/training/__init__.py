"""Training of one network or many: recipes, optimisers, schedules, stacked networks."""

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.deprecated import moved
from graph2nn.training.costs import count_parameters, latencies
from graph2nn.training.evaluation import Evaluation, evaluate, topk_correct
from graph2nn.training.loop import (
    DivergedWarning,
    Observer,
    Record,
    Stacked,
    Template,
    group_by_width,
    train_networks,
)
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
from graph2nn.training.precise_bn import PreciseStatistics, precise_bn, use_batch_statistics
from graph2nn.training.recipe import AMP, Recipe

__all__ = [
    "DivergedWarning",
    "AMP",
    "Evaluation",
    "OPTIMIZERS",
    "Observer",
    "PreciseStatistics",
    "Recipe",
    "Record",
    "SCHEDULES",
    "Schedule",
    "Stacked",
    "Template",
    "clip_gradients",
    "cosine_factor",
    "cosine_warmup_factor",
    "count_parameters",
    "evaluate",
    "exponential_factor",
    "group_by_width",
    "latencies",
    "linear_warmup_factor",
    "make_optimizer",
    "make_schedule",
    "multiply_adds",
    "precise_bn",
    "use_batch_statistics",
    "set_learning_rate",
    "step_factor",
    "topk_correct",
    "train_networks",
]

_RUNS = """
Report RunFolder Workers add_arguments describe_environment follow_jobs from_args from_dict
generator_state load_checkpoint one_thread option parallel_map parse_command parse_config
read_job read_or_set_aside restore_generator result_files save_checkpoint seeded sha256_file
to_dict write_atomic write_job
"""
__getattr__ = moved(__name__, dict.fromkeys(_RUNS.split(), "graph2nn.runs"))
