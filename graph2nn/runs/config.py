"""Command lines and JSON made from frozen dataclasses: one description of every setting."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "add_arguments",
    "changed",
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

Config = TypeVar("Config")
_META = "graph2nn.option"
_FLAT = "graph2nn.flat"
_LAYOUT = argparse.RawDescriptionHelpFormatter  # keeps the example commands on their lines


def option(
    default: Any = dataclasses.MISSING,
    *flags: str,
    help: str = "",
    choices: Sequence[Any] | None = None,
    positional: bool = False,
    factory: Any = dataclasses.MISSING,
    name: str | None = None,
    stored: bool | Sequence[str] = True,
) -> Any:
    """Describe a dataclass field: how it appears on the command line and in stored settings.

    The flag `--name` follows from the field's name; `flags` adds others (`"-m"`).

    Args:
        default: Value when the flag is absent; without one the flag is required.
        flags: Further flags.
        help: One line of help; the default is added to it.
        choices: Allowed values.
        positional: Whether it is an argument by position, without a flag.
        factory: Function that makes the default, where that is a dataclass or mutable.
        name: Published name of the flag and of the stored key, where the field has another.
        stored: Whether it is stored, False for what is neither stored nor compared (a place, not a
            setting); of a field that is a dataclass, its stored keys: others are there only while
            they differ from the dataclass's default.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Settings:
        ...     meta_batch_size: int = option(1, "-m", help="networks a step")
        >>> parse_config(Settings, ["-m", "8"])
        Settings(meta_batch_size=8)
    """
    meta = {
        "flags": flags,
        "help": help,
        "choices": choices,
        "positional": positional,
        "name": name,
        "stored": stored,
    }
    how: dict[str, Any] = {"metadata": {_META: meta}, "compare": stored is not False}
    if factory is not dataclasses.MISSING:
        how["default_factory"] = factory
    elif default is not dataclasses.MISSING:
        how["default"] = default
    return dataclasses.field(**how)


def flat(factory: Callable[[], Any], *, without: Sequence[str] = (), **changes: Any) -> Any:
    """Describe a field that is a dataclass whose settings stand among the owner's own.

    Flags and stored keys of the inner settings have no prefix, as if the owner repeated them.

    Args:
        factory: Makes the inner dataclass. Its values are the defaults of the flags, whatever the
            inner class says.
        without: Inner settings that are no flags and, while they have the factory's value, not
            stored. A changed one is stored under `field.setting`.
        changes: Inner setting → `option(...)` with what differs here: name, flags, help, choices.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Recipe:
        ...     epochs: int = option(200, "-e", help="passes over the images")
        ...     amp: bool = option(False, help="mixed precision")
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Run:
        ...     seed: int = option(0)
        ...     recipe: Recipe = flat(lambda: Recipe(epochs=5), amp=option(name="half"))
        >>> run = parse_config(Run, ["--half"])
        >>> run
        Run(seed=0, recipe=Recipe(epochs=5, amp=True))
        >>> to_dict(run)
        {'seed': 0, 'epochs': 5, 'half': True}
        >>> changed(run, epochs=7).recipe.epochs
        7
    """
    meta = {"without": tuple(without), "changes": changes}
    return dataclasses.field(default_factory=factory, metadata={_FLAT: meta})


def flattened(cls: type[Config]) -> type[Config]:
    """Let a dataclass take and show the settings of its `flat` fields under their own names, too.

    A decorator, above `@dataclass`, for classes that once had these settings as fields.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Recipe:
        ...     epochs: int = 200
        >>> @flattened
        ... @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Run:
        ...     recipe: Recipe = flat(lambda: Recipe(epochs=5))
        >>> Run(epochs=7), Run().epochs
        (Run(recipe=Recipe(epochs=7)), 5)
    """
    make = cls.__init__
    inner = {setting.key: setting for setting in _settings(cls) if len(setting.path) > 1}
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]

    @functools.wraps(make)
    def __init__(self: Any, **given: Any) -> None:
        paths = {inner[key].path: given.pop(key) for key in inner.keys() & given.keys()}
        changes = _arguments(paths, lambda name: given.get(name, _default(fields[name])))
        make(self, **{**given, **changes})

    cls.__init__ = __init__  # type: ignore[method-assign]
    for key, setting in inner.items():
        if setting.flag:
            setattr(cls, key, property(setting.read))
    return cls


def add_arguments(parser: argparse.ArgumentParser, cls: type, prefix: str = "") -> None:
    """Add one argument for each setting of the dataclass `cls`.

    Types: str, int, float, bool (a flag; `--no-name` where the default is true), `Literal`, tuples
    (`200,250` or `200 250`), each also `| None` (written `none`). A field that is a dataclass
    itself gives arguments whose names begin with the field's name, or without that where it is
    `flat`. Underscores may be written as dashes.

    Raises:
        TypeError: a field of another type.
    """
    group = parser.add_argument_group(prefix.rstrip("_")) if prefix else parser
    for setting in _settings(cls):
        if setting.nested is not None:
            add_arguments(parser, setting.nested, f"{prefix}{setting.key}_")
        elif setting.flag:
            _add_one(group, setting, prefix)


def from_args(cls: type[Config], args: argparse.Namespace, prefix: str = "") -> Config:
    """Make `cls` from what a parser with `add_arguments` returned."""
    found: dict[str, Any] = {}
    for setting in _settings(cls):
        if setting.nested is not None:
            found[setting.key] = from_args(setting.nested, args, f"{prefix}{setting.key}_")
        elif setting.flag:
            found[setting.key] = getattr(args, prefix + setting.key)
    return _made(cls, found)


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
    commands: Mapping[str, type], argv: Sequence[str] | None = None, *, description: str
) -> Any:
    """Read the dataclass of the sub-command that the command line names, as `parse_config`.

    Args:
        commands: Dataclasses by name; the first line of its docstring is the help of the command.
        argv: Arguments; `sys.argv` when None.
        description: Description of the whole program.

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


def settings_of(config: Any) -> dict[str, Any]:
    """Return the settings of a dataclass by the names that its flags have.

    A class gives its defaults, an instance its values; settings of a `flat` field stand among the
    others. `parser.set_defaults(**settings_of(config))` makes a configuration the default of a
    parser with `add_arguments`. A dataclass that is not `flat` is one setting.
    """
    cls = config if isinstance(config, type) else type(config)
    found = {}
    for setting in _settings(cls):
        if setting.flag:
            found[setting.key] = setting.default if config is cls else setting.read(config)
    return found


def changed(config: Config, /, **settings: Any) -> Config:
    """Return a copy with other values, settings of `flat` fields by their flags' names included.

    Raises:
        ValueError: A name that the dataclass does not have.
    """
    _refuse_unknown(type(config), settings)
    return _made(type(config), settings, config)


def to_dict(config: Any) -> dict[str, Any]:
    """Return a JSON-able copy of a dataclass, nested ones included; tuples become lists."""
    found = {}
    for setting in _settings(type(config)):
        value, stored = setting.read(config), setting.meta.get("stored", True)
        if stored is False or not (setting.flag or value != setting.default):
            continue
        found[setting.key] = _jsonable(value)
        if not isinstance(stored, bool) and setting.nested is not None and value is not None:
            usual = {s.key: _jsonable(s.default) for s in _settings(setting.nested)}
            found[setting.key] = {
                k: v for k, v in found[setting.key].items() if k in stored or v != usual[k]
            }
    return found


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Make the dataclass that `to_dict` was given.

    Raises:
        ValueError: Names that `cls` does not have.
    """
    _refuse_unknown(cls, values)
    found = {}
    for setting in _settings(cls):
        if setting.key not in values:
            continue
        value, kind = values[setting.key], _without_none(setting.hint)
        if setting.nested is not None and isinstance(value, Mapping):
            value = from_dict(setting.nested, value)
        elif typing.get_origin(kind) is tuple and isinstance(value, list):
            value = tuple(value)
        found[setting.key] = value
    return _made(cls, found)


class _Setting(typing.NamedTuple):
    """One setting of a dataclass: a field of it, or of a dataclass that is a flat field."""

    key: str  # of the flag, of the stored value
    path: tuple[str, ...]  # attributes that lead to it
    owner: type  # whose field it is
    default: Any
    meta: Mapping[str, Any]
    flag: bool

    @property
    def hint(self) -> Any:
        return _hints(self.owner)[self.path[-1]]

    @property
    def nested(self) -> type | None:
        kind = _without_none(self.hint)
        return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None

    def read(self, config: Any) -> Any:
        return functools.reduce(getattr, self.path, config)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    flat = (_default(field) for field in dataclasses.fields(cls) if _FLAT in field.metadata)
    return typing.get_type_hints(cls, localns={type(inner).__name__: type(inner) for inner in flat})


def _settings(cls: type) -> list[_Setting]:
    found: list[_Setting] = []
    for field in dataclasses.fields(cls):
        default = _default(field)
        if _FLAT in field.metadata:
            found += _inner(field, default)
        else:
            meta = field.metadata.get(_META, {})
            key = meta.get("name") or field.name
            found.append(_Setting(key, (field.name,), cls, default, meta, True))
    keys = [setting.key for setting in found]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise TypeError(f"{cls.__name__}: two settings named {', '.join(twice)}; rename one")
    return found


def _inner(field: dataclasses.Field, start: Any) -> list[_Setting]:
    how, found = field.metadata[_FLAT], []
    inner = _settings(type(start))
    if unknown := {*how["without"], *how["changes"]} - {setting.key for setting in inner}:
        names = ", ".join(sorted(unknown))
        raise TypeError(f"field {field.name}: {type(start).__name__} has no setting {names}")
    for setting in inner:
        key, meta, flag = setting.key, setting.meta, setting.flag
        if key in how["without"] or not flag:
            key, flag = f"{field.name}.{key}", False
        elif key in how["changes"]:
            own = how["changes"][key].metadata[_META]
            key = own["name"] or key
            meta = {**meta, **{name: value for name, value in own.items() if value}}
        path, default = (field.name, *setting.path), setting.read(start)
        found.append(_Setting(key, path, setting.owner, default, meta, flag))
    return found


def _made(cls: type[Config], values: Mapping[str, Any], start: Any = None) -> Config:
    """`cls` with `values` by key; the others from `start`, or else the defaults."""
    paths = {s.path: values[s.key] for s in _settings(cls) if s.key in values}
    if start is not None:
        return dataclasses.replace(start, **_arguments(paths, functools.partial(getattr, start)))
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**_arguments(paths, lambda name: _default(fields[name])))


def _arguments(
    values: Mapping[tuple[str, ...], Any], inner: Callable[[str], Any]
) -> dict[str, Any]:
    """Arguments of a dataclass from values by path; `inner` gives what they change in a field."""
    own: dict[str, Any] = {}
    below: dict[str, dict[tuple[str, ...], Any]] = {}
    for (name, *rest), value in values.items():
        if rest:
            below.setdefault(name, {})[tuple(rest)] = value
        else:
            own[name] = value
    for name, more in below.items():
        start = inner(name)
        changes = _arguments(more, functools.partial(getattr, start))
        own[name] = dataclasses.replace(start, **changes)
    return own


def _refuse_unknown(cls: type, values: Mapping[str, Any]) -> None:
    known = {setting.key: setting.flag for setting in _settings(cls)}
    if unknown := sorted(set(values) - set(known)):
        names = ", ".join(key for key, flag in known.items() if flag)
        raise ValueError(f"{cls.__name__} has no setting {', '.join(unknown)}; it has {names}")


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


def _add_one(group: Any, setting: _Setting, prefix: str) -> None:
    meta, hint, default = setting.meta, setting.hint, setting.default
    kind, name = _without_none(hint), prefix + setting.key
    required = default is dataclasses.MISSING
    note = "required" if required else f"default: {_shown(default)}"
    help_text = f"{meta.get('help', '')} ({note})".strip().replace("%", "%%")
    how: dict[str, Any] = {"help": help_text, "default": None if required else default}
    if typing.get_origin(kind) is typing.Literal:
        meta = {**meta, "choices": typing.get_args(kind)}
        kind = type(typing.get_args(kind)[0])
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


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


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
