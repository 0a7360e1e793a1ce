"""Which pages does the site have beside those of docs/, and where do their links lead?

MkDocs calls the functions `on_...` while it builds. Descriptions that stand beside what they
describe (`checkpoints/README.md` and the like) become pages of the site, the reference is made from
what packages export, the commands from what their `--help` says. Links are written for a reader
of the repository; here they are turned to the pages of the site.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import posixpath
import re
import runpy
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from unittest import mock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = [
    "definition",
    "exported",
    "generated",
    "included",
    "on_files",
    "on_page_content",
    "on_page_markdown",
    "packages",
    "place",
    "turned",
]

ROOT = Path(__file__).parents[2]
TOP = {
    "graph2nn": ROOT / "graph2nn",
    "archtokens": ROOT / "tokenizers" / "archtokens",
    "ghn": ROOT / "ghn",
    "predictors": ROOT / "predictors",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
NOTEBOOK_LINK = re.compile(r'href="((?!https?:|#)[^"]+?)\.(?:md|ipynb)(#[^"]*)?"')
BLOCK = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)


@cache
def included() -> dict[str, str]:
    """Return the places on the site of pages that lie elsewhere in the repository."""
    places = {
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "benchmarks/README.md": "results/benchmarks.md",
        "checkpoints/README.md": "results/checkpoints.md",
        "data/README.md": "results/data.md",
    }
    for path in sorted((ROOT / "data").glob("*/README.md")):
        places[path.relative_to(ROOT).as_posix()] = f"results/data_{path.parent.name}.md"
    return places


# --- the reference ------------------------------------------------------------------------------


def folder_of(package: str) -> Path:
    top, *rest = package.split(".")
    return TOP[top].joinpath(*rest)


@cache
def exported(package: str) -> tuple[str, ...]:
    """Return the names in `__all__` of a package, () where it has none."""
    return listed(folder_of(package) / "__init__.py")


@cache
def listed(path: Path) -> tuple[str, ...]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


@cache
def packages() -> tuple[str, ...]:
    """Return the packages that export something, each before those within it."""
    found = []
    for top, folder in TOP.items():
        for path in sorted(folder.rglob("__init__.py")):
            name = ".".join((top, *path.parent.relative_to(folder).parts))
            if exported(name):
                found.append(name)
    return tuple(found)


@cache
def definition(package: str, name: str) -> str:
    """Return the dotted path of what a package exports under a name, where it is defined."""
    tree = ast.parse((folder_of(package) / "__init__.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name and node.module.split(".")[0] in TOP:
                    inner = node.module != package and folder_of(node.module).is_dir()
                    if inner and alias.name in exported(node.module):
                        return definition(node.module, alias.name)
                    return f"{node.module}.{alias.name}"
    return defining_file(package, name)


def defining_file(package: str, name: str) -> str:
    """Return the same where the package imports it late: its file lists it in `__all__`."""
    folder = folder_of(package)
    if re.search(rf"^{name} ?[:=]", (folder / "__init__.py").read_text(), re.MULTILINE):
        return f"{package}.{name}"
    for path in sorted(folder.rglob("*.py")):
        if path.name != "__init__.py" and name in listed(path):
            inner = path.relative_to(folder).with_suffix("").parts
            return ".".join((package, *inner, name))
    raise ValueError(f"{package} exports {name!r}, which no file of it lists in `__all__`")


def page_of(package: str) -> str:
    """Return the package on whose page a package is described: rooms have one page each."""
    parts = package.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["studies"] else 2])


@cache
def reference() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return for each page the packages it describes, and of each the names described there.

    What several packages export is described once, on the page of the innermost.
    """
    pages: dict[str, dict[str, tuple[str, ...]]] = {}
    taken: set[str] = set()
    for package in sorted(packages(), key=lambda name: -page_of(name).count(".")):
        names = [name for name in exported(package) if definition(package, name) not in taken]
        taken |= {definition(package, name) for name in names}
        pages.setdefault(page_of(package), {})[package] = tuple(names)
    return dict(sorted(pages.items()))


def purpose(package: str) -> str:
    """Return the docstring of a package."""
    tree = ast.parse((folder_of(package) / "__init__.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def reference_index() -> str:
    """Write the first page of the reference: the packages and what each is for."""
    rows = [f"| [`{page}`]({page}.md) | {purpose(page).splitlines()[0]} |" for page in reference()]
    return "\n".join(
        (
            "# Reference\n",
            "Generated from the docstrings. Examples take `torch`, `numpy as np` and the names of"
            " their package as imported. What scripts take: [commands](commands.md).\n",
            "| package | what it is for |\n|---|---|",
            *rows,
        )
    )


def reference_page(page: str) -> str:
    """Write the page of a package: its purpose, what it exports, what inner packages describe."""
    text = [f"# `{page}`"]
    for package, names in sorted(reference()[page].items()):
        text += [purpose(package)] if package == page else []
        text += [f"::: {definition(package, name)}" for name in names]
        elsewhere = [name for name in exported(package) if name not in names]
        links = [f"[`{name}`][{definition(package, name)}]" for name in elsewhere]
        if links and package == page:
            text.insert(2, f"Also importable from here: {', '.join(links)}.")
    return "\n\n".join(text) + "\n"


# --- commands -----------------------------------------------------------------------------------


def help_of(script: Path, *words: str) -> str:
    """Return what a script says to `--help`, run in this process."""
    said = io.StringIO()
    argv = [script.relative_to(ROOT).as_posix(), *words, "--help"]
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.dict(os.environ, COLUMNS="88"),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        runpy.run_path(str(script), run_name="__main__")
    return said.getvalue().strip()


def help_of_command(*words: str) -> str:
    """Return what the command says to `--help`, run in this process."""
    from netwright.command.main import main

    said = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS="88"),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        main([*words, "--help"])
    return said.getvalue().strip()


def subcommands(script: Path) -> list[str]:
    """Return the keys of `COMMANDS` in a script."""
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        place = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if place is not None and ast.unparse(place) == "COMMANDS":
            assert isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(
                node.value, ast.Dict
            )
            return [ast.literal_eval(key) for key in node.value.keys if key is not None]
    return []


def commands_page() -> str:
    """Write the page that shows what every script of `experiments/` takes."""
    text = ["# Commands", "What the command and each script of `experiments/` say to `--help`."]
    text += ["## `netwright`", f"```text\n{help_of_command()}\n```"]
    for word in subcommands(ROOT / "netwright" / "command" / "main.py"):
        text += [f"### `netwright {word}`", f"```text\n{help_of_command(word)}\n```"]
    for script in sorted((ROOT / "experiments").glob("*.py")):
        said = help_of(script)
        text += [f"## `{script.name}`", f"```text\n{said}\n```"]
        for word in subcommands(script):
            text += [f"### `{script.name} {word}`", f"```text\n{help_of(script, word)}\n```"]
    return "\n\n".join(text) + "\n"


# --- links --------------------------------------------------------------------------------------


def place(target: str) -> str | None:
    """Return where on the site a file of the repository is, None if it is not there."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return included().get(target) or included().get(f"{target}/README.md")


def turned(text: str, origin: str, uri: str) -> str:
    """Turn the links of a page of the repository to the pages of the site.

    What is not on the site becomes plain text. Blocks of code are left as they are.
    """

    def turn(match: re.Match[str]) -> str:
        mark, label, link = match.groups()
        path, hash_, anchor = link.partition("#")
        if "://" in link or link.startswith(("#", "mailto:")):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        there = place(target)
        if there is None:
            return label if (ROOT / target).exists() else match[0]
        relative = posixpath.relpath(there, posixpath.dirname(uri) or ".")
        return f"{mark}[{label}]({relative}{hash_}{anchor})"

    parts = BLOCK.split(text)
    return "".join(p if p.startswith("```") else LINK.sub(turn, p) for p in parts)


def origin_of(uri: str) -> str:
    """Return which file of the repository a page of the site is made from."""
    return {there: here for here, there in included().items()}.get(uri, f"docs/{uri}")


# --- what MkDocs calls --------------------------------------------------------------------------


def generated() -> Iterator[tuple[str, str]]:
    """Make the pages that no file of docs/ holds."""
    for here, there in included().items():
        yield there, (ROOT / here).read_text(encoding="utf-8")
    for page in reference():
        yield f"reference/{page}.md", reference_page(page)
    yield "reference/index.md", reference_index()
    yield "reference/commands.md", commands_page()


def expanded(nav: object, uris: list[str]) -> object:
    """Replace stars of the navigation by the pages that are there."""
    if isinstance(nav, list):
        return [expanded(item, uris) for item in nav]
    if isinstance(nav, dict):
        return {title: expanded(item, uris) for title, item in nav.items()}
    if isinstance(nav, str) and "*" in nav:
        return [uri for uri in uris if fnmatch(uri, nav) and uri.endswith((".md", ".ipynb"))]
    return nav


def _order(uri: str) -> tuple[bool, str]:
    """Put the first page of a folder first, and a package before those within it."""
    stem = uri.rpartition(".")[0]
    return not stem.endswith("/index"), stem


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and name them in the navigation."""
    for uri, text in generated():
        files.append(File.generated(config, uri, content=text))
    uris = sorted((file.src_uri for file in files), key=_order)
    config.nav = expanded(config.nav, uris)  # type: ignore[assignment]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to the site."""
    uri = page.file.src_uri
    return turned(markdown, origin_of(uri), uri)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a notebook to the site, which the plug-in for notebooks leaves."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    up = "../"  # a page has a folder of its own
    return NOTEBOOK_LINK.sub(lambda m: f'href="{up}{m[1]}/{m[2] or ""}"', html)
