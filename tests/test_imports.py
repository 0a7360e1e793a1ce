"""Do imports run one way? The plan of the house, read from the source of every file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import networkx as nx
import pytest
from import_graph import Import, Source, circles, import_graph, read_sources
from repository import EXPERIMENTS, ROOT

# Each may import those before it; the last is the command.
LIBRARIES = ("graph2nn", "archtokens", "ghn", "predictors", "netwright")
FLOORS = (  # of graph2nn: each may import the floors before its own
    {"runs"},
    {"vision", "archgraph"},
    {"training"},
    {"deepnets", "cells", "relational", "sparsity", "wirings"},
    {"families"},
    {"ground_truth"},
)
SPACES = {  # the arrows between spaces, and what they carry
    "deepnets": set(),
    "cells": {"deepnets"},  # its primitives: normalisation, separable convolutions
    "relational": set(),
    "sparsity": set(),
    "wirings": {"relational", "sparsity"},  # random families of graphs; the multipartite graph
}
# of a space: each may import those before it
ROOMS = ("graphs", "networks", "conversion", "campaign")
EDGES = {  # beside the floors
    *("graph2nn", "graph2nn.deprecated", "graph2nn.draw", "graph2nn.lazy", "graph2nn.names")
}
LARGEST_LEVEL = 14
LONGEST_FILE, LONGEST_SCRIPT = 500, 200  # lines
FOREIGN = {  # private names of torch, of Python and of joblib's loky that have no public form
    *("_parameters", "_buffers", "_modules", "_version", "_base", "_utils", "_rebuild_tensor_v2"),
    *("_BatchNorm", "_NormBase", "_ConvNd", "_DropoutNd", "_asdict", "_replace", "_getframe"),
    *("_exit", "_call_queue", "_reader", "_thread", "_cdata", "_schema", "_functorch"),
}


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return read_sources()


@pytest.fixture(scope="module")
def graph(sources) -> nx.DiGraph:
    return import_graph(sources)


def _imports(graph: nx.DiGraph) -> Iterator[tuple[list[str], list[str], Import]]:
    for _, _, found in graph.edges(data="first"):
        yield found.source.split("."), found.target.split("."), found


def _fail_on(problems: list[str], advice: str) -> None:
    if problems:
        lines = "\n  ".join(sorted(problems))
        pytest.fail(f"{len(problems)} found:\n  {lines}\n{advice}", pytrace=False)


def test_no_circle_between_files(graph):
    advice = "Move what both need into a third file below them; a lazy import only hides it."
    _fail_on(circles(graph), advice)


def test_libraries_import_downwards(graph):
    order = {name: floor for floor, name in enumerate(LIBRARIES)}
    problems = [
        str(found)
        for source, target, found in _imports(graph)
        if order[target[0]] > order[source[0]]
    ]
    advice = "Imports run experiments -> predictors -> ghn -> archtokens -> graph2nn."
    _fail_on(problems, advice)


def test_no_library_imports_scripts_or_tests(sources):
    problems = []
    for source in sources.values():
        for node in ast.walk(source.tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if {name.split(".")[0] for name in names} & {"experiments", "benchmarks", "tests"}:
                problems.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    _fail_on(problems, "Scripts and tests import the library, never the other way.")


def test_floors_of_graph2nn(graph):
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    problems = []
    for source, target, found in _imports(graph):
        if source[0] != "graph2nn" or EDGES & {found.source, found.target}:
            continue
        here, there = source[1], target[1]
        same_space = here in SPACES and there in SPACES and there in SPACES[here]
        if here != there and floor[there] >= floor[here] and not same_space:
            problems.append(str(found))
    advice = (
        "In graph2nn: runs < vision, archgraph < training < the spaces; "
        f"between spaces only { ({k: sorted(v) for k, v in SPACES.items() if v}) }."
    )
    _fail_on(problems, advice)


def test_edges_of_graph2nn(graph):
    problems = []
    for _, _, found in _imports(graph):
        edge = found.source in ("graph2nn.deprecated", "graph2nn.lazy", "graph2nn.names")
        if edge or found.target == "graph2nn.draw":
            problems.append(str(found))
        if found.source == "graph2nn":
            problems.append(str(found))
    advice = (
        "Nobody imports the script `draw`; `deprecated`, `lazy` and `names`, which anyone may "
        "need, import nothing; `graph2nn/__init__` holds the version alone."
    )
    _fail_on(problems, advice)


def test_rooms_of_a_space(graph):
    problems = []
    for source, target, found in _imports(graph):
        if source[:2] == target[:2] and len(source) > 2 and len(target) > 2 and source[1] in SPACES:
            here, there = source[2], target[2]
            if here in ROOMS and there in ROOMS and ROOMS.index(there) > ROOMS.index(here):
                problems.append(str(found))
    _fail_on(problems, "In a space: graphs < networks < conversion < campaign.")


def test_no_package_imports_its_own_caller(graph, sources):
    """Among the files and packages of a folder, taken whole, nothing runs in a circle."""
    problems = []
    for package in sorted(name for name, source in sources.items() if source.is_package):
        level = nx.DiGraph()
        for _, _, found in _imports(graph):
            ends = [_member(package, name) for name in (found.source, found.target)]
            if None not in ends and ends[0] != ends[1] and not level.has_edge(*ends):
                level.add_edge(*ends, first=found)
        problems += circles(level)
    advice = "Two packages need each other: move what both need below them, or merge them."
    _fail_on(problems, advice)


def _member(package: str, name: str) -> str | None:
    """Return the direct child of a package that a file belongs to; None if outside of it."""
    if not name.startswith(f"{package}."):
        return None
    return ".".join(name.split(".")[: package.count(".") + 2])


def test_private_names_stay_in_their_file(sources):
    problems = []
    for source in sources.values():
        own = _defined(source.tree)
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names if _private(alias.name)} - FOREIGN
            elif isinstance(node, ast.Attribute) and _private(node.attr):
                inside = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
                names = set() if inside else {node.attr} - own - FOREIGN
            else:
                continue
            if names:
                problems.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    advice = "A name with an underscore belongs to its file: give it a public name, or a method."
    _fail_on(problems, advice)


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a file defines, as functions, classes, variables or attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            inside = isinstance(node, ast.Name) or ast.unparse(node.value) in {"self", "cls"}
            if inside:
                names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names


def test_no_level_holds_too_many_files(sources):
    levels = Counter(source.path.rpartition("/")[0] for source in sources.values())
    levels.update(str(path.parent.relative_to(ROOT)) for path in EXPERIMENTS.rglob("*.py"))
    problems = [f"{folder} has {n} files" for folder, n in levels.items() if n > LARGEST_LEVEL]
    _fail_on(problems, f"A level holds at most {LARGEST_LEVEL} files: make a room, or merge.")


def test_no_file_is_too_long(sources):
    files = [(path, LONGEST_SCRIPT) for path in EXPERIMENTS.rglob("*.py")]
    files += [(ROOT / source.path, LONGEST_FILE) for source in sources.values()]
    counts = [(path, len(path.read_text().splitlines()), most) for path, most in files]
    problems = [f"{path.name} has {n} lines" for path, n, most in counts if n > most]
    _fail_on(problems, f"Files hold {LONGEST_FILE} lines, scripts {LONGEST_SCRIPT}: split them.")


def test_every_folder_is_a_package(sources):
    folders = {name.rpartition(".")[0] for name in sources} - {""}
    missing = [f"{name} has no __init__.py" for name in sorted(folders) if name not in sources]
    _fail_on(missing, "Add an `__init__.py` with one line that says what the folder holds.")


STATE = """
import os, random, sys, warnings
import numpy as np, sklearn, torch  # scikit-learn sets two variables of the environment
try:
    import rich.style  # draws a random number when first imported, by whichever library uses it
except ImportError:
    pass
from torch.nn.modules import module as hooks
from torch.optim import optimizer as optim

def state():
    return {
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn flags": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "gradients": torch.is_grad_enabled(),
        "sharing strategy": torch.multiprocessing.get_sharing_strategy(),
        "hooks of every module": [
            (n, len(v)) for n, v in sorted(vars(hooks).items())
            if n.startswith("_global_") and hasattr(v, "__len__")
        ],
        "hooks of every optimiser": [
            (n, len(v)) for n, v in sorted(vars(optim).items())
            if n.startswith("_global_") and hasattr(v, "__len__")
        ],
        "methods of nn.Module": sorted((n, id(v)) for n, v in vars(torch.nn.Module).items()),
        "methods of Tensor": sorted((n, id(v)) for n, v in vars(torch.Tensor).items()),
        "random numbers": (
            torch.random.get_rng_state().sum().item(),
            str(np.random.get_state()[1][:8]) + str(np.random.get_state()[2]),
            hash(random.getstate()),
        ),
        "environment": dict(os.environ),
    }
"""
IMPORT_ALL = """
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
import contextlib, importlib
with contextlib.suppress(ImportError):  # scikit-learn imports it where it is, and it draws numbers
    importlib.import_module("rich.progress")
before = state()
for name in sys.stdin.read().split():
    importlib.import_module(name)
    after = state()
    for key, value in after.items():
        if value != before[key]:
            print(f"{name} changes {key}")
    before = after
"""


def test_importing_the_library_changes_nothing_else(sources):
    """Import every file in a fresh process; torch, numpy and the environment stay as they were."""
    names = [name for name in sources if not name.endswith("__main__")]
    ran = subprocess.run(
        [sys.executable, "-c", STATE + IMPORT_ALL],
        input="\n".join(names),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    _fail_on(ran.stdout.splitlines(), "An import defines names and does nothing else.")


def test_a_circle_is_found_and_described():
    graph = nx.DiGraph()
    for source, target in pairwise(["a", "b", "c", "a"]):
        found = Import(source=source, target=target, place=f"{source}.py:1")
        graph.add_edge(source, target, first=found)
    graph.add_edge("c", "d", first=Import(source="c", target="d", place="c.py:2"))
    (text,) = circles(graph)
    assert sorted(line.strip() for line in text.splitlines()) == [
        "a.py:1 imports b",
        "b.py:1 imports c",
        "c.py:1 imports a",
    ]
