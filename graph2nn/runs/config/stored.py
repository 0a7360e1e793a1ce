"""How is a dataclass stored as JSON, and made again from what is stored?"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from graph2nn.runs.config.settings import all_settings, make_config, refuse_unknown, without_none

__all__ = [
    "from_dict",
    "to_dict",
]

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """Return a JSON-able copy of a dataclass, nested ones included; tuples become lists."""
    found = {}
    for setting in all_settings(type(config)):
        value, stored = setting.read(config), setting.meta.get("stored", True)
        changed = value != setting.default
        if stored is False or not (setting.flag and stored != "changed" or changed):
            continue
        found[setting.key] = _jsonable(value)
        if not isinstance(stored, (bool, str)) and setting.nested is not None and value is not None:
            usual = {s.key: _jsonable(s.default) for s in all_settings(setting.nested)}
            found[setting.key] = {
                k: v for k, v in found[setting.key].items() if k in stored or v != usual[k]
            }
    return found


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Make the dataclass that `to_dict` was given.

    Raises:
        ValueError: Names that `cls` does not have.
    """
    refuse_unknown(cls, values)
    found = {}
    for setting in all_settings(cls):
        if setting.key not in values:
            continue
        value, kind = values[setting.key], without_none(setting.hint)
        if setting.nested is not None and isinstance(value, Mapping):
            value = from_dict(setting.nested, value)
        elif typing.get_origin(kind) is tuple and isinstance(value, list):
            value = tuple(value)
        found[setting.key] = value
    return make_config(cls, found)


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    return value
