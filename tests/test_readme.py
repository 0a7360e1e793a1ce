"""The README's commands, snippet, names and links are true."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex

import pytest
from repository import ROOT, imported_script

from ghn import GHN
from ghn.training import TrainConfig
from graph2nn.runs import parse_command, parse_config

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = 25  # lines


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[list[str]]:
    """Every single command of the shell blocks, split into words, without comments."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    parts = [part for line in lines for part in line.split("&&")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [[word for word in one if word != "..."] for one in words if one]


def script_calls() -> list[tuple[str, list[str]]]:
    """Scripts of the repository with the flags that the README gives them."""
    calls = []
    for words in commands():
        scripts = [k for k, word in enumerate(words) if word.endswith(".py")]
        if scripts:
            calls.append((words[scripts[0]], words[scripts[0] + 1 :]))
    return calls


def test_first_screen_has_exactly_two_set_up_commands():
    start = "\n".join(TEXT.splitlines()[:FIRST_SCREEN])
    assert TEXT.count("pip install -e") - TEXT.count('`pip install -e ".[all]"`') == 2
    first, second = re.findall(r"```bash\n(.*?)```", start, re.DOTALL)
    assert first.startswith("pip install -e . && python experiments/train_ghn.py")
    assert second.startswith('pip install -e ".[test]" && python -m pytest')
    assert first.count("\n") == second.count("\n") == 1


@pytest.mark.parametrize(("script", "flags"), script_calls(), ids=str)
def test_scripts_know_their_flags(script, flags):
    assert (ROOT / script).is_file()
    if script.endswith("train_ghn.py"):
        parse_config(TrainConfig, flags).resolved()
    elif script.endswith("eval_ghn.py"):
        with imported_script(ROOT / script) as module:
            parse_config(module.EvalConfig, flags)
    else:
        with imported_script(ROOT / script) as module:
            if hasattr(module, "COMMANDS"):
                commands = {name: cls for name, (cls, _) in module.COMMANDS.items()}
                parse_command(commands, flags, description="")
            else:
                module.parse(flags)


def test_every_experiment_is_shown():
    shown = {script for script, _ in script_calls()}
    assert shown == {f"experiments/{p.name}" for p in (ROOT / "experiments").glob("*.py")}


def test_modules_that_are_run_exist():
    modules = [words[2] for words in commands() if words[:2] == ["python", "-m"]]
    assert "graph2nn.vision.download" in modules and "pytest" in modules
    for name in modules:
        assert importlib.util.find_spec(name) is not None
    sources = importlib.import_module("graph2nn.vision.sources").SOURCES
    for words in commands():
        if "graph2nn.vision.download" in words:
            assert words[3] in sources


def test_snippet_runs(monkeypatch):
    torchvision = pytest.importorskip("torchvision", reason="needs the extra 'vision'")
    import torch

    code = blocks("python")[0]
    manifest = ROOT / "checkpoints" / "MANIFEST.json"
    names = re.findall(r'from_pretrained\("([^"]+)"\)', code)
    shipped = json.loads(manifest.read_text()) if manifest.is_file() else {}
    if not set(names) <= set(shipped):  # a stand-in until the checkpoint is there
        tiny = GHN(hid=8, max_shape=(8, 8, 11, 11), layernorm=True, weight_norm=True)
        monkeypatch.setattr(GHN, "from_pretrained", lambda name: tiny)
    scope: dict[str, object] = {}
    exec(code, scope)
    model, params = scope["model"], scope["params"]
    assert isinstance(model, torchvision.models.ResNet) and isinstance(params, dict)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    assert {name: p.shape for name, p in params.items()} == shapes
    assert all(p.isfinite().all() for p in model.parameters())
    assert all(p.requires_grad for p in params.values())
    with torch.no_grad():
        assert model(torch.rand(2, 3, 64, 64)).isfinite().all()


def test_relational_snippet_runs(capsys):
    scope: dict[str, object] = {}
    exec(blocks("python")[1], scope)
    c, length = map(float, capsys.readouterr().out.split())
    assert 0 < c < 1 < length < 4
    assert scope["logits"].shape == (8, 10)
    assert scope["net"].counts().flops == pytest.approx(2_364_416, rel=1e-3)


def test_predictors_snippets_run():
    """As in the README, with fewer epochs for the transformer."""
    from predictors import TART

    fit, strings = blocks("python")[2:4]
    assert "TART()" in fit and "ArchGrammar" in strings
    scope: dict[str, object] = {"TART": TART}
    exec(fit.replace("TART()", 'TART(encoder="none", epochs=2)'), scope)
    assert len(scope["X"]) == len(scope["y"]) >= 300
    exec(strings, scope)
    assert scope["net"].training


def test_links_and_paths_exist():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    quoted = re.findall(r"`((?:docs|checkpoints|data|benchmarks|experiments|tests)/[^`\s]*)`", TEXT)
    for path in {*links, *quoted}:
        assert (ROOT / path).exists(), path


def test_names_in_the_table_exist():
    """`graph2nn.a.b(...)` is an attribute of a module, `GHN.x(...)` a method of the class."""
    for call in re.findall(r"`((?:graph2nn|predictors|archtokens)\.[\w.]+)(?=[(`])", TEXT):
        module, _, attribute = call.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), call
    for method in re.findall(r"`GHN\.(\w+)\(", TEXT):
        assert hasattr(GHN, method), method
    relational = importlib.import_module("graph2nn.relational")
    for name in re.findall(r"`(build_model|Relational\w+|measure|match_width)[(`]", TEXT):
        assert hasattr(relational, name), name
    for task in re.findall(r"`((?:mlp|cnn|resnet\w+|efficient)_\w+)`", TEXT):
        assert task in relational.TASKS, task
    deepnets = importlib.import_module("graph2nn.deepnets")
    for name in re.findall(r"`(Network|build_graph)\(", TEXT):
        assert hasattr(deepnets, name), name


def test_layout_names_the_packages():
    packages = {p.parent.name for p in (ROOT / "graph2nn").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"`(\w+)`", TEXT))
