"""The README's commands, examples with what they print, names and links are true."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from pages import blocks, check_printed, python_blocks
from repository import ROOT

from netwright.command.main import main

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = 25  # lines
LONGEST = 120  # lines
SHORT = "--steps 2 -m 1 -b 8 --val_every 0 --processes 1 --test_nets 0".split()


def examples() -> list[tuple[str, str]]:
    """Return every example with what the README says that it prints."""
    found = [(code, printed) for code, printed, _ in python_blocks(TEXT)]
    return [(code, printed) for code, printed in found if printed is not None]


def commands() -> list[list[str]]:
    """Return every single command of the shell blocks, split into words, without comments."""
    lines = [line for block in blocks(TEXT, "bash") for line in block.splitlines()]
    parts = [part for line in lines for part in line.split("&&")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [one for one in words if one]


def test_it_is_one_page():
    assert len(TEXT.splitlines()) <= LONGEST
    assert "# or " not in TEXT


def test_first_screen_has_exactly_two_set_up_commands():
    start = "\n".join(TEXT.splitlines()[:FIRST_SCREEN])
    quoted = len(re.findall(r'`pip install -e "\.\[\w+\]"', TEXT))
    assert TEXT.count("pip install -e") - quoted == 2
    first, second = blocks(start, "bash")
    assert first.startswith("pip install -e . && python experiments/train_ghn.py")
    assert second.startswith('pip install -e ".[test]" && python -m pytest')
    assert first.count("\n") == second.count("\n") == 1


def test_every_block_is_run_here():
    ends = ["pip", "python", "pip", "python", "netwright", "netwright"]
    assert [words[0] for words in commands()] == ends, "run the new command in a test"
    assert len(examples()) == len(blocks(TEXT, "python")) == len(blocks(TEXT, "text"))
    assert set(re.findall(r"```(\w+)", TEXT)) == {"bash", "python", "text"}


@pytest.mark.parametrize("number", range(len(examples())))
def test_an_example_prints_what_is_written_below_it(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, expected = examples()[number]
    program = compile(code, f"README example {number}", "exec")
    check_printed(program, {"__name__": "readme"}, expected)
    assert not list(tmp_path.iterdir())


def test_the_first_command_trains(tmp_path):
    (words,) = (words for words in commands() if words[-1].endswith("train_ghn.py"))
    command = [sys.executable, str(ROOT / words[1]), *words[2:], *SHORT]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    (made,) = Path(tmp_path, "runs").iterdir()
    assert (made / "ghn.pt").is_file()


def test_the_command_makes_a_page_and_a_prediction(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torchvision")
    monkeypatch.chdir(tmp_path)
    page, accuracy = (words[1:] for words in commands() if words[0] == "netwright")
    assert main(page) == 0 and Path("net.html").stat().st_size > 10_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of operations that some networks of the table lack
        assert main(accuracy) == 0
    assert "top1" in capsys.readouterr().out


def test_the_second_command_finds_this_test():
    (words,) = (words for words in commands() if words[-1] == "pytest")
    command = [sys.executable, *words[1:], "--collect-only", "-q", str(Path(__file__))]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "test_it_is_one_page" in ran.stdout


def test_links_and_paths_exist():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    quoted = re.findall(r"`((?:docs|checkpoints|data|benchmarks|experiments|tests)/[^`\s]*)`", TEXT)
    for path in {*links, *quoted}:
        assert (ROOT / path).exists(), path


def test_extras_exist():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for extra in re.findall(r"pip install -e \"\.\[(\w+)\]\"", TEXT):
        assert f'"{extra}"' in setup, extra
