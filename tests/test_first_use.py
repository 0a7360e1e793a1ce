"""Packages whose import costs nothing: names are imported when they are first used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest
from repository import ROOT

import predictors
from graph2nn.lazy import on_first_use

PACKAGES = {"archtokens": ROOT / "tokenizers" / "archtokens", "predictors": ROOT / "predictors"}


def fresh(code: str) -> str:
    """Return what the code prints in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.strip()


def declared(package: str) -> dict[str, str]:
    """Return name → module as type checkers read them."""
    tree = ast.parse((PACKAGES[package] / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_import_brings_neither_torch_nor_scikit_learn():
    heavy = "[m for m in ('torch', 'sklearn', 'scipy', 'networkx', 'h5py') if m in sys.modules]"
    assert fresh(f"import sys, predictors; print({heavy})") == "[]"


def test_a_table_is_loaded_without_scikit_learn():
    heavy = "[m for m in ('sklearn', 'scipy.stats', 'xgboost') if m in sys.modules]"
    assert fresh(f"import sys; from predictors import load_table; print({heavy})") == "[]"


def test_a_hypernetwork_reads_tokens_without_the_grammar():
    heavy = (
        "[m for m in sys.modules if m.startswith(('archtokens.grammar', 'graph2nn.relational'))]"
    )
    assert fresh(f"import sys, ghn; print('archtokens.tokenizer' in sys.modules, {heavy})") == (
        "True []"
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_that_are_there(package):
    module_of = declared(package)
    there = importlib.import_module(package)
    assert sorted(module_of) == sorted(there.__all__)
    for name, module in module_of.items():
        assert getattr(there, name) is getattr(sys.modules[module], name)


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_attributes_as_if_imported(package):
    there = importlib.import_module(package)
    rooms = [path.parent.name for path in PACKAGES[package].glob("*/__init__.py")]
    assert rooms
    for room in rooms:
        assert getattr(there, room).__name__ == f"{package}.{room}"


def test_a_module_is_found_through_its_package():
    assert fresh("import predictors; print(predictors.tables.TABLES[0])") == "nb201"
    assert fresh("import archtokens; print(archtokens.batch.NODE)") == "2"


@pytest.mark.parametrize("package", PACKAGES)
def test_dir_lists_every_name(package):
    there = importlib.import_module(package)
    assert set(there.__all__) <= set(dir(there))


def test_star_brings_every_name():
    assert fresh("from predictors import *; print(TART.__name__)") == "TART"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'predictors' has no attribute 'tablez'"):
        _ = predictors.tablez
    find, _ = on_first_use("predictors", {})
    with pytest.raises(AttributeError, match="has no attribute 'anything'"):
        find("anything")
