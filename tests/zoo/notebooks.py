"""How is a notebook executed as by a user of the package? Also: renew the outputs of tutorials.

python tests/zoo/notebooks.py docs/tutorials/05_prune_and_measure.ipynb ...
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

__all__ = ["complaints", "executed", "read", "write"]

LIMIT = 300
"""Seconds that a notebook may take."""

OURS = ("NETWRIGHT_", "GRAPH2NN_")


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook of format 4."""
    return nbformat.read(path, as_version=4)


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook without what differs from one machine or run to the next."""
    language = {"name": "python"}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": language})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    path.write_text(nbformat.writes(notebook, version=4) + "\n", encoding="utf-8")


def manager(folder: Path) -> AsyncKernelManager:
    """Prepare a kernel of this very Python, whatever kernels a user has installed."""
    spec = folder / "tutorial"
    spec.mkdir()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content))
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="tutorial", kernel_spec_manager=specs)


def executed(path: Path) -> nbformat.NotebookNode:
    """Execute a notebook in an empty folder, with none of the library's variables set.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell that raises.
        nbclient.exceptions.CellTimeoutError: A cell that takes longer than all may.
    """
    notebook = read(path)
    free = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    free.pop("MPLBACKEND", None)  # the kernel's own shows figures in the notebook
    with (
        tempfile.TemporaryDirectory() as kernels,
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, free, clear=True),
    ):
        kernel = manager(Path(kernels))
        where = {"metadata": {"path": folder}}
        return NotebookClient(
            notebook, km=kernel, timeout=LIMIT, resources=where, coalesce_streams=True
        ).execute()


def complaints(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Find errors and warnings among the outputs, and cells that were not executed in order."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(cells, 1):
        if cell.execution_count != number:
            yield f"code cell {number} has number {cell.execution_count}"
        for output in cell.outputs:
            text = output.get("text", "")
            if output.output_type == "error":
                yield f"code cell {number}: {output.ename}: {output.evalue}"
            elif output.output_type == "stream" and output.name == "stderr" and "Warning" in text:
                yield f"code cell {number}: {text}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path, help="notebooks to execute anew")
    for path in parser.parse_args().notebooks:
        start = time.perf_counter()
        notebook = executed(path)
        write(notebook, path)
        size = path.stat().st_size / 1000
        print(f"{path}: {time.perf_counter() - start:.0f} s, {size:.0f} kB")
        for text in complaints(notebook):
            print(f"  {text}")


if __name__ == "__main__":
    main()
