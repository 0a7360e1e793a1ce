"""Command lines and JSON made from frozen dataclasses: one description of every setting."""

from graph2nn.runs.config.command_line import (
    add_arguments,
    command_parser,
    from_args,
    parse_command,
    parse_config,
)
from graph2nn.runs.config.fields import flat, option
from graph2nn.runs.config.settings import changed, flattened, settings_of
from graph2nn.runs.config.stored import from_dict, to_dict

__all__ = [
    "add_arguments",
    "changed",
    "command_parser",
    "flat",
    "flattened",
    "from_args",
    "from_dict",
    "option",
    "parse_command",
    "parse_config",
    "settings_of",
    "to_dict",
]
