"""Is a wheel small, and made of nothing but files that git tracks?

    python tests/wheel/contents.py dist/netwright-0.1.0-py3-none-any.whl

Prints what is wrong and exits with 1, or prints the size and the number of files.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LARGEST = 30e6  # bytes
HOMES = {"archtokens/": "tokenizers/archtokens/", "graph2nn/shipped/": ""}  # elsewhere in git


def origin(name: str) -> str:
    """Return the file of the repository that a file of the wheel was made from."""
    for inside, home in HOMES.items():
        if name.startswith(inside):
            return home + name.removeprefix(inside)
    return name


def problems(wheel: Path) -> list[str]:
    """Return a sentence for everything that is wrong with a wheel."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    tracked = set(listed.stdout.split("\0"))
    names = [n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n]
    found = [f"{n}: git does not track {origin(n)}" for n in names if origin(n) not in tracked]
    inside = {origin(n) for n in names}
    wanted = [n for n in tracked if n.startswith(("checkpoints/", "data/"))]
    found += [f"{n}: is not in the wheel" for n in sorted(wanted) if n not in inside]
    if wheel.stat().st_size > LARGEST:
        found.append(f"{wheel.stat().st_size / 1e6:.1f} MB, at most {LARGEST / 1e6:.0f} MB")
    return found


def main(wheel: str) -> int:
    """Print what is wrong, or what there is; 0 if all is well."""
    found = problems(Path(wheel))
    count = len(zipfile.ZipFile(wheel).namelist())
    size = Path(wheel).stat().st_size / 1e6
    print("\n".join(found) or f"{Path(wheel).name}: {size:.1f} MB, {count} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
