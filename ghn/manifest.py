"""`MANIFEST.json` of a folder of checkpoints.

python -m ghn.manifest checkpoints/ghn2_digits.pt     adds or renews the entry of a file

The name that `from_pretrained` knows is that of the file, with a hyphen for the underscore.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ghn.checkpoints import read_ghn
from graph2nn.runs import pretrained

__all__ = ["add_entry"]


def add_entry(path: str | Path) -> dict[str, Any]:
    """Write the entry of a checkpoint into the manifest beside it, and return the entry.

    Raises:
        ValueError: Not a hypernetwork's checkpoint.
    """
    config, _, rest = read_ghn(path)
    said = {name: getattr(config, name) for name in ("hypernet", "dataset", "num_classes")}
    said["imsize"] = config.image_size  # the published name
    return pretrained.add_entry(path, **said, card=rest.get("card", {}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", nargs="+", help="files in one folder")
    for name in parser.parse_args().checkpoint:
        try:
            print(json.dumps(add_entry(name), indent=2))
        except (ValueError, OSError) as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
