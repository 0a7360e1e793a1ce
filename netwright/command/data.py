"""`netwright data`: which tables, weights and images there are, and how to get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graph2nn.names import choose
from graph2nn.runs import option, write_text
from graph2nn.runs.pretrained import manifest_entries
from graph2nn.runs.summaries import format_rows
from graph2nn.vision import DATASETS, load_images
from graph2nn.vision.download import FACTS, download_images

if TYPE_CHECKING:
    from predictors import Table

__all__ = ["DataCommand", "show_data"]


@dataclass(frozen=True, kw_only=True)
class DataCommand:
    """List tables, weights and images by name, show one, write a table, download images.

    Examples:
        netwright data
        netwright data nb201
        netwright data nb201 --csv nb201.csv
        netwright data ghn2-digits
        netwright data cifar10 --download
    """

    name: str | None = option(None, positional=True, help="what to show; none for a list of all")
    csv: str | None = option(None, help="file to write the labels of a table to")
    download: bool = option(False, help="fetch images and check them")
    data_dir: str | None = option(None, help="folder of images; none for $NETWRIGHT_DATA or ./data")

    def __post_init__(self) -> None:
        if self.name is None and (self.csv is not None or self.download):
            raise ValueError("--csv and --download: expected a name, as in netwright data cifar10")


def show_data(config: DataCommand) -> str:
    """Show, write or fetch what is asked for, and return what to print.

    Raises:
        ValueError, OSError: An unknown name, or what cannot be had or written.
    """
    from ghn.pretrained_files import available
    from predictors import TABLES

    weights = manifest_entries()
    if config.name is None:
        return _everything(TABLES, weights, available())
    kinds = {
        **dict.fromkeys(TABLES, _show_table),
        **dict.fromkeys([*weights, *available()], _show_weights),
        **dict.fromkeys(DATASETS, _show_images),
    }
    from predictors.tables import is_file_name

    show = _show_table
    if not is_file_name(config.name):
        show = choose("name", config.name, kinds, more="or a table of your own, such as a.h5")
    if config.csv is not None and show is not _show_table:
        raise ValueError(f"--csv: {config.name} is no table; tables are {', '.join(TABLES)}")
    if config.download and show is not _show_images:
        raise ValueError(f"--download: images are {', '.join(FACTS)}; {config.name} is none")
    return show(config)


def _everything(tables: Any, weights: Mapping[str, Any], hypernetworks: list[str]) -> str:
    encoders = [name for name in weights if name not in hypernetworks]
    there = [name for name in hypernetworks if name in weights]
    elsewhere = [name for name in hypernetworks if name not in weights]
    images = [f"{name}{_there(name)}" for name in DATASETS]
    return "\n".join(
        [
            *("tables of networks with labels (predictors.load_table):", _lines(tables)),
            *("hypernetworks that come with the package (GHN.from_pretrained):", _lines(there)),
            *("published hypernetworks, to be downloaded:", _lines(elsewhere)),
            *("encoders of token sequences (TART(encoder=...)):", _lines(encoders)),
            *("images (graph2nn.vision.load_images):", _lines(images)),
            "",
            "netwright data NAME shows one of them",
        ]
    )


def _lines(names: Any) -> str:
    lines, line = [], "  "
    for name in names:
        if len(line) + len(name) > 96:
            lines.append(line.rstrip())
            line = "  "
        line += f"{name}  "
    return "\n".join([*lines, line.rstrip()])


def _there(name: str, folder: str | None = None) -> str:
    try:
        load_images(name, data_dir=folder, split="test")
    except (FileNotFoundError, ValueError):
        return " (not here)"
    return ""


def _show_table(config: DataCommand) -> str:
    from predictors import read_table

    table = read_table(str(config.name))
    rows = []
    for name in table.targets:
        values = np.asarray(table.label(name), dtype=float)
        known = values[np.isfinite(values)]
        rows.append(
            {
                "target": f"{name}{' (default)' if name == table.default else ''}",
                "labels": len(known),
                "least": float(known.min()) if known.size else None,
                "most": float(known.max()) if known.size else None,
                "better": "more" if table.higher_is_better(name) else "less",
            }
        )
    said = [f"{table.name}: {len(table.graphs)} networks", *([table.source] * bool(table.source))]
    said.append(format_rows(rows))
    if table.subsets:
        said.append(f"rows of published protocols: {', '.join(table.subsets)}")
    if config.csv is not None:
        write_text(config.csv, _csv(table))
        said.append(f"{config.csv}: the labels of {len(table.graphs)} networks")
    return "\n".join(said)


def _csv(table: Table) -> str:
    """Names of the networks and all labels, a line a network; numbers read back the same."""
    names = list(table.targets)
    columns = [np.asarray(table.label(name), dtype=float).tolist() for name in names]
    lines = [",".join(["network", *names])]
    for graph, *values in zip(table.graphs, *columns):
        text = '"' + graph.name.replace('"', '""') + '"'
        lines.append(",".join([text, *("" if v != v else repr(v) for v in values)]))
    return "\n".join(lines) + "\n"


def _show_weights(config: DataCommand) -> str:
    name = str(config.name)
    entry = manifest_entries().get(name)
    if entry is None:
        from ghn.pretrained_files import resolve

        return f"{name}: {resolve(name)}"
    said = [f"{name}: comes with the package"]
    for key, value in {**entry, **entry.get("card", {})}.items():
        if key == "test" and isinstance(value, Mapping):
            value = f"{value['mean']:.1f} ± {value['stderr']:.1f} % on {value['n']} networks"
        if not isinstance(value, (Mapping, list)):
            said.append(f"  {key}: {value}")
    return "\n".join(said)


def _show_images(config: DataCommand) -> str:
    name = str(config.name)
    if config.download:
        folder = download_images(name, data_dir=config.data_dir)
        return f"{name} is in {folder}"
    info = DATASETS[name]
    size = f"{info.image_size} x {info.image_size} pixels"
    said = [f"{name}: {info.num_classes} classes, {size}{_there(name, config.data_dir)}"]
    if _there(name, config.data_dir) and name in FACTS:
        said.append(f"fetch it: netwright data {name} --download")
    return "\n".join(said)
