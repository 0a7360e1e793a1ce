"""`python -m graph2nn.relational.download`: fetches the connectomes and checks them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from graph2nn.names import choose
from graph2nn.relational.graphs.connectomes import CONNECTOMES
from graph2nn.runs.checkpoint import replacing
from graph2nn.runs.variables import user_path
from graph2nn.vision.datasets import default_data_dir
from graph2nn.vision.sources import SourceError, download

__all__ = ["SOURCE", "download_connectomes", "main"]

SOURCE = (
    "https://raw.githubusercontent.com/facebookresearch/graph2nn/"
    "b112eb6c6805a1813e433442b0b1f5cabb4ad1a2/pycls/datasets"
)
"""Where the published files are (MIT licence)."""


def download_connectomes(
    names: Sequence[str] = tuple(CONNECTOMES),
    *,
    data_dir: str | Path | None = None,
    source: str = SOURCE,
    progress: bool = True,
) -> list[Path]:
    """Put the files of connectomes into `data_dir/relational`; those that are there stay.

    Args:
        names: Keys of `CONNECTOMES`.
        data_dir: Folder of the data; None means `$NETWRIGHT_DATA` or `./data`.
        source: Address of the folder with `<name>.txt`.
        progress: Whether progress bars are shown.

    Returns:
        The files, in the order of the names.

    Raises:
        ValueError: An unknown name, an unreachable source or another checksum; nothing is left
            behind of that file.
        OSError: The folder cannot be written.
    """
    for name in names:
        choose("connectome", name, CONNECTOMES)
    folder = default_data_dir() if data_dir is None else user_path(data_dir)
    folder = folder / "relational"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name in names:
        target = folder / f"{name}.txt"
        if not target.exists():
            _fetch(f"{source}/{name}.txt", target, CONNECTOMES[name], progress)
        found.append(target)
    return found


def _fetch(url: str, target: Path, sha256: str, progress: bool) -> None:
    try:
        with replacing(target) as partial:
            download(url, partial, sha256, progress)
    except SourceError as error:
        raise ValueError(
            f"{error}; check the network, or put the file there yourself: {target}"
        ) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Download what the command line names and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m graph2nn.relational.download",
        description="Downloads and checks connectomes.",
    )
    names = tuple(CONNECTOMES)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(names)} (default: all)"
    )
    parser.add_argument(
        "-D", "--data-dir", "--data_dir", default=None, help="default: $NETWRIGHT_DATA or ./data"
    )
    args = parser.parse_args(argv)
    try:
        found = download_connectomes(args.names or names, data_dir=args.data_dir)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in found:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
