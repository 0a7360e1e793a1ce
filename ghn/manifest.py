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
from graph2nn.runs import sha256_file, write_atomic

__all__ = ["add_entry"]


def add_entry(path: str | Path) -> dict[str, Any]:
    """Write the entry of a checkpoint into the manifest beside it, and return the entry.

    Raises:
        ValueError: not a hypernetwork's checkpoint.
    """
    path = Path(path)
    config, _, rest = read_ghn(path)
    entry = {
        "file": path.name,
        "sha256": sha256_file(path),
        "hypernet": config.hypernet,
        "dataset": config.dataset,
        "num_classes": config.num_classes,
        "imsize": config.image_size,
        "card": rest.get("card", {}),
    }
    manifest = path.with_name("MANIFEST.json")
    entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    entries[path.stem.replace("_", "-")] = entry
    text = json.dumps(dict(sorted(entries.items())), indent=2) + "\n"
    write_atomic(manifest, lambda file: file.write(text.encode()))
    return entry


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
