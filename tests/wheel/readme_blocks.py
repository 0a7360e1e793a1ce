"""Do the README's Python examples run for somebody who has only the installed package?

    python tests/wheel/readme_blocks.py README.md

Runs each example as a script of its own in the current folder, which has to stay empty, and prints
what it prints; exits with 1 where one fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path


def main(readme: str) -> int:
    """Run every example; 0 if all ended well."""
    examples = re.findall(r"```python\n(.*?)```", Path(readme).read_text(encoding="utf-8"), re.S)
    failed = 0
    for number, code in enumerate(examples, 1):
        start = time.perf_counter()
        status = subprocess.run([sys.executable, "-c", code], check=False).returncode
        print(f"example {number}: status {status}, {time.perf_counter() - start:.1f} s", flush=True)
        failed += status != 0
    left = sorted(path.name for path in Path().iterdir())
    if left:
        print(f"the examples left files behind: {', '.join(left)}")
    return 1 if failed or left or not examples else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
