"""Commands of the README and of every page are true: scripts know their flags, modules exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from pages import blocks
from repository import EXPERIMENTS, ROOT, imported_script

from ghn.detection.config import DetectConfig
from ghn.finetuning.config import TrainNetConfig
from ghn.training import TrainConfig
from graph2nn.runs import parse_command, parse_config
from graph2nn.vision.sources import SOURCES
from netwright.command.main import COMMANDS

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/**/README.md")])

SETTINGS: dict[str, type] = {
    "train_detector.py": DetectConfig,
    "train_ghn.py": TrainConfig,
    "train_net.py": TrainNetConfig,
}


@cache
def commands() -> list[tuple[str, list[str]]]:
    """Return every single command of the shell blocks with its page, split into words."""
    found = []
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8"), "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split("&&"):
                    words = [w for w in shlex.split(part, comments=True) if w != "..."]
                    found += [(page.relative_to(ROOT).as_posix(), words)] if words else []
    return found


def script_calls() -> list[tuple[str, str, list[str]]]:
    """Return page, script of `experiments/` and the flags that the page gives it."""
    calls = []
    for page, words in commands():
        places = [
            k for k, word in enumerate(words) if re.fullmatch(r"experiments/(\w+/)*\w+\.py", word)
        ]
        calls += [(page, words[k], words[k + 1 :]) for k in places[:1]]
    return calls


@pytest.mark.parametrize(("page", "script", "flags"), script_calls(), ids=str)
def test_scripts_know_their_flags(page, script, flags):
    assert (ROOT / script).is_file()
    if {"-h", "--help", "RUN"} & set(flags):  # RUN: a folder that the reader has made
        return
    if Path(script).name in SETTINGS:
        parse_config(SETTINGS[Path(script).name], flags).resolved()
        return
    with imported_script(ROOT / script) as module:
        if script.endswith("eval_ghn.py"):
            parse_config(module.EvalConfig, flags)
        elif hasattr(module, "COMMANDS"):
            known = {name: cls for name, (cls, _) in module.COMMANDS.items()}
            parse_command(known, flags, description="")
        else:
            module.parse(flags)


def test_the_command_knows_its_words_and_flags():
    known = {name: cls for name, (cls, _) in COMMANDS.items()}
    calls = [words[1:] for _, words in commands() if words[0] == "netwright"]
    for words in calls:
        parse_command(
            known,
            words[: words.index(">")] if ">" in words else words,
            description="",
            scattered="keywords",
        )
    assert {words[0] for words in calls} == set(known)


def test_every_experiment_is_shown():
    shown = {script for _, script, _ in script_calls()}
    there = {path.relative_to(ROOT).as_posix() for path in EXPERIMENTS.rglob("*.py")}
    assert there <= shown, there - shown


def test_modules_that_are_run_exist():
    modules = {words[2] for _, words in commands() if words[:2] == ["python", "-m"]}
    assert {"graph2nn.vision.download", "pytest"} <= modules
    for name in modules:
        assert importlib.util.find_spec(name) is not None, name


def test_data_sets_that_are_downloaded_exist():
    for page, words in commands():
        if "graph2nn.vision.download" in words:
            assert words[3] in SOURCES, page


def test_files_that_are_run_exist():
    for page, words in commands():
        for word in words:
            if word.endswith(".py") and not word.startswith("my_"):
                assert Path(ROOT, word).is_file(), f"{page}: {word}"
