"""`import predictors` costs nothing: names are imported when they are first used."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from repository import ROOT

import predictors
from graph2nn.lazy import on_first_use


def fresh(code: str) -> str:
    """Return what the code prints in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.strip()


def declared() -> dict[str, str]:
    """Return name → module as type checkers read them."""
    tree = ast.parse((ROOT / "predictors" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_import_brings_neither_torch_nor_scikit_learn():
    heavy = "[m for m in ('torch', 'sklearn', 'scipy', 'networkx', 'h5py') if m in sys.modules]"
    assert fresh(f"import sys, predictors; print({heavy})") == "[]"


def test_a_table_is_loaded_without_scikit_learn():
    heavy = "[m for m in ('sklearn', 'scipy.stats', 'xgboost') if m in sys.modules]"
    assert fresh(f"import sys; from predictors import load_table; print({heavy})") == "[]"


def test_type_checkers_see_the_names_that_are_there():
    assert sorted(declared()) == sorted(predictors.__all__)
    for name, module in declared().items():
        assert getattr(predictors, name) is getattr(sys.modules[module], name)


def test_modules_are_attributes_as_if_imported():
    assert fresh("import predictors; print(predictors.tables.TABLES[0])") == "nb201"
    rooms = [path.parent.name for path in (ROOT / "predictors").glob("*/__init__.py")]
    for room in rooms:
        assert getattr(predictors, room).__name__ == f"predictors.{room}"


def test_star_and_dir_list_every_name():
    assert set(predictors.__all__) <= set(dir(predictors))
    assert fresh("from predictors import *; print(TART.__name__)") == "TART"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'predictors' has no attribute 'tablez'"):
        _ = predictors.tablez
    find, _ = on_first_use("predictors", {})
    with pytest.raises(AttributeError, match="has no attribute 'anything'"):
        find("anything")
