"""Where is `python -m graph2nn.archgraph.draw`? In `graph2nn.draw`; the old name runs it, too."""

# To be run, not imported: `graph2nn.archgraph.draw` is the function of that name.

import runpy
import warnings

if __name__ == "__main__":
    text = f"{__spec__.name} is now graph2nn.draw; the old name goes with the next release"
    warnings.warn(text, DeprecationWarning)
    runpy.run_module("graph2nn.draw", run_name="__main__", alter_sys=True)
