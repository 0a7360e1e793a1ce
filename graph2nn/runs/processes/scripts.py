"""How does a script end? With its result, or a line that says what is wrong or how to go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from graph2nn.runs.processes.stopping import Stopped, stoppable

__all__ = ["run_script"]

_USERS = (ValueError, OSError, RuntimeError, ImportError)


def run_script(main: Callable[[], None]) -> None:
    """Run the main function of a script, and end the process if it fails or is stopped.

    What the user can mend is told in one line, with exit status 1; Ctrl-C and SIGTERM end it with
    130 and 143, as shells count, and a line that says what is kept.

    Args:
        main: Function that does everything.

    Raises:
        SystemExit: It failed or was stopped.
    """
    name = Path(sys.argv[0]).stem
    try:
        with stoppable():
            main()
    except KeyboardInterrupt as stop:
        stop = stop if isinstance(stop, Stopped) else Stopped()
        if os.environ.get("RANK", "0") == "0":
            kept = f": {stop.kept}; the same command goes on" if stop.kept else ""
            print(f"\n{name}: stopped{kept}", file=sys.stderr)
        sys.exit(128 + stop.number)
    except _USERS as error:
        sys.exit(f"{name}: {error}")
