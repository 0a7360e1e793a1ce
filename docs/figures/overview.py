"""The picture of the README: what the graph of a network says.

python docs/figures/overview.py [--nets 100] [--out docs/figures/overview.png]

Everything in it is computed anew from shipped weights and tables, in about two minutes of one core.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch import nn

from ghn import GHN
from ghn.evaluation import evaluate_nets, evaluation_batches
from ghn.torchzoo import evaluate_initial
from ghn.training.networks import evaluation_nets
from graph2nn.archgraph import draw, trace
from graph2nn.relational.campaign.results import published_results
from graph2nn.runs.figures import COLOURS, canvas, save_figure, tidy
from graph2nn.vision import load_images
from predictors import StackedEnsemble, load_table
from predictors.metrics import kendall_tau


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            *(nn.Conv2d(width, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()),
            *(nn.Conv2d(wider, wider, 3, 1, 1, bias=False), nn.BatchNorm2d(wider)),
        )
        self.shortcut = nn.Conv2d(width, wider, 1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.convs(x) + self.shortcut(x))


def a_network(ax: Any) -> None:
    stem = (nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    model = nn.Sequential(*stem, Block(32, 64), Block(64, 128), *head)
    draw(trace(model, torch.rand(1, 3, 8, 8)), ax=ax, labels=False, title="")
    ax.get_legend().remove()
    ax.set_title("a network is a graph", fontsize=10)


def its_parameters(ax: Any, nets: int) -> None:
    ghn, data = GHN.from_pretrained("ghn2-digits"), load_images("digits", split="test")
    batches = evaluation_batches(data)
    unseen = evaluation_nets("test", nets, image_size=data.image_size, num_classes=10)
    initial = [result.top1 for result in evaluate_initial(unseen, batches, progress=False)]
    predicted = [result.top1 for result in evaluate_nets(ghn, unseen, batches, progress=False)]
    bins = np.arange(0, 101, 5)
    ax.hist(initial, bins, color=COLOURS[7], label="initial weights")
    ax.hist(predicted, bins, color=COLOURS[0], label="predicted weights", alpha=0.85)
    ax.legend(fontsize=8, frameon=False)
    title = "graph → its parameters"
    tidy(ax, title=title, x="accuracy on digits, never trained (%)", y="unseen networks")


def its_accuracy(ax: Any) -> None:
    X, y = load_table("nb201", target="c10_val")
    order = np.random.default_rng(0).permutation(len(X))[:2400]
    train, test = order[:400], order[400:]
    model = StackedEnsemble(combine="mean").fit([X[k] for k in train], y[train])
    predicted = model.predict([X[k] for k in test])
    tau = kendall_tau(y[test], predicted)
    ax.plot(predicted, y[test], ".", color=COLOURS[1], markersize=2.5)
    low = 50
    ax.plot([low, 95], [low, 95], color=COLOURS[7], linewidth=0.8)
    ax.set(xlim=(low, 95), ylim=(low, 95))
    ax.text(0.05, 0.9, f"400 labels, tau {tau:.2f}", transform=ax.transAxes, fontsize=8)
    tidy(ax, title="graph → its accuracy", x="predicted (%)", y="trained on CIFAR-10 (%)")


def good_graphs(ax: Any) -> None:
    rows = published_results().final()
    rows = rows.take((rows["task"] == "mlp_cifar10") & ~rows["is_baseline"].astype(bool))
    ids, first, inverse = np.unique(rows["graph_id"], return_index=True, return_inverse=True)
    error = np.bincount(inverse, rows["top1_error"]) / np.bincount(inverse)
    low, high = np.percentile(error, [2, 90])
    dots = ax.scatter(
        rows["C"][first],
        rows["L"][first],
        c=error,
        s=4,
        cmap="viridis_r",
        vmin=low,
        vmax=high,
        linewidths=0,
    )
    bar = ax.figure.colorbar(dots, ax=ax)
    bar.set_label("error on CIFAR-10 (%)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    tidy(ax, title="which graphs are good", x="clustering coefficient C", y="path length L")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", type=int, default=100, help="networks of the histogram")
    parser.add_argument("--out", default="docs/figures/overview.png", help="file of the picture")
    args = parser.parse_args()
    figure, axes = canvas(12.5, 3.1, 1, 4, width_ratios=(0.7, 1, 1, 1.15))
    a_network(axes[0])
    its_parameters(axes[1], args.nets)
    its_accuracy(axes[2])
    good_graphs(axes[3])
    save_figure(figure, args.out, dpi=130)


if __name__ == "__main__":
    main()
