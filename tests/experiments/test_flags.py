"""Flags of every script stay: names, types, defaults and choices are frozen in `flags.json`.

`python tests/experiments/test_flags.py` writes the file anew, after a flag was changed on purpose.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FROZEN = Path(__file__).with_name("flags.json")
SCRIPTS = sorted(
    path.relative_to(ROOT / "experiments").as_posix()
    for path in (ROOT / "experiments").rglob("*.py")
)
MODULES = {  # by the name under which the file knows them
    "download": "graph2nn.vision.download",
    "connectomes": "graph2nn.relational.download",
    "draw": "graph2nn.draw",
    "tart_shipped": "predictors.tart.shipped",
}


class _Parsed(BaseException):
    """Carries the parser of a program out of it, before anything runs."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


@contextlib.contextmanager
def _caught() -> Iterator[None]:
    def stop(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        raise _Parsed(self)

    original = argparse.ArgumentParser.parse_known_args
    argparse.ArgumentParser.parse_known_args = stop  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        argparse.ArgumentParser.parse_known_args = original  # type: ignore[method-assign]


def _main(program: str) -> Callable[[], Any]:
    if program in MODULES:
        return importlib.import_module(MODULES[program]).main
    name = f"flags_{Path(program).stem}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / program)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module.main


def _flags(parser: argparse.ArgumentParser) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, own in action.choices.items():
                found[name] = _flags(own)
        elif not isinstance(action, argparse._HelpAction):
            choices = None if action.choices is None else sorted(map(str, action.choices))
            key = " ".join(action.option_strings) or action.dest
            how = {"default": repr(action.default), "nargs": action.nargs, "choices": choices}
            found[key] = {**how, "required": action.required}
    return found


def flags_of(program: str) -> dict[str, Any]:
    """Every flag of a program, with what it takes."""
    main = _main(program)
    saved, sys.argv = sys.argv, [program]
    try:
        with _caught(), contextlib.redirect_stdout(io.StringIO()):
            main()
    except _Parsed as parsed:
        return _flags(parsed.parser)
    finally:
        sys.argv = saved
    raise AssertionError(f"{program} parsed no command line")


@pytest.mark.parametrize("program", [*SCRIPTS, *MODULES])
def test_flags_are_as_they_were(program):
    frozen = json.loads(FROZEN.read_text(encoding="utf-8"))
    assert program in frozen, f"{program} is new: run python {Path(__file__).name}"
    assert flags_of(program) == frozen[program]


if __name__ == "__main__":
    text = json.dumps({name: flags_of(name) for name in [*SCRIPTS, *MODULES]}, indent=1)
    FROZEN.write_text(text + "\n", encoding="utf-8")
