"""Other tools that show networks, beside ours, on networks that nobody here wrote.

    python benchmarks/graph_tools.py --out graph_tools.json
    python benchmarks/graph_tools.py --chromium /usr/bin/chromium --every 1

The first table runs every --every-th network of the tests' zoo (`tests/zoo/libraries`: small
networks of transformers, diffusers, segmentation-models-pytorch, PyG, peft and MONAI) through each
tool that is installed: how many come out, in how many CPU seconds, and how many networks, inputs
or random states are no longer what they were. The second takes large networks, each in a fresh
process: CPU seconds and the highest memory over that of the network. A network on the meta device
has no values.

Every tool gets the call its documentation shows, in evaluation mode, with the means that it has:
keyword arguments where it takes them, a wrapper with positional ones where not. Model Explorer
reads an exported program; netron reads that program's file, in a browser (--chromium; playwright
and psutil), whose time counts, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from common import fresh_process, memory, parser, quiet, report, reset_peak, start, table
from torch import nn

from graph2nn.archgraph import draw, summary, trace

ZOO = str(Path(__file__).resolve().parents[1] / "tests" / "zoo")
if ZOO not in sys.path:
    sys.path.append(ZOO)

from libraries import CASES, Belongings, Case, call, outputs  # noqa: E402

LIMIT = 90
"""Seconds after which a tool is stopped."""

Work = Callable[[nn.Module, Any, Path], int]


class Positional(nn.Module):
    """A network that takes its keyword arguments by position."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Any) -> Any:
        return self.model(**dict(zip(self.names, values)))


def by_position(model: nn.Module, input: Any) -> tuple[nn.Module, tuple]:
    if isinstance(input, dict):
        return Positional(model, tuple(input)), tuple(input.values())
    return model, input if isinstance(input, tuple) else (input,)


def forward_pass(model: nn.Module, input: Any, folder: Path) -> int:
    """What any tool that runs the network may change."""
    with torch.no_grad():
        return len(outputs(call(model, input)))


def netwright_graph(model: nn.Module, input: Any, folder: Path) -> int:
    return trace(model, input, training=False).num_nodes


def netwright_page(model: nn.Module, input: Any, folder: Path) -> int:
    graph = trace(model, input, training=False, measures=True)
    draw(graph, folder / "net.html")
    return graph.num_nodes


def netwright_summary(model: nn.Module, input: Any, folder: Path) -> int:
    return len(str(summary(model, input)).splitlines())


def torchview(model: nn.Module, input: Any, folder: Path) -> int:
    from torchview import draw_graph

    place = next((p.device for p in model.parameters()), torch.device("cpu"))
    drawn = draw_graph(model, input_data=input, device=place, depth=100, mode="eval")
    return len(drawn.visual_graph.body)


def torchinfo(model: nn.Module, input: Any, folder: Path) -> int:
    from torchinfo import summary as table_of

    place = next((p.device for p in model.parameters()), torch.device("cpu"))
    found = table_of(model, input_data=input, verbose=0, device=place, depth=100, mode="eval")
    return len(str(found).splitlines())


def torchvista(model: nn.Module, input: Any, folder: Path) -> int:
    from torchvista import trace_model

    page = folder / "vista.html"
    trace_model(*by_position(model, input), export_format="html", export_path=str(page))
    return page.read_text(encoding="utf-8").count("\n")


def exported(model: nn.Module, input: Any) -> torch.export.ExportedProgram:
    args = () if isinstance(input, dict) else input if isinstance(input, tuple) else (input,)
    return torch.export.export(model, args, input if isinstance(input, dict) else None)


def model_explorer(model: nn.Module, input: Any, folder: Path) -> int:
    from model_explorer.pytorch_exported_program_adapter_impl import (
        PytorchExportedProgramAdapterImpl as Adapter,
    )

    settings = {"const_element_count_limit": 16}
    (graph,) = Adapter(exported(model, input), settings).convert()["graphs"]
    return len(graph.nodes)


class Browser:
    """A page of netron's that opens one file after the other."""

    def __init__(self, chromium: str) -> None:
        from playwright.sync_api import sync_playwright

        self.driver = sync_playwright().start()
        self.browser = self.driver.chromium.launch(
            executable_path=chromium or None, args=["--no-sandbox"]
        )

    def nodes(self, file: Path) -> int:
        """Nodes that netron draws of a file."""
        import netron

        page = self.browser.new_page()
        page.add_init_script(  # netron takes `eval` away, with which playwright asks
            "const kept = window.eval;"
            "Object.defineProperty(window, 'eval', {get: () => kept, set: () => {}})"
        )
        host, port = netron.start(str(file), address=("127.0.0.1", 0), browse=False)
        try:
            page.goto(f"http://{host}:{port}")
            page.click("#message-button")  # what it tells the first time
            page.wait_for_selector("g.node", timeout=30_000, state="attached")
            return page.locator("g.node").count()
        finally:
            netron.stop((host, port))
            page.close()

    def close(self) -> None:
        self.browser.close()
        self.driver.stop()


TOOLS: dict[str, tuple[str, Work]] = {
    "(a forward pass)": ("torch", forward_pass),
    "Netwright, graph": ("graph2nn", netwright_graph),
    "Netwright, page": ("graph2nn", netwright_page),
    "Netwright, summary": ("graph2nn", netwright_summary),
    "torchview": ("torchview", torchview),
    "torchinfo": ("torchinfo", torchinfo),
    "torchvista": ("torchvista", torchvista),
    "Model Explorer": ("model_explorer", model_explorer),
    "netron": ("netron", model_explorer),  # replaced where there is a browser
}
"""Tool → package that it needs, what it does."""


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without the warnings and the log of the libraries, which speak of the small sizes."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def stopped_after(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one(work: Work, case: Case, folder: Path) -> dict[str, Any]:
    """What a tool makes of one network."""
    model, input = case.build(), case.input()
    before = Belongings(model, input, strict=False)
    begin = seconds()
    row: dict[str, Any] = {"case": str(case), "nodes": 0, "error": ""}
    try:
        with stopped_after(LIMIT), quiet(), contextlib.redirect_stderr(None):
            row["nodes"] = work(model, input, folder)
    except BaseException as error:  # some raise what is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        row["error"] = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"[:200]
    cpu = seconds() - begin
    return {**row, "cpu": cpu, "changed": before.changes(model, input)[:3]}


def seconds() -> float:
    """CPU seconds of this process and of the browser that it has started."""
    total = time.process_time()
    if "playwright" in sys.modules:
        import psutil

        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += sum(child.cpu_times()[:2])
    return total


def survey(tool: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one tool for all networks of the sample."""
    work, browser = TOOLS[tool][1], None
    if tool == "netron":
        browser = Browser(args.chromium)

        def work(model: nn.Module, input: Any, folder: Path) -> int:
            torch.export.save(exported(model, input), folder / "net.pt2")
            return browser.nodes(folder / "net.pt2")

    rows = []
    with silent(), tempfile.TemporaryDirectory() as name:
        for case in sample(args):
            rows.append(one(work, case, Path(name)))
    if browser is not None:
        browser.close()
    return rows


def sample(args: argparse.Namespace) -> list[Case]:
    cases = [case for case in CASES if find_spec(case.library) is not None]
    if args.quick:
        return [case for case in cases if case.library == "torch_geometric"][:2]
    return cases[:: args.every]


def large(name: str) -> tuple[nn.Module, Any]:
    """A large network and its input."""
    if name == "Llama 8 B, meta":
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
        more = {"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}
        with torch.device("meta"):
            return LlamaForCausalLM(LlamaConfig(**sizes, **more)).eval(), {
                "input_ids": torch.ones(1, 128, dtype=torch.long)
            }
    from torchvision import models

    return models.get_model(name, weights=None).eval(), torch.zeros(1, 3, 224, 224)


LARGE = ("resnet50", "vit_l_16", "swin_v2_b", "Llama 8 B, meta")


def weigh(tool: str, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds and memory of one tool for one large network."""
    model, input = large(name)
    with silent(), tempfile.TemporaryDirectory() as folder:
        small = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        with quiet(), contextlib.suppress(Exception):  # what is imported once
            TOOLS[tool][1](small, torch.zeros(1, 4), Path(folder))
        base = reset_peak()
        begin = time.process_time()
        row: dict[str, Any] = {"tool": tool, "network": name, "nodes": 0, "error": ""}
        try:
            with stopped_after(4 * LIMIT), quiet():
                row["nodes"] = TOOLS[tool][1](model, input, Path(folder))
        except BaseException as error:
            row["error"] = f"{type(error).__name__}: {error}"[:200]
    return {**row, "cpu": time.process_time() - begin, "memory": memory("VmHWM") - base}


def summarised(tool: str, rows: list[dict[str, Any]]) -> list[Any]:
    """One line of the first table."""
    good = [row for row in rows if not row["error"]]
    taken = sorted(row["cpu"] for row in good)
    middle = statistics.median(taken) if taken else None
    high = taken[round(0.9 * (len(taken) - 1))] if taken else None
    changed = sum(bool(row["changed"]) for row in rows)
    return [tool, f"{len(good)} of {len(rows)}", middle, high, changed]


def weighed(weights: list[dict[str, Any]], tool: str, name: str) -> str:
    """One cell of the second table."""
    for row in weights:
        if (row["tool"], row["network"]) == (tool, name):
            if row["error"]:
                return row["error"].partition(":")[0]
            return f"{row['cpu']:.2g}, {max(row['memory'], 0):.0f}"
    return "-"


def arguments(argv: list[str] | None) -> argparse.Namespace:
    found = parser(__doc__, reference=False)
    found.add_argument(
        "--every", type=int, default=6, help="step through the zoo; default: %(default)s"
    )
    found.add_argument("--tools", nargs="*", choices=[*TOOLS], help="default: all installed")
    found.add_argument("--site", type=Path, help="packages of tools that are installed elsewhere")
    found.add_argument("--chromium", default="", help="browser for netron; default: playwright's")
    found.add_argument("--only", choices=("small", "large"), help="one of the two tables")
    return found.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    start(args)
    if args.site:
        sys.path.append(str(args.site))
    if args.measure:
        tool, _, network = args.measure.partition(": ")
        print(json.dumps(weigh(tool, network, args) if network else survey(tool, args)))
        return
    there = [tool for tool in args.tools or TOOLS if find_spec(TOOLS[tool][0]) is not None]
    more = ["--every", str(args.every), "--chromium", args.chromium]
    more += ["--site", str(args.site)] if args.site else []
    tables: list[str] = []
    surveys: dict[str, list[dict[str, Any]]] = {}
    weights: list[dict[str, Any]] = []
    if args.quick:
        surveys = {tool: survey(tool, args) for tool in there[:4]}
    elif args.only != "large":
        surveys = {tool: fresh_process(__file__, tool, args, *more) for tool in there}
    if surveys:
        lines = [summarised(tool, rows) for tool, rows in surveys.items()]
        tables.append(table(["small networks", "handled", "median s", "90 % s", "changed"], lines))
    if not args.quick and args.only != "small":
        pairs = [(tool, name) for name in LARGE for tool in there if tool != "netron"]
        weights = [fresh_process(__file__, f"{tool}: {name}", args, *more) for tool, name in pairs]
        rows = [[tool, *(weighed(weights, tool, name) for name in LARGE)] for tool in there]
        tables.append(table(["CPU s, MB more", *LARGE], rows))
    report(args, tables, {"small": surveys, "large": weights})


if __name__ == "__main__":
    main()
