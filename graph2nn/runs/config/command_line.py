"""How is a dataclass read from the command line?"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from graph2nn.runs.config.settings import Setting, all_settings, make_config, without_none

__all__ = [
    "add_arguments",
    "command_parser",
    "from_args",
    "parse_command",
    "parse_config",
]

Config = TypeVar("Config")
_LAYOUT = argparse.RawDescriptionHelpFormatter  # keeps the example commands on their lines


def add_arguments(parser: argparse.ArgumentParser, cls: type, prefix: str = "") -> None:
    """Add one argument for each setting of the dataclass `cls`.

    Types: str, int, float, bool (a flag; `--no-name` where the default is true), `Literal`, tuples
    (`200,250` or `200 250`; by position the latter), each also `| None` (written `none`). A field
    that is a dataclass itself gives arguments whose names begin with the field's name, or without
    that where it is `flat`. Underscores may be written as dashes.

    Raises:
        TypeError: A field of another type.
    """
    group = parser.add_argument_group(prefix.rstrip("_")) if prefix else parser
    for setting in all_settings(cls):
        if setting.nested is not None:
            add_arguments(parser, setting.nested, f"{prefix}{setting.key}_")
        elif setting.flag:
            _add_one(group, setting, prefix)


def from_args(cls: type[Config], args: argparse.Namespace, prefix: str = "") -> Config:
    """Make `cls` from what a parser with `add_arguments` returned."""
    found: dict[str, Any] = {}
    for setting in all_settings(cls):
        if setting.nested is not None:
            found[setting.key] = from_args(setting.nested, args, f"{prefix}{setting.key}_")
        elif setting.flag:
            found[setting.key] = getattr(args, prefix + setting.key)
    return make_config(cls, found)


def parse_config(
    cls: type[Config], argv: Sequence[str] | None = None, *, description: str | None = None
) -> Config:
    """Read `cls` from the command line (`sys.argv` when `argv` is None).

    A `ValueError` of the dataclass ends the program with that message and the usage, as a wrong
    flag does.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=_LAYOUT)
    add_arguments(parser, cls)
    return _checked(cls, parser, parser.parse_args(argv))


def parse_command(
    commands: Mapping[str, type],
    argv: Sequence[str] | None = None,
    *,
    description: str,
    program: str | None = None,
    version: str | None = None,
    scattered: str | None = None,
) -> Any:
    """Read the dataclass of the sub-command that the command line names, as `parse_config`.

    Args:
        commands: Dataclasses by name; the first line of its docstring is the help of the command.
        argv: Arguments; `sys.argv` when None.
        description: Description of the whole program.
        program: Name of the program; None for that of the script.
        version: Version that `--version` prints; without one there is no such flag.
        scattered: Setting, a tuple by position, whose values may also stand among the flags.

    Examples:
        >>> from graph2nn.runs.config import option
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Draw:
        ...     "Draw a graph."
        ...     size: int = option(8, help="inches")
        >>> parse_command({"draw": Draw}, ["draw", "--size", "4"], description="Graphs.")
        Draw(size=4)
    """
    parser, own = command_parser(
        commands, description=description, program=program, version=version
    )
    args, more = parser.parse_known_args(argv)
    if more and (any(text.startswith("-") for text in more) or not hasattr(args, str(scattered))):
        own[args.command].error(f"unrecognized arguments: {' '.join(more)}")
    if more and scattered is not None:
        setattr(args, scattered, (*getattr(args, scattered), *more))
    return _checked(commands[args.command], own[args.command], args)


def command_parser(
    commands: Mapping[str, type],
    *,
    description: str,
    program: str | None = None,
    version: str | None = None,
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Make the parser of a program with sub-commands, and those of the sub-commands by name.

    Arguments are those of `parse_command`.
    """
    parser = argparse.ArgumentParser(prog=program, description=description, formatter_class=_LAYOUT)
    if version is not None:
        parser.add_argument("--version", action="version", version=f"{parser.prog} {version}")
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    own = {}
    for name, cls in commands.items():
        text = (cls.__doc__ or "").strip()
        line = text.splitlines()[0] if text else ""
        own[name] = chosen.add_parser(
            name,
            help=line.replace("%", "%%"),
            description=inspect.cleandoc(text).replace("%", "%%"),
            formatter_class=_LAYOUT,
        )
        add_arguments(own[name], cls)
    return parser, own


def _checked(
    cls: type[Config], parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    try:
        return from_args(cls, args)
    except ValueError as error:
        parser.error(str(error))


def _add_one(group: Any, setting: Setting, prefix: str) -> None:
    meta, hint, default = setting.meta, setting.hint, setting.default
    kind, name = without_none(hint), prefix + setting.key
    required = default is dataclasses.MISSING
    note = "required" if required else f"default: {_shown(default)}"
    help_text = f"{meta.get('help', '')} ({note})".strip().replace("%", "%%")
    how: dict[str, Any] = {"help": help_text, "default": None if required else default}
    if typing.get_origin(kind) is typing.Literal:
        meta = {**meta, "choices": typing.get_args(kind)}
        kind = type(typing.get_args(kind)[0])
    if meta.get("positional") and typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        how |= {"action": _AsTuple, "nargs": "+" if required else "*"}
        group.add_argument(name, type=_reader(setting.key, item, item), **how)
        return
    if meta.get("positional"):
        how["nargs"] = None if required else "?"
        group.add_argument(name, type=_reader(setting.key, kind, hint), **how)
        return
    short = [flag for flag in meta.get("flags", ()) if not prefix]
    flags = list(dict.fromkeys([*short, f"--{name}", f"--{name.replace('_', '-')}"]))
    how |= {"dest": name, "required": required}
    if kind is bool:
        # a flag whose default is true or undecided needs a way to say no
        action = "store_true" if default is False else argparse.BooleanOptionalAction
        group.add_argument(*flags, action=action, **how)
    elif typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        group.add_argument(*flags, action=_TupleAction, nargs="+", item=item, **how)
    else:
        reader = _reader(setting.key, kind, hint)
        group.add_argument(*flags, type=reader, choices=meta.get("choices"), **how)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _reader(name: str, kind: Any, hint: Any) -> Any:
    if kind not in (str, int, float):
        raise TypeError(f"field {name}: a command line has no argument of type {hint}")
    if hint is kind or typing.get_origin(hint) is typing.Literal:
        return kind

    def read(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    read.__name__ = kind.__name__  # argparse names the type in its message
    return read


class _AsTuple(argparse.Action):
    """Arguments by position, each of them one value: names of files may have commas."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, tuple(values))


class _TupleAction(argparse.Action):
    """`200,250`, `200 250` and `none` (no value) as tuples of one type."""

    def __init__(self, *args: Any, item: type, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._item = item

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        parts = [part for text in values for part in text.split(",") if part]
        if [part.lower() for part in parts] == ["none"]:
            setattr(namespace, self.dest, None if self.default is None else ())
            return
        try:
            setattr(namespace, self.dest, tuple(self._item(part) for part in parts))
        except ValueError:
            wanted = f"{self._item.__name__}s separated by commas"
            raise argparse.ArgumentError(self, f"expected {wanted}, got {values}") from None
