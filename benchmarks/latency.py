"""How well is the latency of unseen networks predicted on this machine?

    python benchmarks/latency.py --out latency.csv

Learns from the shipped list of small networks (or takes --machine, what `netwright measure` wrote),
times models of torchvision and timm on one image of 64 x 64 pixels, and compares. Beside the
predictor stands a line through the logarithms of multiply-adds, values, parameters and nodes,
fitted on the same list. Needs torchvision and timm.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.runs.tables import write_rows
from predictors import LatencyPredictor
from predictors.latency import learn_machine, measure
from predictors.metrics import kendall_tau

MODELS = """
    timm:cait_xxs36_224 timm:coat_small timm:coat_tiny timm:coatnet_nano_cc_224
    timm:convnextv2_base timm:cpubone_b1_bfrobust timm:cpubone_t0 timm:cspnext_s timm:cspresnet50
    timm:deit_small_distilled_patch16_224 timm:efficientformerv2_s0 timm:efficientnet_b3
    timm:efficientvit_m4 timm:focalnet_small_srf timm:ghostnet_100 timm:hiera_tiny_224
    timm:inception_next_atto timm:levit_192 timm:mixer_b32_224 timm:mobilenetv3_rw
    timm:mobilevitv2_050 timm:mvitv2_small timm:pit_xs_224 timm:qwen3_vit_416m_merge
    timm:regnetx_006 timm:repghostnet_050 timm:repghostnet_130 timm:repvgg_b2g4 timm:repvit_m3
    timm:resnetrs50 timm:samvit_base_patch16 timm:samvit_base_patch16_224 timm:selecsls42b
    timm:sequencer2d_l timm:starnet_s050 timm:tf_efficientnet_l2 timm:tiny_vit_11m_224
    timm:tnt_s_legacy_patch16_224 timm:twins_pcpvt_base timm:vgg19_bn timm:visformer_small
    timm:vit_base_patch32_siglip_256 timm:vit_small_plus_patch16_dinov3_qkvb
    timm:vit_so150m_patch16_reg4_map_256 timm:volo_d5_224 torchvision:densenet161
    torchvision:efficientnet_b3 torchvision:efficientnet_b4 torchvision:efficientnet_v2_m
    torchvision:efficientnet_v2_s torchvision:regnet_x_1_6gf torchvision:regnet_x_32gf
    torchvision:regnet_y_16gf torchvision:regnet_y_3_2gf torchvision:resnet34 torchvision:swin_v2_b
    torchvision:vgg13 torchvision:vgg13_bn torchvision:vgg16 torchvision:vgg19
""".split()


def build(name: str) -> nn.Module:
    """A model with random weights, made for 64 pixels where it has to know."""
    library, _, model = name.partition(":")
    torch.manual_seed(0)
    if library == "torchvision":
        from torchvision.models import get_model

        return get_model(model, weights=None).eval()
    import timm

    try:
        return timm.create_model(model, img_size=64).eval()
    except TypeError:
        return timm.create_model(model).eval()


def sums(graph: ArchGraph) -> list[float]:
    """What the line reads."""
    columns = ("multiply_adds", "activation_bytes", "parameter_bytes")
    return [*(float(graph.numbers(name).sum()) for name in columns), graph.num_nodes, 0.0]


def line(graphs: list[ArchGraph], seconds: np.ndarray) -> Any:
    """A function from graphs to latencies."""
    table = np.log1p(np.array([sums(graph) for graph in graphs]))
    table[:, -1] = 1
    weights = np.linalg.lstsq(table, np.log(seconds), rcond=None)[0]

    def predict(others: list[ArchGraph]) -> np.ndarray:
        rows = np.log1p(np.array([sums(graph) for graph in others]))
        rows[:, -1] = 1
        return np.exp(rows @ weights)

    return predict


def said(name: str, predicted: np.ndarray, truth: np.ndarray) -> str:
    """Order and error in one line."""
    error = np.abs(predicted / truth - 1)
    return (
        f"{name}: tau {kendall_tau(truth, predicted):.3f}, error {100 * np.median(error):.1f} % "
        f"(median), {100 * error.mean():.1f} % (mean), of {len(truth)} networks"
    )


def main(argv: list[str] | None = None) -> None:
    """Learn, time and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV file")
    parser.add_argument("--machine", help="predictor that netwright measure has written")
    parser.add_argument("--count", type=int, default=320, help="networks to learn from, at most")
    parser.add_argument("--models", nargs="+", default=MODELS, help="LIBRARY:NAME")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    args = parser.parse_args(argv)
    if not args.out.parent.is_dir():
        sys.exit(f"--out: the folder {args.out.parent} does not exist; create it first")
    warnings.simplefilter("ignore")
    if args.machine:
        model = LatencyPredictor.load(args.machine)
    else:
        model = learn_machine(count=args.count, clock=args.clock)
    rows, graphs = [], []
    images = torch.rand(1, 3, 64, 64)
    for name in args.models:
        net = build(name)
        found = measure(net, images, clock=args.clock, at_most=2.0)
        graphs.append(trace(net, images, measures=True, training=False))
        predicted = float(model.predict([graphs[-1]])[0])
        rows.append(
            {"model": name, "ms": f"{1000 * found.median:.4g}", "spread": f"{found.spread:.3f}",
             "predicted_ms": f"{1000 * predicted:.4g}"}
        )  # fmt: skip
        write_rows(args.out, rows)
    truth = np.array([float(row["ms"]) for row in rows])
    print(said("predicted", np.array([float(row["predicted_ms"]) for row in rows]), truth))
    if not args.machine:
        small, seconds = model.seen_
        print(said("line through sums", 1000 * line(small, seconds[:, 0])(graphs), truth))


if __name__ == "__main__":
    main()
