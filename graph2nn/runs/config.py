"""Command lines and JSON made from frozen dataclasses: one description of every setting."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "add_arguments",
    "from_args",
    "from_dict",
    "option",
    "parse_command",
    "parse_config",
    "to_dict",
]

Config = TypeVar("Config")
_META = "graph2nn.option"
_LAYOUT = argparse.RawDescriptionHelpFormatter  # keeps the example commands on their lines


def option(
    default: Any = dataclasses.MISSING,
    *flags: str,
    help: str = "",
    choices: Sequence[Any] | None = None,
    positional: bool = False,
    factory: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field that says how it appears on the command line.

    The flag `--name` follows from the field's name; `flags` adds others (`"-m"`).

    Args:
        default: value when the flag is absent; without one the flag is required.
        flags: further flags.
        help: one line; the default is added to it.
        choices: allowed values.
        positional: no flag, an argument by position.
        factory: makes the default, where that is a dataclass or mutable.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Settings:
        ...     meta_batch_size: int = option(1, "-m", help="networks a step")
        >>> parse_config(Settings, ["-m", "8"])
        Settings(meta_batch_size=8)
    """
    meta = {"flags": flags, "help": help, "choices": choices, "positional": positional}
    how: dict[str, Any] = {"metadata": {_META: meta}}
    if factory is not dataclasses.MISSING:
        how["default_factory"] = factory
    elif default is not dataclasses.MISSING:
        how["default"] = default
    return dataclasses.field(**how)


def add_arguments(parser: argparse.ArgumentParser, cls: type, prefix: str = "") -> None:
    """One argument for each field of the dataclass `cls`.

    Types: str, int, float, bool (a flag; `--no-name` where the default is true), `Literal`, tuples
    (`200,250` or `200 250`), each also `| None` (written `none`). A field that is a dataclass
    itself gives arguments whose names begin with the field's name. Underscores may be written as
    dashes.

    Raises:
        TypeError: a field of another type.
    """
    hints = typing.get_type_hints(cls)
    group = parser.add_argument_group(prefix.rstrip("_")) if prefix else parser
    for field in dataclasses.fields(cls):
        kind = _without_none(hints[field.name])
        if dataclasses.is_dataclass(kind):
            add_arguments(parser, typing.cast(type, kind), f"{prefix}{field.name}_")
        else:
            _add_one(group, field, hints[field.name], prefix)


def from_args(cls: type[Config], args: argparse.Namespace, prefix: str = "") -> Config:
    """An instance of `cls` from what a parser with `add_arguments` returned."""
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        kind = _without_none(hints[field.name])
        if dataclasses.is_dataclass(kind):
            values[field.name] = from_args(kind, args, f"{prefix}{field.name}_")  # type: ignore
        else:
            values[field.name] = getattr(args, prefix + field.name)
    return cls(**values)


def parse_config(
    cls: type[Config], argv: Sequence[str] | None = None, *, description: str | None = None
) -> Config:
    """`cls` from the command line (`sys.argv` when `argv` is None).

    A `ValueError` of the dataclass ends the program with that message and the usage, as a wrong
    flag does.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=_LAYOUT)
    add_arguments(parser, cls)
    return _checked(cls, parser, parser.parse_args(argv))


def parse_command(
    commands: Mapping[str, type], argv: Sequence[str] | None = None, *, description: str
) -> Any:
    """The dataclass of the sub-command that the command line names, as `parse_config` reads it.

    Args:
        commands: name → dataclass; the first line of its docstring is the help of the command.
        argv: `sys.argv` when None.
        description: of the whole program.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Draw:
        ...     "Draw a graph."
        ...     size: int = option(8, help="inches")
        >>> parse_command({"draw": Draw}, ["draw", "--size", "4"], description="Graphs.")
        Draw(size=4)
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=_LAYOUT)
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    own = {}
    for name, cls in commands.items():
        text = (cls.__doc__ or "").strip()
        line = text.splitlines()[0] if text else ""
        own[name] = chosen.add_parser(
            name,
            help=line.replace("%", "%%"),
            description=text.replace("%", "%%"),
            formatter_class=_LAYOUT,
        )
        add_arguments(own[name], cls)
    args = parser.parse_args(argv)
    return _checked(commands[args.command], own[args.command], args)


def to_dict(config: Any) -> dict[str, Any]:
    """JSON-able copy of a dataclass, nested ones included; tuples become lists."""
    return {f.name: _jsonable(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """The dataclass that `to_dict` was given.

    Raises:
        ValueError: names that `cls` does not have.
    """
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise ValueError(
            f"{cls.__name__} has no setting {', '.join(unknown)}; it has {', '.join(hints)}"
        )
    read = {}
    for name, value in values.items():
        kind = _without_none(hints[name])
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            value = from_dict(kind, value)  # type: ignore[type-var,arg-type]
        elif typing.get_origin(kind) is tuple and isinstance(value, list):
            value = tuple(value)
        read[name] = value
    return cls(**read)


def _checked(
    cls: type[Config], parser: argparse.ArgumentParser, args: argparse.Namespace
) -> Config:
    try:
        return from_args(cls, args)
    except ValueError as error:
        parser.error(str(error))


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    return value


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else hint
    return hint


def _add_one(group: Any, field: dataclasses.Field, hint: Any, prefix: str) -> None:
    meta = field.metadata.get(_META, {})
    kind, name = _without_none(hint), prefix + field.name
    default = _default(field)
    required = default is dataclasses.MISSING
    note = "required" if required else f"default: {_shown(default)}"
    help_text = f"{meta.get('help', '')} ({note})".strip().replace("%", "%%")
    how: dict[str, Any] = {"help": help_text, "default": None if required else default}
    if typing.get_origin(kind) is typing.Literal:
        meta = {**meta, "choices": typing.get_args(kind)}
        kind = type(typing.get_args(kind)[0])
    if meta.get("positional"):
        how["nargs"] = None if required else "?"
        group.add_argument(name, type=_reader(field, kind, hint), **how)
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
        reader = _reader(field, kind, hint)
        group.add_argument(*flags, type=reader, choices=meta.get("choices"), **how)


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _reader(field: dataclasses.Field, kind: Any, hint: Any) -> Any:
    if kind not in (str, int, float):
        raise TypeError(f"field {field.name}: a command line has no argument of type {hint}")
    if hint is kind or typing.get_origin(hint) is typing.Literal:
        return kind

    def read(text: str) -> Any:
        return None if text.lower() == "none" else kind(text)

    read.__name__ = kind.__name__  # argparse names the type in its message
    return read


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
