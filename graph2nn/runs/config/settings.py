"""Which settings does a dataclass have, those of `flat` fields among its own?"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from graph2nn.runs.config.fields import FLAT, META, default_of

__all__ = [
    "Setting",
    "all_settings",
    "changed",
    "flattened",
    "make_config",
    "refuse_unknown",
    "settings_of",
    "without_none",
]

Config = TypeVar("Config")


class Setting(typing.NamedTuple):
    """One setting of a dataclass: a field of it, or of a dataclass that is a flat field.

    Args:
        key: Name of the flag and of the stored value.
        path: Attributes that lead to it.
        owner: Dataclass whose field it is.
        default: Value where none is given; `MISSING` where one has to be.
        meta: What `option` said.
        flag: Whether it is an argument of the command line, too.
    """

    key: str
    path: tuple[str, ...]
    owner: type
    default: Any
    meta: Mapping[str, Any]
    flag: bool

    @property
    def hint(self) -> Any:
        """The type that its owner declares."""
        return _hints(self.owner)[self.path[-1]]

    @property
    def nested(self) -> type | None:
        """The dataclass that it is, if it is one."""
        kind = without_none(self.hint)
        return kind if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None

    def read(self, config: Any) -> Any:
        """Return its value in a dataclass."""
        return functools.reduce(getattr, self.path, config)


def all_settings(cls: type) -> list[Setting]:
    """List the settings of a dataclass in the order of its fields.

    Raises:
        TypeError: Two of one name, or a `flat` field that names a setting which is not there.
    """
    found: list[Setting] = []
    for field in dataclasses.fields(cls):
        default = default_of(field)
        if FLAT in field.metadata:
            found += _inner(field, default)
        else:
            meta = field.metadata.get(META, {})
            key = meta.get("name") or field.name
            found.append(Setting(key, (field.name,), cls, default, meta, True))
    keys = [setting.key for setting in found]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise TypeError(f"{cls.__name__}: two settings named {', '.join(twice)}; rename one")
    return found


def settings_of(config: Any) -> dict[str, Any]:
    """Return the settings of a dataclass by the names that its flags have.

    A class gives its defaults, an instance its values; settings of a `flat` field stand among the
    others. `parser.set_defaults(**settings_of(config))` makes a configuration the default of a
    parser with `add_arguments`. A dataclass that is not `flat` is one setting.
    """
    cls = config if isinstance(config, type) else type(config)
    found = {}
    for setting in all_settings(cls):
        if setting.flag:
            found[setting.key] = setting.default if config is cls else setting.read(config)
    return found


def changed(config: Config, /, **settings: Any) -> Config:
    """Return a copy with other values, settings of `flat` fields by their flags' names included.

    Raises:
        ValueError: A name that the dataclass does not have.
    """
    refuse_unknown(type(config), settings)
    return make_config(type(config), settings, config)


def flattened(cls: type[Config]) -> type[Config]:
    """Let a dataclass take and show the settings of its `flat` fields under their own names, too.

    A decorator, above `@dataclass`, for classes that once had these settings as fields.

    Examples:
        >>> from graph2nn.runs.config import flat
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
    inner = {setting.key: setting for setting in all_settings(cls) if len(setting.path) > 1}
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]

    @functools.wraps(make)
    def __init__(self: Any, **given: Any) -> None:
        paths = {inner[key].path: given.pop(key) for key in inner.keys() & given.keys()}
        changes = _arguments(paths, lambda name: given.get(name, default_of(fields[name])))
        make(self, **{**given, **changes})

    cls.__init__ = __init__  # type: ignore[method-assign]
    for key, setting in inner.items():
        if setting.flag:
            setattr(cls, key, property(setting.read))
    return cls


def make_config(cls: type[Config], values: Mapping[str, Any], start: Any = None) -> Config:
    """Make a dataclass from values by key.

    Args:
        cls: The dataclass.
        values: Values by `Setting.key`.
        start: Instance that gives the other values; None for the defaults.
    """
    paths = {s.path: values[s.key] for s in all_settings(cls) if s.key in values}
    if start is not None:
        return dataclasses.replace(start, **_arguments(paths, functools.partial(getattr, start)))
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    return cls(**_arguments(paths, lambda name: default_of(fields[name])))


def refuse_unknown(cls: type, values: Mapping[str, Any]) -> None:
    """Raise an error if values are of settings that a dataclass does not have.

    Raises:
        ValueError: Says which, and which there are.
    """
    known = {setting.key: setting.flag for setting in all_settings(cls)}
    if unknown := sorted(set(values) - set(known)):
        names = ", ".join(key for key, flag in known.items() if flag)
        raise ValueError(f"{cls.__name__} has no setting {', '.join(unknown)}; it has {names}")


def without_none(hint: Any) -> Any:
    """Return the type `T` of a hint `T | None`, and any other hint as it is."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else hint
    return hint


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    flat = (default_of(field) for field in dataclasses.fields(cls) if FLAT in field.metadata)
    return typing.get_type_hints(cls, localns={type(inner).__name__: type(inner) for inner in flat})


def _inner(field: dataclasses.Field, start: Any) -> list[Setting]:
    how, found = field.metadata[FLAT], []
    inner = all_settings(type(start))
    if unknown := {*how["without"], *how["changes"]} - {setting.key for setting in inner}:
        names = ", ".join(sorted(unknown))
        raise TypeError(f"field {field.name}: {type(start).__name__} has no setting {names}")
    for setting in inner:
        key, meta, flag = setting.key, setting.meta, setting.flag
        if key in how["without"] or not flag:
            key, flag = f"{field.name}.{key}", False
        elif key in how["changes"]:
            own = how["changes"][key].metadata[META]
            key = own["name"] or key
            said = ("name", "flags", "help", "choices")
            meta = {**meta, **{name: own[name] for name in said if own[name]}}
        path, default = (field.name, *setting.path), setting.read(start)
        found.append(Setting(key, path, setting.owner, default, meta, flag))
    return found


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
