"""Memory of one process over many predictions.

    python benchmarks/leak.py --reference path/to/ppuda

Each side predicts the parameters of one network again and again in a process of its own; the
growth is that of the resident memory after the warm-up, without any explicit garbage collection.
"""

from __future__ import annotations

import argparse
import json

import torchvision
from common import (
    GHN2,
    fresh_process,
    load_reference,
    memory,
    parser,
    quiet,
    report,
    reset_peak,
    start,
    table,
)

WARMUP = 10


def predict_many(args: argparse.Namespace) -> dict[str, float]:
    """Predict `--calls` times with the side named by `--measure`; MB of growth."""
    if args.measure == "theirs":
        load_reference(args.reference)
        from ppuda.ghn.nn import GHN as Hypernetwork
    else:
        from ghn import GHN as Hypernetwork  # type: ignore[assignment]
    ghn = Hypernetwork(**GHN2).eval()
    model = torchvision.models.get_model(args.network, num_classes=10)
    first = before = reset_peak()
    for call in range(WARMUP + args.calls):
        if call == WARMUP:
            before = memory()
        with quiet():
            ghn(model)
    after = memory()
    highest = memory("VmHWM") - first
    found = {"calls": args.calls, "warm-up": before - first, "growth": after - before}
    return {**found, "highest": highest}


def main(argv: list[str] | None = None) -> None:
    found = parser(__doc__)
    found.add_argument("--network", default="resnet50", help="default: %(default)s")
    found.add_argument("--calls", type=int, default=100, help="default: %(default)s")
    found.add_argument("--their-calls", type=int, default=20, help="default: %(default)s")
    args = found.parse_args(argv)
    if args.quick:
        args.calls, args.their_calls, args.network = 5, 5, "squeezenet1_1"
    start(args)
    if args.measure:
        print(json.dumps(predict_many(args)))
        return
    figures, rows = {}, []
    for side in ("theirs", "ours") if args.reference else ("ours",):
        calls = args.calls if side == "ours" else args.their_calls
        extra = ("--network", args.network, "--calls", str(calls))
        r = figures[side] = fresh_process(__file__, side, args, *extra)
        each = r["growth"] / r["calls"]
        rows.append([side, r["calls"], r["warm-up"], r["highest"], r["growth"], each])
    header = [args.network, "predictions", "warm-up, MB", "highest, MB"]
    header += ["growth, MB", "MB a prediction"]
    report(args, [table(header, rows)], figures)


if __name__ == "__main__":
    main()
